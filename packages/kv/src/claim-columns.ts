import type { ClaimTerms } from './claim-terms.ts';
import type { ClaimId, NodeId } from './units.ts';

/** No claim. Claim 0 is never handed out. */
export const NO_CLAIM = 0 as ClaimId;

/**
 * `held`: a lease moves it along. `settled`: it stays where its request ended. `ended`: over, but its lease does not know yet.
 */
export const CLAIM_STATES = { free: 0, held: 1, settled: 2, ended: 3 } as const;

/**
 * Claims as columns: what they say, where they end, and the lists that lead to them: those of a node, those with the same terms, those
 * with the same identity (node and terms), found through a hash table with chains.
 */
export class ClaimColumns {
  // [capacity] each
  #node: Int32Array;
  #state: Uint8Array;
  #deadlineMs: Float64Array;
  readonly #terms: (ClaimTerms | undefined)[];
  #nextOfNode: Int32Array;
  #previousOfNode: Int32Array;
  #nextOfTerms: Int32Array;
  #previousOfTerms: Int32Array;
  #nextOfHash: Int32Array;
  /** [power of two >= capacity] heads of the chains of settled claims */
  #buckets: Int32Array;
  #spare: Int32Array;
  #spareCount = 0;
  #end = 1;
  /** Claims that are held or settled. */
  liveCount = 0;

