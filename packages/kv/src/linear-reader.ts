import type { ClaimReader, PlacedClaim } from './claim-reader.ts';
import type { LinearClaims } from './linear-claims.ts';
import { type Entry, isLive, type LinearEntries } from './linear-entries.ts';
import { type ClaimId, type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** The claims of a naive index, by their ids. */
export class LinearReader implements ClaimReader {
  readonly #entries: LinearEntries;
  readonly #claims: LinearClaims;

  constructor(entries: LinearEntries, claims: LinearClaims) {
    this.#entries = entries;
    this.#claims = claims;
  }

  get end(): number {
    return this.#claims.idEnd;
  }

  find(id: ClaimId): PlacedClaim | undefined {
    const claim = this.#entries.claims.find((each) => each.id === id && !each.isOver);
    if (claim === undefined || !isLive(claim.entry) || claim.entry.parent === undefined) return undefined;
    return { record: this.#claims.recordOf(claim), node: claim.entry.node };
  }

  readUp(node: NodeId, isKnown: (page: PageId) => boolean, into: PageId[]): PageId {
    let at: Entry | undefined = this.#entries.all.find((entry) => entry.node === node);
    for (; at?.parent !== undefined; at = at.parent) {
      if (isKnown(at.page)) return at.page;
      into.push(at.page);
    }
    return NULL_PAGE;
  }

  tokensOf(page: PageId): Uint32Array {
    const entry = this.#entries.all.find((each) => isLive(each) && each.parent !== undefined && each.page === page);
    return Uint32Array.from(entry?.tokens ?? []);
  }
}
