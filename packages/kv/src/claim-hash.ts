import type { ClaimTerms } from './claim-terms.ts';
import { Int32Column } from './growing-columns.ts';
import type { ClaimId, NodeId } from './units.ts';

/** What a claim is found by. */
export interface ClaimIdentities {
  readonly node: (claim: ClaimId) => NodeId;
  readonly terms: (claim: ClaimId) => ClaimTerms;
}

const NONE = 0 as ClaimId;

/**
 * Settled claims by node and terms: a hash table with chains through a column. It grows by linear hashing (W. Litwin, "Linear Hashing", 1980): one
 * bucket more whenever there are more claims than buckets, and the claims of one other bucket are dealt out to the two.
 *
 *     buckets   0 .. split-1 | split .. half-1 | half .. count-1       [0, split) were dealt out already, to [half, count)
 */
export class ClaimHash {
  readonly #identities: ClaimIdentities;
  readonly #heads: Int32Column;
  /** [claims] */
  readonly #next: Int32Column;
  /** Power of two: half <= count < 2 x half. */
  #half: number;
  #count: number;
  #claims = 0;

  constructor(capacity: number, identities: ClaimIdentities) {
    this.#identities = identities;
    this.#half = 2 ** Math.ceil(Math.log2(capacity));
    this.#count = this.#half;
    this.#heads = new Int32Column(this.#half);
    this.#next = new Int32Column(capacity);
  }

  /** There is room for ids below `length`. */
  reserve(length: number): void {
    this.#next.reserve(length);
  }

  /** O(1), and O(claims of a bucket) for one that is dealt out. */
  add(claim: ClaimId): void {
    if (++this.#claims > this.#count) this.#split();
    this.#put(claim, this.#bucketOf(claim));
  }

  /** The claim, which is in the table. O(1) expected. */
  remove(claim: ClaimId): void {
    const bucket = this.#bucketOf(claim);
    let at = this.#heads.get(bucket);
    if (at === claim) this.#heads.set(bucket, this.#next.get(claim));
    else {
      while (this.#next.get(at) !== claim) at = this.#next.get(at);
      this.#next.set(at, this.#next.get(claim));
    }
    this.#claims--;
  }

  /** 0: there is none. O(1) expected. */
  find(node: NodeId, terms: ClaimTerms): ClaimId {
    let claim = this.#heads.get(this.#bucketFor(hashOf(node, terms))) as ClaimId;
    while (claim !== NONE && (this.#identities.node(claim) !== node || this.#identities.terms(claim) !== terms)) {
      claim = this.#next.get(claim) as ClaimId;
    }
    return claim;
  }

  #split(): void {
    const from = this.#count - this.#half;
    this.#heads.reserve(this.#count + 1);
    this.#count++;
    if (this.#count === 2 * this.#half) this.#half = this.#count;
    let claim = this.#heads.get(from) as ClaimId;
    this.#heads.set(from, NONE);
    while (claim !== NONE) {
      const next = this.#next.get(claim) as ClaimId;
      this.#put(claim, this.#bucketOf(claim));
      claim = next;
    }
  }

  #put(claim: ClaimId, bucket: number): void {
    this.#next.set(claim, this.#heads.get(bucket));
    this.#heads.set(bucket, claim);
  }

  #bucketOf(claim: ClaimId): number {
    return this.#bucketFor(hashOf(this.#identities.node(claim), this.#identities.terms(claim)));
  }

  #bucketFor(hash: number): number {
    const bucket = hash & (2 * this.#half - 1);
    return bucket < this.#count ? bucket : bucket - this.#half;
  }
}

function hashOf(node: NodeId, terms: ClaimTerms): number {
  return Math.imul(node, 0x9e3779b1) ^ Math.imul(terms.id, 0x85ebca6b);
}
