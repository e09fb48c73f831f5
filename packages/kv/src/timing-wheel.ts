import { Float64Column, Int32Column } from './growing-columns.ts';

const SLOT_BITS = 6;
const SLOTS = 2 ** SLOT_BITS;
// 64^7 ms are 139 years.
const LEVELS = 7;
const SPANS = Float64Array.from({ length: LEVELS + 1 }, (_, level) => SLOTS ** level);
const HORIZON = SLOTS ** LEVELS - 1;

/**
 * Timers by integer id on a clock that somebody else reads: a hierarchy of wheels (G. Varghese, T. Lauck, "Hashed and Hierarchical Timing
 * Wheels", 1987). Starting and stopping a timer is O(1); each is moved down at most once a level before it is due. All work, moves
 * included, is done in `next`, one timer at a time, so that the caller bounds it; what is not done yet makes the wheel late.
 *
 *     level 0   64 slots of 1 ms        a timer is at the lowest level whose turn holds both it and now
 *     level 1   64 slots of 64 ms       lists are doubly linked through the columns; heads: [LEVELS x SLOTS], 0 = empty
 */
export class TimingWheel {
  readonly #originMs: number;
  /** Tick that the wheel has come to: everything before it was handed out. */
  #tick = 0;
  readonly #heads = new Int32Array(LEVELS * SLOTS);
  // By id; id 0 is never used.
  readonly #next: Int32Column;
  readonly #previous: Int32Column;
  /** Place in `heads` + 1; 0: not running. */
  readonly #place: Int32Column;
  readonly #due: Float64Column;
  count = 0;

  /** @param foreseen ids below it have their memory from the start. */
  constructor(nowMs: number, foreseen = 64) {
    this.#originMs = nowMs;
    this.#next = new Int32Column(foreseen);
    this.#previous = new Int32Column(foreseen);
    this.#place = new Int32Column(foreseen);
    this.#due = new Float64Column(foreseen);
  }

  isRunning(id: number): boolean {
    return (this.#place.get(id) ?? 0) !== 0;
  }

  /** Makes the timer due at a time; one that has passed is due at once. Restarts it when it runs. O(1). */
  start(id: number, dueMs: number): void {
    this.#reserve(id);
    if (this.isRunning(id)) this.stop(id);
    // Late by less than a millisecond at most, never early.
    this.#due.set(id, Math.max(this.#tick, Math.ceil(dueMs - this.#originMs)));
    this.#insert(id);
    this.count++;
  }

  /** O(1). Nothing happens when it does not run. */
  stop(id: number): void {
    if (!this.isRunning(id)) return;
    this.#unlink(id);
    this.#place.set(id, 0);
    this.count--;
  }

  /**
   * One timer that is due, which does not run any more; 0: none is, or `work.left` is used up. Each move of a timer costs 1 of it.
   * O(1) amortised.
   */
  next(nowMs: number, work: { left: number }): number {
    const target = Math.floor(nowMs - this.#originMs);
    for (;;) {
      if (this.count === 0) {
        this.#tick = Math.max(this.#tick, target);
        return 0;
      }
      if (!this.#moveDown(work)) return 0;
      const due = this.#heads[this.#tick % SLOTS] as number;
      if (due !== 0) {
        if (work.left <= 0) return 0;
        work.left--;
        this.stop(due);
        return due;
      }
      if (this.#tick >= target) return 0;
      this.#tick = Math.min(target, this.#nextOccupied());
    }
  }

  /** Is something due at `nowMs` that was not handed out yet, or may it be? Pure, O(LEVELS). */
  isBehind(nowMs: number): boolean {
    if (this.count === 0) return false;
    if (this.#tick < Math.floor(nowMs - this.#originMs)) return true;
    for (let level = 0; level < LEVELS; level++) if (this.#heads[this.#placeAt(level, this.#tick)] !== 0) return true;
    return false;
  }

  /** Timers that wait in the present slot of a higher level belong to lower ones. False: out of work. */
  #moveDown(work: { left: number }): boolean {
    for (let level = LEVELS - 1; level > 0; level--) {
      const place = this.#placeAt(level, this.#tick);
      for (let id = this.#heads[place] as number; id !== 0; id = this.#heads[place] as number) {
        if (work.left <= 0) return false;
        work.left--;
        this.#unlink(id);
        this.#insert(id);
      }
    }
    return true;
  }

  /** Tick at which the next slot with timers begins: lower levels come first. O(LEVELS x SLOTS) reads at most. */
  #nextOccupied(): number {
    for (let level = 0; level < LEVELS; level++) {
      const span = SPANS[level] as number;
      const turn = SPANS[level + 1] as number;
      const start = Math.floor(this.#tick / turn) * turn;
      const present = Math.floor((this.#tick - start) / span);
      for (let slot = present + 1; slot < SLOTS; slot++) {
        if (this.#heads[level * SLOTS + slot] !== 0) return start + slot * span;
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  #placeAt(level: number, tick: number): number {
    return level * SLOTS + (Math.floor(tick / (SPANS[level] as number)) % SLOTS);
  }

  #insert(id: number): void {
    // What lies beyond the horizon is handed out there, and started again by whoever looks at it.
    const due = Math.min(this.#due.get(id), HORIZON);
    let level = 0;
    while (
      level < LEVELS - 1 &&
      Math.floor(due / (SPANS[level + 1] as number)) !== Math.floor(this.#tick / (SPANS[level + 1] as number))
    ) {
      level++;
    }
    const place = this.#placeAt(level, due);
    const head = this.#heads[place] as number;
    this.#next.set(id, head);
    this.#previous.set(id, 0);
    if (head !== 0) this.#previous.set(head, id);
    this.#heads[place] = id;
    this.#place.set(id, place + 1);
  }

  #unlink(id: number): void {
    const next = this.#next.get(id);
    const previous = this.#previous.get(id);
    if (next !== 0) this.#previous.set(next, previous);
    if (previous !== 0) this.#next.set(previous, next);
    else this.#heads[this.#place.get(id) - 1] = next;
  }

  #reserve(id: number): void {
    if (id < this.#next.length) return;
    this.#next.reserve(id + 1);
    this.#previous.reserve(id + 1);
    this.#place.reserve(id + 1);
    this.#due.reserve(id + 1);
  }
}
