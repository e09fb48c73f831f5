import type { Sequence } from './sequence.ts';

/** The running sequences in order of admission, each with a seat: a small integer that no other running one has. */
export class RunningSet {
  readonly capacity: number;
  readonly #members: Sequence[] = [];
  /** Seats that were left and not taken again: with those of the members, all from 0 on. */
  readonly #freeSeats: number[] = [];
  #admissions = 0;

  /** Memory: that of the members, whatever the capacity. */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get count(): number {
    return this.#members.length;
  }

  /** The members, oldest admission first; live. */
  members(): readonly Sequence[] {
    return this.#members;
  }

  /** Effect: `sequence` runs, as the latest admitted, with a seat and an admission number of its own. */
  add(sequence: Sequence): void {
    this.#admissions += 1;
    sequence.admission = this.#admissions;
    sequence.seat = this.#freeSeats.pop() ?? this.#members.length;
    sequence.state = 'running';
    this.#members.push(sequence);
  }

  /** Effect: takes a member out; the order of the others stays. O(members). */
  remove(sequence: Sequence): void {
    const members = this.#members;
    let at = members.indexOf(sequence);
    for (; at + 1 < members.length; at += 1) members[at] = members[at + 1]!;
    members.pop();
    this.#freeSeats.push(sequence.seat);
  }

  /**
   * Who gives way when a sequence finds no page: the lowest priority, then the latest admitted. Never the oldest, so that one
   * sequence always gets through; never one that has its whole need reserved, so that nobody is preempted without end.
   */
  victim(priorityOf: (sequence: Sequence) => number): Sequence | undefined {
    let chosen: Sequence | undefined;
    let lowest = Number.POSITIVE_INFINITY;
    for (let at = this.#members.length - 1; at > 0; at -= 1) {
      const candidate = this.#members[at]!;
      if (candidate.isReserved) continue;
      const priority = priorityOf(candidate);
      if (priority >= lowest) continue;
      chosen = candidate;
      lowest = priority;
    }
    return chosen;
  }
}