  constructor(capacity: number) {
    this.#node = new Int32Array(capacity);
    this.#state = new Uint8Array(capacity);
    this.#deadlineMs = new Float64Array(capacity);
    // In its full length: what grows by itself is copied now and then, and a million references take 50 ms.
    this.#terms = Array.from({ length: capacity }, () => undefined);
    this.#nextOfNode = new Int32Array(capacity);
    this.#previousOfNode = new Int32Array(capacity);
    this.#nextOfTerms = new Int32Array(capacity);
    this.#previousOfTerms = new Int32Array(capacity);
    this.#nextOfHash = new Int32Array(capacity);
    this.#spare = new Int32Array(capacity);
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(capacity)));
  }

  /** All claim ids are below it. */
  get end(): number {
    return this.#end;
  }

  node(claim: ClaimId): NodeId {
    return this.#node[claim] as NodeId;
  }

  state(claim: ClaimId): number {
    return this.#state[claim] as number;
  }

  terms(claim: ClaimId): ClaimTerms {
    return this.#terms[claim] as ClaimTerms;
  }

  deadlineMs(claim: ClaimId): number {
    return this.#deadlineMs[claim] as number;
  }

  setDeadline(claim: ClaimId, deadlineMs: number): void {
    this.#deadlineMs[claim] = deadlineMs;
  }

  nextOfNode(claim: ClaimId): ClaimId {
    return this.#nextOfNode[claim] as ClaimId;
  }

  nextOfTerms(claim: ClaimId): ClaimId {
    return this.#nextOfTerms[claim] as ClaimId;
  }

  /** A held claim with these terms, at no node yet. O(1). */
  create(terms: ClaimTerms): ClaimId {
    if (this.#spareCount === 0 && this.#end === this.#node.length) this.#grow();
    const claim = (this.#spareCount > 0 ? this.#spare[--this.#spareCount] : this.#end++) as ClaimId;
    this.#state[claim] = CLAIM_STATES.held;
    this.#deadlineMs[claim] = Number.POSITIVE_INFINITY;
    this.#terms[claim] = terms;
    this.liveCount++;
    const head = terms.firstClaim as ClaimId;
    this.#nextOfTerms[claim] = head;
    this.#previousOfTerms[claim] = NO_CLAIM;
    if (head !== NO_CLAIM) this.#previousOfTerms[head] = claim;
    terms.firstClaim = claim;
    return claim;
  }

  /** Puts the claim into the list that starts at `head`; it is the head from here on. O(1). */
  linkToNode(claim: ClaimId, node: NodeId, head: ClaimId): void {
    this.#node[claim] = node;
    this.#nextOfNode[claim] = head;
    this.#previousOfNode[claim] = NO_CLAIM;
    if (head !== NO_CLAIM) this.#previousOfNode[head] = claim;
  }

  /** Takes the claim out of its node's list. Returns the list's head. O(1). */
  unlinkFromNode(claim: ClaimId, head: ClaimId): ClaimId {
    const next = this.#nextOfNode[claim] as ClaimId;
    const previous = this.#previousOfNode[claim] as ClaimId;
    if (next !== NO_CLAIM) this.#previousOfNode[next] = previous;
    if (previous !== NO_CLAIM) this.#nextOfNode[previous] = next;
    return head === claim ? next : head;
  }

  /** The claim is settled at its node, and can be found there. O(1). */
  settle(claim: ClaimId): void {
    this.#state[claim] = CLAIM_STATES.settled;
    const bucket = this.#bucketOf(this.node(claim), this.terms(claim));
    this.#nextOfHash[claim] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = claim;
  }

  /** The settled claim with these terms at this node. O(1) expected. */
  find(node: NodeId, terms: ClaimTerms): ClaimId {
    let claim = this.#buckets[this.#bucketOf(node, terms)] as ClaimId;
    while (claim !== NO_CLAIM && (this.#node[claim] !== node || this.#terms[claim] !== terms)) {
      claim = this.#nextOfHash[claim] as ClaimId;
    }
    return claim;
  }

  /** Before its node changes, a settled claim is taken out of the table; `settle` puts it back. O(1) expected. */
  unsettle(claim: ClaimId): void {
    const bucket = this.#bucketOf(this.node(claim), this.terms(claim));
    let at = this.#buckets[bucket] as ClaimId;
    if (at === claim) this.#buckets[bucket] = this.#nextOfHash[claim] as number;
    else {
      while (this.#nextOfHash[at] !== claim) at = this.#nextOfHash[at] as ClaimId;
      this.#nextOfHash[at] = this.#nextOfHash[claim] as number;
    }
    this.#state[claim] = CLAIM_STATES.held;
  }

  /** The claim, which is held and at no node, is over: its terms do not list it any more. O(1). */
  close(claim: ClaimId): void {
    const terms = this.terms(claim);
    const next = this.#nextOfTerms[claim] as ClaimId;
    const previous = this.#previousOfTerms[claim] as ClaimId;
    if (next !== NO_CLAIM) this.#previousOfTerms[next] = previous;
    if (previous !== NO_CLAIM) this.#nextOfTerms[previous] = next;
    else terms.firstClaim = next;
    this.#state[claim] = CLAIM_STATES.ended;
    this.#node[claim] = 0;
    this.liveCount--;
  }

  /** The id of an ended claim may be used again. O(1). */
  recycle(claim: ClaimId): void {
    this.#state[claim] = CLAIM_STATES.free;
    this.#terms[claim] = undefined;
    this.#spare[this.#spareCount++] = claim;
  }

  #bucketOf(node: NodeId, terms: ClaimTerms): number {
    return (Math.imul(node, 0x9e3779b1) ^ Math.imul(terms.id, 0x85ebca6b)) & (this.#buckets.length - 1);
  }

  #grow(): void {
    const capacity = this.#node.length * 2;
    this.#node = longer(this.#node, capacity);
    this.#nextOfNode = longer(this.#nextOfNode, capacity);
    this.#previousOfNode = longer(this.#previousOfNode, capacity);
    this.#nextOfTerms = longer(this.#nextOfTerms, capacity);
    this.#previousOfTerms = longer(this.#previousOfTerms, capacity);
    this.#nextOfHash = longer(this.#nextOfHash, capacity);
    this.#spare = longer(this.#spare, capacity);
    const state = new Uint8Array(capacity);
    state.set(this.#state);
    this.#state = state;
    while (this.#terms.length < capacity) this.#terms.push(undefined);
    const deadlines = new Float64Array(capacity);
    deadlines.set(this.#deadlineMs);
    this.#deadlineMs = deadlines;
    this.#rehash(this.#buckets.length * 2);
  }

  #rehash(length: number): void {
    this.#buckets = new Int32Array(length);
    for (let id = 1; id < this.#end; id++) {
      if (this.#state[id] === CLAIM_STATES.settled) this.settle(id as ClaimId);
    }
  }
}

function longer(column: Int32Array, capacity: number): Int32Array {
  const copy = new Int32Array(capacity);
  copy.set(column);
  return copy;
}
