/** The time that a cache believes in: whole milliseconds that never go back, read at the start of each operation. */
export class CacheClock {
  nowMs = 0;
  readonly #read: (() => number) | undefined;

  /** @param read the injected clock; without one, time stands still. */
  constructor(read?: () => number) {
    this.#read = read;
    this.read();
  }

  /** Effect: `nowMs` is the clock's time. O(1). */
  read(): number {
    if (this.#read !== undefined) this.nowMs = Math.max(this.nowMs, Math.floor(this.#read()));
    return this.nowMs;
  }
}
