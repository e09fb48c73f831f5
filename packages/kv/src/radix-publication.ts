import type { PageRun } from './prefix-index.ts';
import { NO_NODE } from './radix-nodes.ts';
import type { RadixParts } from './radix-parts.ts';
import type { RadixRemoval } from './radix-removal.ts';
import type { NodeId, PageId } from './units.ts';

/** Where in the tree and in the table the next page of a run goes. */
interface Insertion {
  /** The run continues behind this node. */
  readonly node: NodeId;
  /** Place among its children, by the order of tokens. */
  readonly place: number;
  /** Place in the page table. */
  readonly at: number;
  /** Tokens of the page. */
  readonly tokenCount: number;
}

/** How written pages enter a radix index. */
export class RadixPublication {
  readonly #parts: RadixParts;
  readonly #removal: RadixRemoval;
  /** One object for all insertions: publishing allocates nothing. */
  readonly #insertion: { -readonly [K in keyof Insertion]: Insertion[K] } = {
    node: NO_NODE,
    place: 0,
    at: 0,
    tokenCount: 0,
  };

  constructor(parts: RadixParts, removal: RadixRemoval) {
    this.#parts = parts;
    this.#removal = removal;
  }

  /** See `PrefixIndex.publish`. */
  publish(start: NodeId, run: PageRun): NodeId {
    const { pageSize } = this.#parts;
    let node = start;
    let at = run.firstPage;
    while (at < run.endPage) {
      const insertion = this.#insertAt(node, run, at, pageSize);
      const twin = this.#twinOf(insertion, run);
      if (twin === undefined) return this.#store(insertion, run);
      const end = at + this.#countTwins(twin, run, at);
      node = this.#adopt(twin, run, at, end);
      at = end;
    }
    return node;
  }

  /** See `PrefixIndex.seal`. */
  seal(end: NodeId, run: PageRun, tokenCount: number): NodeId | undefined {
    const { nodes, tokens } = this.#parts;
    const at = run.firstPage;
    const insertion = this.#insertAt(end, run, at, tokenCount);
    const twin = this.#twinOf(insertion, run);
    if (twin === undefined) return this.#store(insertion, run);
    // The child begins with these tokens and goes on: whoever wants them copies them from there.
    if (tokens.count(nodes.firstPage(twin)) > tokenCount) return undefined;
    return this.#adopt(twin, run, at, at + 1);
  }

  #insertAt(node: NodeId, run: PageRun, at: number, tokenCount: number): Insertion {
    const insertion = this.#insertion;
    insertion.node = node;
    insertion.place = this.#parts.nodes.lowerBound(node, run.tokens, at * this.#parts.pageSize, tokenCount);
    insertion.at = at;
    insertion.tokenCount = tokenCount;
    return insertion;
  }

  /** The child whose first page begins with the insertion's tokens. */
  #twinOf({ node, place, at, tokenCount }: Insertion, run: PageRun): NodeId | undefined {
    const { nodes, tokens, pageSize } = this.#parts;
    if (place === nodes.childCount(node)) return undefined;
    const child = nodes.child(node, place);
    const common = tokens.common(nodes.firstPage(child), run.tokens, at * pageSize, tokenCount);
    return common === tokenCount ? child : undefined;
  }

  /** How many pages of the run, from `at` on, the label of `twin` holds; at least the first. */
  #countTwins(twin: NodeId, run: PageRun, at: number): number {
    const { nodes, tokens, pageSize } = this.#parts;
    const limit = Math.min(run.endPage - at, nodes.pageCount(twin));
    let count = 1;
    let page = nodes.nextPage(nodes.firstPage(twin));
    while (count < limit && tokens.common(page, run.tokens, (at + count) * pageSize, pageSize) === pageSize) {
      page = nodes.nextPage(page);
      count++;
    }
    return count;
  }

  /** The run's pages [at, end) are in `twin` already: the lock moves there, and the table takes the published ones. */
  #adopt(twin: NodeId, run: PageRun, at: number, end: number): NodeId {
    const { nodes, locks, pool } = this.#parts;
    let boundary = nodes.firstPage(twin);
    for (let place = at + 1; place < end; place++) boundary = nodes.nextPage(boundary);
    const node = nodes.endAt(twin, end - at, boundary);
    locks.lockOne(node);
    let page = nodes.firstPage(node);
    for (let place = at; place < end; place++) {
      const duplicate = run.table[place] as PageId;
      // The table first: a page must never be free while a table points at it.
      pool.retain(page);
      run.table[place] = page;
      pool.release(duplicate);
      page = nodes.nextPage(page);
    }
    return node;
  }

  /** The run's pages from `at` on are new. */
  #store(insertion: Insertion, run: PageRun): NodeId {
    const { nodes, tokens, pool, memory, digest, pageSize } = this.#parts;
    const { node, tokenCount } = insertion;
    digest.startAfterNode(node);
    const target = this.#canGrow(insertion) ? node : this.#createChild(insertion, run);
    for (let place = insertion.at; place < run.endPage; place++) {
      const page = run.table[place] as PageId;
      const from = place * pageSize;
      tokens.store(page, run.tokens, from, tokenCount);
      memory.forgetStart(page, digest);
      digest.add(run.tokens, from, from + tokenCount);
      tokens.setDigest(page, digest.high, digest.low);
      memory.forgetWhole(digest);
      nodes.append(target, page);
      pool.publish(page);
    }
    return target;
  }

  /** A leaf that only the publishing lease locks takes full pages into its own label. If others ended there, it would end later for them. */
  #canGrow({ node, tokenCount }: Insertion): boolean {
    const { nodes, pageSize } = this.#parts;
    return (
      tokenCount === pageSize && !nodes.isRoot(node) && nodes.childCount(node) === 0 && nodes.lockCount(node) === 1
    );
  }

  #createChild(insertion: Insertion, run: PageRun): NodeId {
    const { nodes } = this.#parts;
    const shadowed = this.#sealedPrefixOf(insertion, run);
    if (shadowed !== undefined) this.#removal.removeNode(shadowed);
    const child = nodes.createChild(insertion.node, insertion.place - (shadowed === undefined ? 0 : 1));
    nodes.setLockCount(child, 1);
    return child;
  }

  /** The sealed child whose tokens the new page begins with. It can only be the neighbour below: no sibling is a prefix of another. */
  #sealedPrefixOf({ node, place, at }: Insertion, run: PageRun): NodeId | undefined {
    const { nodes, tokens, pageSize } = this.#parts;
    if (place === 0) return undefined;
    const child = nodes.child(node, place - 1);
    const page = nodes.firstPage(child);
    const count = tokens.count(page);
    return count < pageSize && tokens.common(page, run.tokens, at * pageSize, count) === count ? child : undefined;
  }
}
