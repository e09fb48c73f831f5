// 30 bits: V8 passes numbers of 31 bits and less around without allocating; with 32, every evicted page left garbage behind.
const HALF = 0x3fffffff;

/**
 * A running digest of (salt, tokens 0..i) in two halves. It only explains misses; what is shared is decided by comparing tokens, so a
 * collision costs a wrong word in a report and nothing else.
 * The mixing step is that of MurmurHash3 (A. Appleby, public domain), on two lanes that feed each other.
 */
export class TokenDigest {
  high = 0;
  low = 0;

  /** Starts over with a namespace. O(code units of the salt). */
  start(salt: string): void {
    let high = 0x3c6ef372 & HALF;
    let low = 0xa54ff53a & HALF;
    for (let at = 0; at < salt.length; at++) {
      high = mixHigh(high, salt.charCodeAt(at));
      low = mixLow(low ^ high, salt.charCodeAt(at));
    }
    this.high = high;
    this.low = low;
  }

  /** Goes on from an earlier state. */
  resume(high: number, low: number): void {
    this.high = high;
    this.low = low;
  }

  /** Adds tokens [from, to). O(to - from), allocates nothing. */
  add(tokens: Uint32Array, from: number, to: number): void {
    let high = this.high;
    let low = this.low;
    for (let at = from; at < to; at++) {
      const token = tokens[at] as number;
      high = mixHigh(high, token);
      low = mixLow(low ^ high, token);
    }
    this.high = high;
    this.low = low;
  }
}

function mixHigh(state: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51);
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
  const turned = state ^ mixed;
  return (Math.imul((turned << 13) | (turned >>> 19), 5) + 0xe6546b64) & HALF;
}

function mixLow(state: number, word: number): number {
  let mixed = Math.imul(word, 0x239b961b);
  mixed = Math.imul((mixed << 16) | (mixed >>> 16), 0xab0e9789);
  const turned = state ^ mixed;
  return (Math.imul((turned << 17) | (turned >>> 15), 5) + 0x561ccd1b) & HALF;
}
