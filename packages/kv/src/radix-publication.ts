import { CLAIM_STATES, NO_CLAIM } from './claim-columns.ts';
import { tagsOf } from './claim-terms.ts';
import { pageKey } from './kv-events.ts';
import type { PageRun } from './prefix-index.ts';
import { NO_NODE } from './radix-nodes.ts';
import type { RadixParts } from './radix-parts.ts';
import type { NodeId, PageId } from './units.ts';

/** Where in the tree and in the table the next page of a run goes. */
interface Insertion {
  /** The run continues behind this node. */
  node: NodeId;
  /** Its children between which the page goes, by the order of tokens; none: `NO_NODE`. */
  below: NodeId;
  above: NodeId;
  /** Place in the page table. */
  at: number;
  /** Tokens of the page. */
  tokenCount: number;
  /** It becomes part of the node's own label. */
  grows: boolean;
}

/** How written pages enter a radix index. */
export class RadixPublication {
  readonly #parts: RadixParts;
  /** One object for all insertions: publishing allocates nothing. */
  readonly #insertion: Insertion = {
    node: NO_NODE,
    below: NO_NODE,
    above: NO_NODE,
    at: 0,
    tokenCount: 0,
    grows: false,
  };

  constructor(parts: RadixParts) {
    this.#parts = parts;
  }

  /** See `PrefixIndex.publish`. */
  publish(start: NodeId, run: PageRun): NodeId {
    const { pageSize } = this.#parts;
    let node = start;
    let at = run.firstPage;
    while (at < run.endPage) {
      const insertion = this.#insertAt(node, run, at, pageSize);
      const twin = this.#twinOf(insertion, run);
      if (twin === undefined) return this.#storeRest(insertion, run);
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
    if (twin === undefined) return this.#storeRest(insertion, run);
    // The child begins with these tokens and goes on: whoever wants them copies them from there.
    if (run.keepsOwn || tokens.count(nodes.firstPage(twin)) > tokenCount) return undefined;
    return this.#adopt(twin, run, at, at + 1);
  }

  #insertAt(node: NodeId, run: PageRun, at: number, tokenCount: number): Insertion {
    const insertion = this.#insertion;
    const place = this.#parts.nodes.findPlace(node, run.tokens, at * this.#parts.pageSize, tokenCount);
    insertion.node = node;
    insertion.below = place.below;
    insertion.above = place.above;
    insertion.at = at;
    insertion.tokenCount = tokenCount;
    insertion.grows = this.#canGrow(insertion);
    return insertion;
  }

  /** The child whose first page begins with the insertion's tokens. */
  #twinOf({ above, at, tokenCount }: Insertion, run: PageRun): NodeId | undefined {
    const { nodes, tokens, pageSize } = this.#parts;
    if (above === NO_NODE) return undefined;
    const common = tokens.common(nodes.firstPage(above), run.tokens, at * pageSize, tokenCount);
    return common === tokenCount ? above : undefined;
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

  /** The run's pages from `at` on are new. A sealed page that the first of them begins with gives way, and its claims go over to that page. */
  #storeRest(insertion: Insertion, run: PageRun): NodeId {
    const { nodes, claims, removal } = this.#parts;
    const shadowed = insertion.grows ? undefined : this.#sealedPrefixOf(insertion, run);
    if (shadowed === undefined) return this.#store(insertion, run, run.endPage);
    insertion.below = nodes.children.previous(shadowed);
    nodes.unlinkChild(shadowed);
    if (nodes.claims.firstClaim(shadowed) === NO_CLAIM) {
      removal.discard(shadowed, 'replaced');
      return this.#store(insertion, run, run.endPage);
    }
    // Claims end with their page, so this one gets a node of its own.
    const { at } = insertion;
    const heir = this.#store(insertion, run, at + 1);
    if (nodes.claims.isReused(shadowed)) nodes.claims.setReused(heir);
    claims.absorb(shadowed, heir);
    removal.discard(shadowed, 'replaced');
    if (at + 1 === run.endPage) return heir;
    const rest = this.#insertAt(heir, run, at + 1, this.#parts.pageSize);
    rest.grows = false;
    return this.#store(rest, run, run.endPage);
  }

  /** Stores the run's pages [insertion.at, endPage). Returns the node that they end in. */
  #store(insertion: Insertion, run: PageRun, endPage: number): NodeId {
    const { nodes, tokens, pool, memory, digest, pageSize, events } = this.#parts;
    const { node, tokenCount, at } = insertion;
    digest.startAfterNode(node);
    const parent = events.isRecording && !this.#isAtStart(node) ? pageKey(digest.high, digest.low) : undefined;
    const target = insertion.grows ? node : this.#createChild(insertion);
    for (let place = at; place < endPage; place++) {
      const page = run.table[place] as PageId;
      const from = place * pageSize;
      tokens.store(page, run.tokens, from, tokenCount);
      memory.forgetStart(page, digest);
      digest.add(run.tokens, from, from + tokenCount);
      tokens.setDigest(page, digest.high, digest.low);
      memory.forgetWhole(digest);
      nodes.append(target, page);
      pool.publish(page);
      run.storedTokens += tokenCount;
    }
    if (events.isRecording) this.#tell(run, { at, endPage, tokenCount, parent });
    return target;
  }

  #isAtStart(node: NodeId): boolean {
    return this.#parts.nodes.isRoot(node);
  }

  #tell(run: PageRun, part: { at: number; endPage: number; tokenCount: number; parent: string | undefined }): void {
    const { events, tokens, pageSize } = this.#parts;
    const pages = [...run.table.subarray(part.at, part.endPage)] as PageId[];
    const from = part.at * pageSize;
    events.tell({
      kind: 'stored',
      medium: 'memory',
      salt: run.salt,
      ...(part.parent === undefined ? {} : { parent: part.parent }),
      keys: pages.map((page) => pageKey(tokens.digestHigh(page), tokens.digestLow(page))),
      tokens: [...run.tokens.subarray(from, from + (pages.length - 1) * pageSize + part.tokenCount)],
      pageSize,
      tags: run.terms === undefined ? [] : tagsOf(run.terms),
    });
  }

  /**
   * A leaf that only the publishing lease locks takes full pages into its own label. If others ended there, leases or claims, it would end later
   * for them; and what was reused is not mixed with what nobody asked for yet.
   */
  #canGrow({ node, tokenCount }: Insertion): boolean {
    const { nodes, pageSize, columns } = this.#parts;
    if (tokenCount < pageSize || nodes.isRoot(node) || nodes.childCount(node) > 0) return false;
    if (nodes.lockCount(node) !== 1 || nodes.claims.isReused(node)) return false;
    const claim = nodes.claims.firstClaim(node);
    if (claim === NO_CLAIM) return true;
    return columns.nextOfNode(claim) === NO_CLAIM && columns.state(claim) === CLAIM_STATES.held;
  }

  #createChild(insertion: Insertion): NodeId {
    const { nodes } = this.#parts;
    const child = nodes.createChild(insertion.node, insertion);
    nodes.setLockCount(child, 1);
    return child;
  }

  /** The sealed child whose tokens the new page begins with. It can only be the neighbour below: no sibling is a prefix of another. */
  #sealedPrefixOf({ below, at }: Insertion, run: PageRun): NodeId | undefined {
    const { nodes, tokens, pageSize } = this.#parts;
    if (below === NO_NODE) return undefined;
    const page = nodes.firstPage(below);
    const count = tokens.count(page);
    return count < pageSize && tokens.common(page, run.tokens, at * pageSize, count) === count ? below : undefined;
  }
}
