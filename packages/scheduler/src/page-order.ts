import { fullPagesIn } from '@octavo/kv';
import { grownInt32, NO_INT32 } from './columns.ts';
import type { PastColumns } from './past-columns.ts';

/**
 * The members of a step sorted by their page tables, so that members which share leading pages are neighbours, and the number of
 * pages that each shares with its left neighbour.
 *
 * The order of the last step is kept: most steps find it still sorted and compare one page a member. Two leases that shared n leading
 * pages still do (a table entry changes only from a private page, which is in no other table, to a published one), so a comparison of
 * the same neighbours begins where the last one ended. The order is total (pages, then length, then admission), so that it does not
 * depend on the history: a fresh object gives the same answer.
 */
export class PageOrder {
  /** [count] members in order. */
  order = NO_INT32;
  /** [count + 1] pages shared by places i - 1 and i; 0 at both ends. */
  shared = NO_INT32;
  /** [count] by member: leading pages that are filled completely. Only these can be shared. */
  fullPages = NO_INT32;

  #past: PastColumns;
  #common = 0;
  // What the last step of each seat left; of the last step of all where the stamp is the current one.
  #stamp = 0;
  #seatStamp = NO_INT32;
  #seatAdmission = NO_INT32;
  #seatPlace = NO_INT32;
  #seatLeftAdmission = NO_INT32;
  #seatShared = NO_INT32;
  /** [places of the last step] member + 1; 0: nobody. */
  #memberAt = NO_INT32;
  #lastCount = 0;

  constructor(past: PastColumns) {
    this.#past = past;
  }

  /** Effect: fills `order`, `shared` and `fullPages`. O(members) when nothing moved; O(members log members x pages) at worst. */
  arrange(pageSize: number): void {
    const past = this.#past;
    this.#reserve(past.count);
    for (let member = 0; member < past.count; member += 1) {
      this.fullPages[member] = fullPagesIn(past.tokens[member]!, pageSize);
    }
    this.#recallOrder();
    for (let place = 1; place < past.count; place += 1) this.#settle(place);
    this.#measureShared();
    this.#remember();
  }

  /** Known members in the order of the last step, then the others. */
  #recallOrder(): void {
    const { count, seats, admissions } = this.#past;
    let newcomers = count;
    for (let member = count - 1; member >= 0; member -= 1) {
      const seat = seats[member]!;
      const wasHere = this.#seatStamp[seat] === this.#stamp && this.#seatAdmission[seat] === admissions[member];
      if (wasHere) this.#memberAt[this.#seatPlace[seat]!] = member + 1;
      else {
        newcomers -= 1;
        this.order[newcomers] = member;
      }
    }
    let known = 0;
    for (let place = 0; place < this.#lastCount; place += 1) {
      const found = this.#memberAt[place]!;
      if (found === 0) continue;
      this.#memberAt[place] = 0;
      this.order[known] = found - 1;
      known += 1;
    }
  }

  /** Moves the member at `place` to where it belongs among the sorted places before it. */
  #settle(place: number): void {
    const { order } = this;
    const member = order[place]!;
    if (this.#compare(order[place - 1]!, member, this.#knownShared(order[place - 1]!, member)) < 0) return;
    let low = 0;
    let high = place - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(order[middle]!, member, 0) < 0) low = middle + 1;
      else high = middle;
    }
    order.copyWithin(low + 1, low, place);
    order[low] = member;
  }

  #measureShared(): void {
    const { order, shared } = this;
    const { count } = this.#past;
    shared[0] = 0;
    for (let place = 1; place < count; place += 1) {
      const left = order[place - 1]!;
      const right = order[place]!;
      this.#compare(left, right, this.#knownShared(left, right));
      shared[place] = this.#common;
    }
    shared[count] = 0;
  }

  #remember(): void {
    const { count, seats, admissions } = this.#past;
    // Stamps wrap long before they could meet a stale one of the same lease.
    this.#stamp = (this.#stamp + 1) & 0x3fff_ffff;
    for (let place = 0; place < count; place += 1) {
      const member = this.order[place]!;
      const seat = seats[member]!;
      this.#seatStamp[seat] = this.#stamp;
      this.#seatAdmission[seat] = admissions[member]!;
      this.#seatPlace[seat] = place;
      this.#seatLeftAdmission[seat] = place === 0 ? 0 : admissions[this.order[place - 1]!]!;
      this.#seatShared[seat] = this.shared[place]!;
    }
    this.#lastCount = count;
  }

  /** A lower bound of the pages that two members share, from the last step. */
  #knownShared(left: number, right: number): number {
    const { seats, admissions } = this.#past;
    const seat = seats[right]!;
    const isSamePair =
      this.#seatAdmission[seat] === admissions[right] && this.#seatLeftAdmission[seat] === admissions[left];
    return isSamePair ? this.#seatShared[seat]! : 0;
  }

  /** Negative: `left` belongs before `right`. Effect: `#common` is the number of pages that they share. */
  #compare(left: number, right: number, from: number): number {
    const { tables, admissions } = this.#past;
    const leftTable = tables[left]!;
    const rightTable = tables[right]!;
    const limit = Math.min(this.fullPages[left]!, this.fullPages[right]!);
    let page = from;
    while (page < limit && leftTable[page] === rightTable[page]) page += 1;
    this.#common = page;
    if (page < limit) return leftTable[page]! - rightTable[page]!;
    return this.fullPages[left]! - this.fullPages[right]! || admissions[left]! - admissions[right]!;
  }

  #reserve(count: number): void {
    let seats = count;
    for (let member = 0; member < count; member += 1) seats = Math.max(seats, this.#past.seats[member]! + 1);
    this.order = grownInt32(this.order, count);
    this.shared = grownInt32(this.shared, count + 1);
    this.fullPages = grownInt32(this.fullPages, count);
    this.#memberAt = grownInt32(this.#memberAt, count);
    this.#seatStamp = grownInt32(this.#seatStamp, seats);
    this.#seatAdmission = grownInt32(this.#seatAdmission, seats);
    this.#seatPlace = grownInt32(this.#seatPlace, seats);
    this.#seatLeftAdmission = grownInt32(this.#seatLeftAdmission, seats);
    this.#seatShared = grownInt32(this.#seatShared, seats);
  }
}
