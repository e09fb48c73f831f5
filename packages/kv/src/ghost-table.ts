/**
 * A bounded memory of digests, first in, first out: what left the index, and why, so that a later miss can be told from a cold one.
 * Open addressing with linear probing over columns; a removal shifts back what probed past it, so there are no tombstones.
 *
 *     ring:   digests in order of arrival; the oldest is overwritten       [entries]
 *     places: hash -> place in the ring + 1, 0 = empty                     [power of two >= 2 x entries]
 */
export class GhostTable {
  readonly #entries: number;
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  /** [entries] what is remembered of the digest; 0: the place holds none. */
  readonly #notes: Uint8Array;
  readonly #places: Int32Array;
  readonly #mask: number;
  #next = 0;

  /** @param entries digests that are remembered; 0 remembers nothing. */
  constructor(entries: number) {
    this.#entries = entries;
    this.#high = new Int32Array(entries);
    this.#low = new Int32Array(entries);
    this.#notes = new Uint8Array(entries);
    const length = 2 ** Math.ceil(Math.log2(Math.max(2, entries * 2)));
    this.#places = new Int32Array(length);
    this.#mask = length - 1;
  }

  /** Is the digest remembered? Pure, O(1) expected. */
  has(high: number, low: number): boolean {
    return this.noteOf(high, low) !== 0;
  }

  /** What was noted with the digest; 0: it is not remembered. Pure, O(1) expected. */
  noteOf(high: number, low: number): number {
    const entry = this.#places[this.#find(high, low)] as number;
    return entry === 0 ? 0 : (this.#notes[entry - 1] as number);
  }

  /**
   * Remembers a digest as the newest, forgetting the oldest when full. O(1) expected, allocates nothing.
   * @param note 1 to 255
   */
  add(high: number, low: number, note = 1): void {
    if (this.#entries === 0) return;
    this.remove(high, low);
    const place = this.#next;
    this.#next = place + 1 === this.#entries ? 0 : place + 1;
    if (this.#notes[place] !== 0) this.remove(this.#high[place] as number, this.#low[place] as number);
    this.#high[place] = high;
    this.#low[place] = low;
    this.#notes[place] = note;
    this.#places[this.#find(high, low)] = place + 1;
  }

  /** Forgets a digest; nothing happens when it is not remembered. O(1) expected. */
  remove(high: number, low: number): void {
    let hole = this.#find(high, low);
    const found = this.#places[hole] as number;
    if (found === 0) return;
    this.#notes[found - 1] = 0;
    // Close the gap: an entry moves into the hole unless it would then stand before its home.
    for (let at = (hole + 1) & this.#mask; this.#places[at] !== 0; at = (at + 1) & this.#mask) {
      const entry = this.#places[at] as number;
      const home = this.#home(this.#high[entry - 1] as number, this.#low[entry - 1] as number);
      if (((at - home) & this.#mask) < ((at - hole) & this.#mask)) continue;
      this.#places[hole] = entry;
      hole = at;
    }
    this.#places[hole] = 0;
  }

  /** Where the digest is in `#places`, or the empty place where it would be. */
  #find(high: number, low: number): number {
    let at = this.#home(high, low);
    for (;;) {
      const entry = this.#places[at] as number;
      if (entry === 0 || (this.#high[entry - 1] === high && this.#low[entry - 1] === low)) return at;
      at = (at + 1) & this.#mask;
    }
  }

  #home(high: number, low: number): number {
    return (Math.imul(high, 0x9e3779b1) ^ low) & this.#mask;
  }
}
