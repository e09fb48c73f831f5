import type { RadixNodes } from './radix-nodes.ts';
import { ShardedMap } from './sharded-map.ts';
import { TokenDigest } from './token-digest.ts';
import type { NodeId } from './units.ts';

/** The root of one salt's tree, and the digest that its pages start from. */
export interface SaltRoot {
  readonly salt: string;
  readonly node: NodeId;
  readonly digestHigh: number;
  readonly digestLow: number;
}

/** One tree per salt that has pages or leases; a root goes with the last of them, so that millions of salts leave nothing behind. */
export class SaltRoots {
  readonly #nodes: RadixNodes;
  readonly #bySalt = new ShardedMap<string, SaltRoot>();
  readonly #byNode = new ShardedMap<NodeId, SaltRoot>();
  readonly #digest = new TokenDigest();

  constructor(nodes: RadixNodes) {
    this.#nodes = nodes;
  }

  find(salt: string): SaltRoot | undefined {
    return this.#bySalt.get(salt);
  }

  of(node: NodeId): SaltRoot | undefined {
    return this.#byNode.get(node);
  }

  salts(): string[] {
    return [...this.#bySalt.values()].map(({ salt }) => salt);
  }

  findOrCreate(salt: string): SaltRoot {
    const found = this.#bySalt.get(salt);
    if (found !== undefined) return found;
    this.#digest.start(salt);
    const node = this.#nodes.createRoot();
    const root = { salt, node, digestHigh: this.#digest.high, digestLow: this.#digest.low };
    this.#bySalt.set(salt, root);
    this.#byNode.set(node, root);
    return root;
  }

  /** The tree leaves the index; the node is left to its locks. */
  forget(root: SaltRoot): void {
    this.#bySalt.delete(root.salt);
    this.#byNode.delete(root.node);
  }

  /** Drops a root that neither a page nor a lease needs. O(1). */
  dropUnused(node: NodeId): void {
    const root = this.#byNode.get(node);
    if (root === undefined || this.#nodes.childCount(node) > 0 || this.#nodes.lockCount(node) > 0) return;
    this.forget(root);
    this.#nodes.recycle(node);
  }
}
