import { CLAIM_STATES } from './claim-columns.ts';
import type { ClaimReader, ClaimRecord, PlacedClaim } from './claim-reader.ts';
import type { RadixParts } from './radix-parts.ts';
import { type ClaimId, type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** The claims of a radix index, by their ids. */
export class RadixReader implements ClaimReader {
  readonly #parts: RadixParts;

  constructor(parts: RadixParts) {
    this.#parts = parts;
  }

  get end(): number {
    return this.#parts.columns.end;
  }

  find(claim: ClaimId): PlacedClaim | undefined {
    const { columns, nodes } = this.#parts;
    const state = columns.state(claim);
    if (state !== CLAIM_STATES.held && state !== CLAIM_STATES.settled) return undefined;
    const node = columns.node(claim);
    // A root has no page, a dead node has lost them.
    return nodes.pageCount(node) === 0 ? undefined : { record: recordOf(this.#parts, claim), node };
  }

  readUp(node: NodeId, isKnown: (page: PageId) => boolean, into: PageId[]): PageId {
    const { nodes } = this.#parts;
    for (let at = node; !nodes.isRoot(at); at = nodes.parent(at)) {
      for (let page = nodes.lastPage(at); page !== NULL_PAGE; page = nodes.previousPage(page)) {
        if (isKnown(page)) return page;
        into.push(page);
      }
    }
    return NULL_PAGE;
  }

  tokensOf(page: PageId): Uint32Array {
    const { tokens } = this.#parts;
    const first = page * tokens.pageSize;
    return tokens.all.subarray(first, first + tokens.count(page));
  }
}

/** What there is to say about a claim that is held or settled. O(1). */
export function recordOf({ columns, times, wheel }: RadixParts, claim: ClaimId): ClaimRecord {
  const isHeld = columns.state(claim) === CLAIM_STATES.held;
  return {
    claim,
    terms: columns.terms(claim),
    state: isHeld ? 'held' : 'settled',
    deadlineMs: columns.deadlineMs(claim),
    expiryMs: isHeld ? Number.POSITIVE_INFINITY : times.expiryOf(claim),
    isTimed: wheel.isRunning(claim),
  };
}
