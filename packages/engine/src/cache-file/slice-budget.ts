/** Work that is done at a time between two steps, counted in things that are looked at: so that its end does not depend on how many there are. */
export class SliceBudget {
  readonly #each: number;
  #left: number;

  /** `each`: things a slice. */
  constructor(each: number) {
    this.#each = each;
    this.#left = each;
  }

  /** Some work is done. True: that is enough for now; the next slice begins. */
  spend(count: number): boolean {
    this.#left -= count;
    if (this.#left > 0) return false;
    this.#left = this.#each;
    return true;
  }
}
