/** Entries of a map that is still one table; beyond it, there are many. */
const SPLIT_ENTRIES = 2_048;
const SHARDS = 512;

/**
 * A map that never stops everything to grow. A `Map` makes a table twice as large and copies all entries into it, 40 ms for 300,000 of them, and
 * again when most are gone; here that happens to a small part at a time.
 */
export class ShardedMap<Key extends string | number, Value> {
  size = 0;
  #shards: Map<Key, Value>[] = [new Map()];

  get(key: Key): Value | undefined {
    return this.#shardOf(key).get(key);
  }

  has(key: Key): boolean {
    return this.#shardOf(key).has(key);
  }

  set(key: Key, value: Value): void {
    const shard = this.#shardOf(key);
    const before = shard.size;
    shard.set(key, value);
    this.size += shard.size - before;
    if (this.#shards.length === 1 && this.size > SPLIT_ENTRIES) this.#split();
  }

  /** False: it was not there. */
  delete(key: Key): boolean {
    const isFound = this.#shardOf(key).delete(key);
    if (isFound) this.size--;
    return isFound;
  }

  /** In no order that means anything. The map must not change meanwhile, except that what was given may be deleted. */
  *values(): Generator<Value> {
    for (const shard of this.#shards) yield* shard.values();
  }

  #split(): void {
    const [whole] = this.#shards;
    this.#shards = Array.from({ length: SHARDS }, () => new Map());
    for (const [key, value] of whole ?? []) this.#shardOf(key).set(key, value);
  }

  #shardOf(key: Key): Map<Key, Value> {
    const shards = this.#shards;
    return shards[shards.length === 1 ? 0 : hashOf(key) % SHARDS] as Map<Key, Value>;
  }
}

/** FNV-1a (G. Fowler, L. Noll, K. Vo) over the code units. Pure. */
function hashOf(key: string | number): number {
  if (typeof key === 'number') return key;
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
