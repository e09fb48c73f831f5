import { TextError } from './errors.ts';

export interface StopMatch {
  /** What may be shown: it holds no part of a stop string. */
  readonly text: string;
  /** True from the delta on that completes a stop string. */
  readonly stopped: boolean;
}

const ROOT = 0;

/**
 * Finds stop strings in a text that comes in deltas, whatever the borders between them.
 *
 *     stops: ["\n\nUser", "END"]     text so far: "yes.\n\nUs" -> shown "yes.", held "\n\nUs" (the longest suffix that begins a stop)
 *
 * The first one that is complete wins; of several that end at the same character, the longest. Its text and what follows are not
 * shown. The held text is never stored: it is the path from the root to the current node. Cost: amortised O(1) a character.
 *
 * Source: Aho and Corasick 1975, "Efficient string matching: an aid to bibliographic search". Characters are UTF-16 code units.
 */
export class StopMatcher {
  // Nodes are prefixes of the stops; 0 is the empty one. [nodes] each.
  readonly #next: Map<number, number>[] = [new Map()];
  readonly #depth: number[] = [0];
  /** The longest proper suffix that is a node too. */
  readonly #fallback: number[] = [ROOT];
  /** Length of the longest stop that ends here; 0: none. */
  readonly #matched: number[] = [0];
  /** The stop (its index) that the node is a prefix of. */
  readonly #stopOf: number[] = [0];
  readonly #stops: readonly string[];

  #node = ROOT;
  #hasStopped = false;

  /** No stops: nothing is ever held. Throws STOP_INVALID for an empty one. */
  constructor(stops: readonly string[]) {
    for (const [index, stop] of stops.entries()) {
      if (typeof stop === 'string' && stop !== '') continue;
      throw new TextError('STOP_INVALID', `Stop string ${index} must be a string of at least one character.`);
    }
    this.#stops = stops;
    for (const [index, stop] of stops.entries()) this.#insert(stop, index);
    this.#link();
  }

  /** The text that can no longer be part of a stop string. After a stop nothing more comes. */
  push(delta: string): StopMatch {
    if (this.#hasStopped) return { text: '', stopped: true };
    const before = this.#node;
    for (let at = 0; at < delta.length; at += 1) {
      this.#node = this.#step(this.#node, delta.charCodeAt(at));
      const matched = this.#matched[this.#node] as number;
      if (matched === 0) continue;
      this.#hasStopped = true;
      return { text: this.#shown(before, delta, at + 1 - matched), stopped: true };
    }
    return { text: this.#shown(before, delta, delta.length - (this.#depth[this.#node] as number)), stopped: false };
  }

  /** What is held, since nothing follows; empty after a stop. The matcher is then as new. */
  flush(): string {
    const held = this.#hasStopped ? '' : this.#heldAt(this.#node, this.#depth[this.#node] as number);
    this.#node = ROOT;
    this.#hasStopped = false;
    return held;
  }

  /** What was held at a node followed by the delta, up to `end` characters into the delta (negative: into what was held). */
  #shown(node: number, delta: string, end: number): string {
    return this.#heldAt(node, (this.#depth[node] as number) + Math.min(end, 0)) + delta.slice(0, Math.max(end, 0));
  }

  #heldAt(node: number, count: number): string {
    return count === 0 ? '' : (this.#stops[this.#stopOf[node] as number] as string).slice(0, count);
  }

  #step(from: number, codeUnit: number): number {
    let node = from;
    for (;;) {
      const next = this.#next[node]?.get(codeUnit);
      if (next !== undefined) return next;
      if (node === ROOT) return ROOT;
      node = this.#fallback[node] as number;
    }
  }

  #insert(stop: string, index: number): void {
    let node = ROOT;
    for (let at = 0; at < stop.length; at += 1) {
      const children = this.#next[node] as Map<number, number>;
      let child = children.get(stop.charCodeAt(at));
      if (child === undefined) {
        child = this.#next.length;
        children.set(stop.charCodeAt(at), child);
        this.#next.push(new Map());
        this.#depth.push(at + 1);
        this.#fallback.push(ROOT);
        this.#matched.push(0);
        this.#stopOf.push(index);
      }
      node = child;
    }
    this.#matched[node] = stop.length;
  }

  /** Breadth first, so that the fallback of a node's parent, which is shorter, is known. */
  #link(): void {
    const queue = [...(this.#next[ROOT] as Map<number, number>).values()];
    for (const node of queue) {
      if (this.#matched[node] === 0) this.#matched[node] = this.#matched[this.#fallback[node] as number] as number;
      for (const [codeUnit, child] of this.#next[node] as Map<number, number>) {
        this.#fallback[child] = this.#step(this.#fallback[node] as number, codeUnit);
        queue.push(child);
      }
    }
  }
}
