import type { PageTokens } from './page-tokens.ts';
import { NO_NODE, type RadixNodes } from './radix-nodes.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

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
  readonly #nodes: RadixNodes;
  readonly #tokens: PageTokens;

  constructor(nodes: RadixNodes, tokens: PageTokens) {
    this.#nodes = nodes;
    this.#tokens = tokens;
  }

  /** Follows at most `limit` leading tokens. O(matched tokens + log children a node), allocates nothing. */
  follow(root: NodeId, tokens: Uint32Array, limit: number): void {
    const pageSize = this.#tokens.pageSize;
    this.reset(root);
    let matched = 0;
    while (matched < limit) {
      const page = this.#nextCandidate(tokens, matched, limit);
      if (page === NULL_PAGE) break;
      const common = this.#tokens.common(page, tokens, matched, limit - matched);
      if (common < pageSize) {
        this.#endInside(page, common);
        return;
      }
      this.#enter(page);
      matched += pageSize;
    }
    this.sourceNode = NO_NODE;
  }

  /** A walk that found nothing. */
  reset(root: NodeId): void {
    this.node = root;
    this.pagesInNode = 0;
    this.matchedPages = 0;
    this.lastPage = NULL_PAGE;
    this.sourceNode = NO_NODE;
    this.sourcePage = NULL_PAGE;
    this.sourceTokens = 0;
  }

  /** The page that has most in common with the tokens from `matched` on, its node in `sourceNode`. */
  #nextCandidate(tokens: Uint32Array, matched: number, limit: number): PageId {
    const nodes = this.#nodes;
    if (this.pagesInNode < nodes.pageCount(this.node)) {
      this.sourceNode = this.node;
      return nodes.nextPage(this.lastPage);
    }
    const count = nodes.childCount(this.node);
    if (count === 0) return NULL_PAGE;
    const wanted = Math.min(limit - matched, this.#tokens.pageSize);
    // Children are in the order of their tokens, so the longest common prefix is at one of the two neighbours.
    const place = nodes.lowerBound(this.node, tokens, matched, wanted);
    const above = place < count ? this.#commonWith(place, tokens, matched, wanted) : 0;
    const below = place > 0 && above < wanted ? this.#commonWith(place - 1, tokens, matched, wanted) : 0;
    this.sourceNode = nodes.child(this.node, place < count && above >= below ? place : place - 1);
    return nodes.firstPage(this.sourceNode);
  }

  #commonWith(place: number, tokens: Uint32Array, matched: number, wanted: number): number {
    const page = this.#nodes.firstPage(this.#nodes.child(this.node, place));
    return this.#tokens.common(page, tokens, matched, wanted);
  }

  #enter(page: PageId): void {
    this.pagesInNode = this.sourceNode === this.node ? this.pagesInNode + 1 : 1;
    this.node = this.sourceNode;
    this.lastPage = page;
    this.matchedPages++;
  }

  #endInside(page: PageId, common: number): void {
    this.sourceTokens = common;
    if (common > 0) this.sourcePage = page;
    else this.sourceNode = NO_NODE;
  }
}
