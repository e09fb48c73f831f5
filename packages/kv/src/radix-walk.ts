import type { CacheClock } from './cache-clock.ts';
import type { ClaimTimes } from './claim-times.ts';
import type { PageTokens } from './page-tokens.ts';
import { NO_NODE, type RadixNodes } from './radix-nodes.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** Children whose time is over that a match passes over, at most, in search of one that lives: a step is not to wait for thousands of them. */
const LOOKS = 64;

export interface WalkParts {
  readonly nodes: RadixNodes;
  readonly tokens: PageTokens;
  readonly clock: CacheClock;
  readonly times: ClaimTimes;
}

/**
 * A walk from a root along the tokens of a prompt. Its fields are the result, overwritten by the next walk.
 *
 *     prompt   | page 0 | page 1 | page 2 | to|kens ...
 *     index    | 4      | 12     | 9      | 7: to|tal        matchedPages 3, lastPage 9, sourcePage 7, sourceTokens 2
 */
export class RadixWalk {
  /** The node that the match ends in, after `pagesInNode` pages of its label (a root has none). */
  node: NodeId = NO_NODE;
  pagesInNode = 0;
  /** Pages that match completely, and the last of them (the null page when there is none). */
  matchedPages = 0;
  lastPage: PageId = NULL_PAGE;
  /** Page whose first `sourceTokens` tokens continue the match, and its node: `node` itself or a child of it. */
  sourceNode: NodeId = NO_NODE;
  sourcePage: PageId = NULL_PAGE;
  sourceTokens = 0;
  /** More would match if the time of a node that is still in the tree were not over. */
  metExpired = false;
  readonly #nodes: RadixNodes;
  readonly #tokens: PageTokens;
  readonly #clock: CacheClock;
  readonly #times: ClaimTimes;
  #trust: 'checked' | 'trusted' = 'trusted';

  constructor(parts: WalkParts) {
    this.#nodes = parts.nodes;
    this.#tokens = parts.tokens;
    this.#clock = parts.clock;
    this.#times = parts.times;
  }

  /**
   * Follows at most `limit` leading tokens. O(matched tokens + log children a node, expected), allocates nothing while nothing is late.
   * @param trust `checked` when nodes may be in the tree whose time is over.
   */
  follow(root: NodeId, tokens: Uint32Array, limit: number, trust: 'checked' | 'trusted'): void {
    const pageSize = this.#tokens.pageSize;
    this.reset(root);
    this.#trust = trust;
    let matched = 0;
    while (matched < limit) {
      const wanted = Math.min(limit - matched, pageSize);
      const isInLabel = this.pagesInNode < this.#nodes.pageCount(this.node);
      if (isInLabel) this.#compareNextPage(tokens, matched, wanted);
      else this.#searchChildren(tokens, matched, wanted);
      if (this.sourceTokens < pageSize) break;
      this.pagesInNode = isInLabel ? this.pagesInNode + 1 : 1;
      this.node = this.sourceNode;
      this.lastPage = this.sourcePage;
      this.matchedPages++;
      matched += pageSize;
      this.#setSource(NO_NODE, NULL_PAGE, 0);
    }
  }

  /** A walk that found nothing. */
  reset(root: NodeId): void {
    this.node = root;
    this.pagesInNode = 0;
    this.matchedPages = 0;
    this.lastPage = NULL_PAGE;
    this.metExpired = false;
    this.#setSource(NO_NODE, NULL_PAGE, 0);
  }

  #compareNextPage(tokens: Uint32Array, matched: number, wanted: number): void {
    const page = this.#nodes.nextPage(this.lastPage);
    this.#setSource(this.node, page, this.#tokens.common(page, tokens, matched, wanted));
  }

  /**
   * The child that has most in common with the `wanted` tokens from `matched` on. Children are in the order of their tokens, so it is
   * one of the two neighbours of the place where these would stand, and a search compares with both on its way; of equals
   * the one above.
   */
  #searchChildren(tokens: Uint32Array, matched: number, wanted: number): void {
    const { children } = this.#nodes;
    let below = NO_NODE;
    let above = NO_NODE;
    let belowTokens = 0;
    let aboveTokens = 0;
    let at = children.top(this.node);
    while (at !== NO_NODE) {
      const page = this.#nodes.firstPage(at);
      const common = this.#tokens.common(page, tokens, matched, wanted);
      if (common < wanted && this.#tokens.isBelow(page, common, tokens[matched + common] as number)) {
        below = at;
        belowTokens = common;
        at = children.higher(at);
      } else {
        above = at;
        aboveTokens = common;
        if (common === this.#tokens.pageSize) break;
        at = children.lower(at);
      }
    }
    if (this.#trust === 'checked') {
      // The search ends at the first child that matches whole: what it met below need not be the neighbour.
      this.#takeLive(
        above === NO_NODE ? below : children.previous(above),
        above,
        tokens.subarray(matched, matched + wanted),
      );
      return;
    }
    const best = Math.max(aboveTokens, belowTokens);
    const node = aboveTokens === best ? above : below;
    if (best > 0) this.#setSource(node, this.#nodes.firstPage(node), best);
  }

  /** From two neighbours outwards, the child that lives and has most in common with `wanted`; what comes next never has more. */
  #takeLive(belowStart: NodeId, aboveStart: NodeId, wanted: Uint32Array): void {
    const { children } = this.#nodes;
    let below = belowStart;
    let above = aboveStart;
    let first = 0;
    for (let looks = 0; looks < LOOKS; looks++) {
      const belowTokens = this.#commonOf(below, wanted);
      const aboveTokens = this.#commonOf(above, wanted);
      const best = Math.max(aboveTokens, belowTokens);
      if (looks === 0) first = best;
      const node = aboveTokens === best ? above : below;
      const isFound = best > 0 && this.#isLive(node);
      if (isFound) this.#setSource(node, this.#nodes.firstPage(node), best);
      if (best < first) this.metExpired = true;
      if (isFound || best === 0) return;
      if (node === above) above = children.next(above);
      else below = children.previous(below);
    }
    this.metExpired = true;
  }

  #commonOf(child: NodeId, wanted: Uint32Array): number {
    return child === NO_NODE ? 0 : this.#tokens.common(this.#nodes.firstPage(child), wanted, 0, wanted.length);
  }

  #isLive(node: NodeId): boolean {
    const { claims } = this.#nodes;
    if (claims.isUnsure(node)) this.#times.tighten(node);
    return claims.isLive(node, this.#clock.nowMs);
  }

  #setSource(node: NodeId, page: PageId, tokens: number): void {
    this.sourceNode = tokens > 0 ? node : NO_NODE;
    this.sourcePage = tokens > 0 ? page : NULL_PAGE;
    this.sourceTokens = tokens;
  }
}
