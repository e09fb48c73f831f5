import { EvictionLists } from './eviction-lists.ts';
import type { RadixNodes } from './radix-nodes.ts';
import type { NodeId } from './units.ts';

/** Bands that can be evicted, each with two lists: what nobody reused, and what was matched again. */
export const SLOT_COUNT = 6;

/** Reused pages give way to pages that nobody reused, unless they are more than so many times as many. */
export const REUSED_SHARE = 3;

/** The list of a node: by the highest band of the claims below it, and by whether a later request matched it. Pure. */
export function slotOf(band: number, isReused: boolean): number {
  return band * 2 + (isReused ? 1 : 0);
}

/**
 * Which node is evicted next. One least-recently-used order a slot, the lowest band first; within a band, tails that nobody reused go before
 * what was reused, so that a flood of prompts that never come again does not wash out those that do. Reused pages that are many and old go,
 * too, so that nothing is kept for having been useful once.
 *
 * A parent's band is at least its child's, it is reused when its child is, and it is unlocked later: so the oldest of the lowest slot that is
 * in use is a leaf.
 */
export class BandOrders {
  readonly #nodes: RadixNodes;
  readonly #lists: EvictionLists;
  /** [SLOT_COUNT] pages of the nodes in each slot */
  readonly #pages = new Int32Array(SLOT_COUNT);

  constructor(nodes: RadixNodes) {
    this.#nodes = nodes;
    this.#lists = new EvictionLists(SLOT_COUNT, nodes.capacity);
  }

  /** The node was used last of all in its slot. O(1). */
  add(node: NodeId): void {
    const { claims } = this.#nodes;
    const slot = slotOf(claims.band(node), claims.isReused(node));
    claims.setSlot(node, slot + 1);
    this.#pages[slot] = (this.#pages[slot] as number) + this.#nodes.pageCount(node);
    this.#lists.add(slot, node);
  }

  /** The node is locked, pinned or gone; nothing happens when it is not listed. O(1). */
  remove(node: NodeId): void {
    const { claims } = this.#nodes;
    const slot = claims.slot(node) - 1;
    if (slot < 0) return;
    claims.setSlot(node, 0);
    this.#pages[slot] = (this.#pages[slot] as number) - this.#nodes.pageCount(node);
    this.#lists.remove(slot, node);
  }

  /** The claims below an unlocked node changed: it moves to another slot, as the newest there, when its own is not right any more. O(1). */
  update(node: NodeId): void {
    const { claims } = this.#nodes;
    if (claims.slot(node) - 1 === slotOf(claims.band(node), claims.isReused(node))) return;
    this.remove(node);
    this.add(node);
  }

  /** One page less in the label of a listed node. */
  trimmed(node: NodeId): void {
    const slot = this.#nodes.claims.slot(node) - 1;
    this.#pages[slot] = (this.#pages[slot] as number) - 1;
  }

  /** The node to trim now. Undefined when all are locked or pinned. O(1). */
  victim(): NodeId | undefined {
    for (let slot = 0; slot < SLOT_COUNT; slot += 2) {
      const fresh = this.#pages[slot] as number;
      const reused = this.#pages[slot + 1] as number;
      if (fresh + reused === 0) continue;
      if (fresh === 0) return this.#lists.oldest(slot + 1);
      if (reused > REUSED_SHARE * fresh) {
        const oldest = this.#lists.oldest(slot + 1);
        // What hangs on it was used before it: that goes first.
        if (oldest !== undefined && this.#nodes.childCount(oldest) === 0) return oldest;
      }
      return this.#lists.oldest(slot);
    }
    return undefined;
  }

  /** Listed nodes of each slot, the next to be evicted first. O(nodes). */
  lists(): NodeId[][] {
    return Array.from({ length: SLOT_COUNT }, (_, slot) => this.#lists.nodes(slot));
  }

  /** [SLOT_COUNT] pages as they are counted. */
  pageCounts(): readonly number[] {
    return [...this.#pages];
  }
}
