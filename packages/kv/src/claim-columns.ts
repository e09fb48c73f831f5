import { ClaimHash } from './claim-hash.ts';
import type { ClaimTerms } from './claim-terms.ts';
import { Float64Column, Int32Column, ObjectColumn } from './growing-columns.ts';
import type { ClaimId, NodeId } from './units.ts';

/** No claim. Claim 0 is never handed out. */
export const NO_CLAIM = 0 as ClaimId;

/**
 * `held`: a lease moves it along. `settled`: it stays where its request ended. `ended`: over, but its lease does not know yet.
 */
export const CLAIM_STATES = { free: 0, held: 1, settled: 2, ended: 3 } as const;

/**
 * Claims as columns: what they say, where they end, and the lists that lead to them: those of a node and those with the same terms; settled ones are
 * found by node and terms, too.
 */
export class ClaimColumns {
  // [capacity] each
  readonly #node: Int32Column;
  readonly #state: Int32Column;
  readonly #deadlineMs: Float64Column;
  readonly #terms: ObjectColumn<ClaimTerms>;
  readonly #nextOfNode: Int32Column;
  readonly #previousOfNode: Int32Column;
  readonly #nextOfTerms: Int32Column;
  readonly #previousOfTerms: Int32Column;
  /** Settled claims. */
  readonly #settled: ClaimHash;
  readonly #spare: Int32Column;
  #spareCount = 0;
  #end = 1;
  /** Claims that are held or settled. */
  liveCount = 0;

  constructor(capacity: number) {
    this.#node = new Int32Column(capacity);
    this.#state = new Int32Column(capacity);
    this.#deadlineMs = new Float64Column(capacity);
    this.#terms = new ObjectColumn(capacity);
    this.#nextOfNode = new Int32Column(capacity);
    this.#previousOfNode = new Int32Column(capacity);
    this.#nextOfTerms = new Int32Column(capacity);
    this.#previousOfTerms = new Int32Column(capacity);
    this.#spare = new Int32Column(capacity);
    this.#settled = new ClaimHash(capacity, this);
  }

  /** All claim ids are below it. */
  get end(): number {
    return this.#end;
  }

  node(claim: ClaimId): NodeId {
    return this.#node.get(claim) as NodeId;
  }

  state(claim: ClaimId): number {
    return this.#state.get(claim);
  }

  terms(claim: ClaimId): ClaimTerms {
    return this.#terms.get(claim) as ClaimTerms;
  }

  deadlineMs(claim: ClaimId): number {
    return this.#deadlineMs.get(claim);
  }

  setDeadline(claim: ClaimId, deadlineMs: number): void {
    this.#deadlineMs.set(claim, deadlineMs);
  }

  nextOfNode(claim: ClaimId): ClaimId {
    return this.#nextOfNode.get(claim) as ClaimId;
  }

  nextOfTerms(claim: ClaimId): ClaimId {
    return this.#nextOfTerms.get(claim) as ClaimId;
  }

  /** A held claim with these terms, at no node yet. O(1). */
  create(terms: ClaimTerms): ClaimId {
    if (this.#spareCount === 0 && this.#end === this.#node.length) this.#grow();
    const claim = (this.#spareCount > 0 ? this.#spare.get(--this.#spareCount) : this.#end++) as ClaimId;
    this.#state.set(claim, CLAIM_STATES.held);
    this.#deadlineMs.set(claim, Number.POSITIVE_INFINITY);
    this.#terms.set(claim, terms);
    this.liveCount++;
    const head = terms.firstClaim as ClaimId;
    this.#nextOfTerms.set(claim, head);
    this.#previousOfTerms.set(claim, NO_CLAIM);
    if (head !== NO_CLAIM) this.#previousOfTerms.set(head, claim);
    terms.firstClaim = claim;
    return claim;
  }

  /** Puts the claim into the list that starts at `head`; it is the head from here on. O(1). */
  linkToNode(claim: ClaimId, node: NodeId, head: ClaimId): void {
    this.#node.set(claim, node);
    this.#nextOfNode.set(claim, head);
    this.#previousOfNode.set(claim, NO_CLAIM);
    if (head !== NO_CLAIM) this.#previousOfNode.set(head, claim);
  }

  /** Takes the claim out of its node's list. Returns the list's head. O(1). */
  unlinkFromNode(claim: ClaimId, head: ClaimId): ClaimId {
    const next = this.#nextOfNode.get(claim) as ClaimId;
    const previous = this.#previousOfNode.get(claim) as ClaimId;
    if (next !== NO_CLAIM) this.#previousOfNode.set(next, previous);
    if (previous !== NO_CLAIM) this.#nextOfNode.set(previous, next);
    return head === claim ? next : head;
  }

  /** The claim is settled at its node, and can be found there. O(1). */
  settle(claim: ClaimId): void {
    this.#state.set(claim, CLAIM_STATES.settled);
    this.#settled.add(claim);
  }

  /** The settled claim with these terms at this node. O(1) expected. */
  find(node: NodeId, terms: ClaimTerms): ClaimId {
    return this.#settled.find(node, terms);
  }

  /** Before its node changes, a settled claim is taken out of the table; `settle` puts it back. O(1) expected. */
  unsettle(claim: ClaimId): void {
    this.#settled.remove(claim);
    this.#state.set(claim, CLAIM_STATES.held);
  }

  /** The claim, which is held and at no node, is over: its terms do not list it any more. O(1). */
  close(claim: ClaimId): void {
    const terms = this.terms(claim);
    const next = this.#nextOfTerms.get(claim) as ClaimId;
    const previous = this.#previousOfTerms.get(claim) as ClaimId;
    if (next !== NO_CLAIM) this.#previousOfTerms.set(next, previous);
    if (previous !== NO_CLAIM) this.#nextOfTerms.set(previous, next);
    else terms.firstClaim = next;
    this.#state.set(claim, CLAIM_STATES.ended);
    this.#node.set(claim, 0);
    this.liveCount--;
  }

  /** The id of an ended claim may be used again. O(1). */
  recycle(claim: ClaimId): void {
    this.#state.set(claim, CLAIM_STATES.free);
    this.#terms.set(claim, undefined);
    this.#spare.set(this.#spareCount++, claim);
  }

  #grow(): void {
    const length = this.#end + 1;
    this.#node.reserve(length);
    this.#state.reserve(length);
    this.#deadlineMs.reserve(length);
    this.#terms.reserve(length);
    this.#nextOfNode.reserve(length);
    this.#previousOfNode.reserve(length);
    this.#nextOfTerms.reserve(length);
    this.#previousOfTerms.reserve(length);
    this.#spare.reserve(length);
    this.#settled.reserve(length);
  }
}
