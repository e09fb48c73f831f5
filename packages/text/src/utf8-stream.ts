/**
 * Bytes to text, piece by piece: what is handed out never ends inside a code point, and joined it is what one decoding of all bytes
 * gives (the rule of the WHATWG Encoding Standard: a maximal invalid part becomes one U+FFFD).
 *
 *     held bytes [0, held) | new bytes [held, end)
 *     -> text of [0, end - tail), and the tail (0 to 3 bytes that may still become a code point) is held
 *
 * Decoding restarts at the first byte of the tail, where the decoder had no state, so cutting there changes nothing.
 */

/** Node's TextDecoder has a streaming mode, but it goes through another decoder than one-shot decoding does; this way one decoder does both. */
const keepBom = new TextDecoder('utf-8', { ignoreBOM: true });
const dropBom = new TextDecoder('utf-8', { ignoreBOM: false });

/** Longest code point in bytes. */
const CODE_POINT_BYTES = 4;

export interface Utf8StreamOptions {
  /** What happens to a byte order mark at the very beginning. */
  readonly byteOrderMark: 'keep' | 'drop';
}

export class Utf8Stream {
  readonly #byteOrderMark: 'keep' | 'drop';
  #bytes = new Uint8Array(64);
  #held = 0;
  #end = 0;
  #isAtStart = true;

  constructor(options: Utf8StreamOptions) {
    this.#byteOrderMark = options.byteOrderMark;
  }

  /** Appends one byte; nothing is decoded before `take`. */
  put(byte: number): void {
    if (this.#end === this.#bytes.length) {
      const longer = new Uint8Array(this.#bytes.length * 2);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes[this.#end] = byte;
    this.#end += 1;
  }

  /** Whether bytes wait for more. */
  get isHolding(): boolean {
    return this.#held > 0;
  }

  /** The text that no later byte can change. Cost: the bytes put since the last call, plus 3. */
  take(): string {
    if (this.#end === this.#held) return '';
    const decoded = this.#end - incompleteTail(this.#bytes, this.#end);
    const text = this.#decode(decoded);
    this.#bytes.copyWithin(0, decoded, this.#end);
    this.#held = this.#end - decoded;
    this.#end = this.#held;
    return text;
  }

  /** What is held, as U+FFFD, since nothing follows; the stream is then as new. */
  flush(): string {
    const text = this.#decode(this.#end);
    this.#held = 0;
    this.#end = 0;
    this.#isAtStart = true;
    return text;
  }

  #decode(end: number): string {
    if (end === 0) return '';
    const decoder = this.#isAtStart && this.#byteOrderMark === 'drop' ? dropBom : keepBom;
    this.#isAtStart = false;
    return decoder.decode(this.#bytes.subarray(0, end));
  }
}

/**
 * How many of the last bytes of [0, end) begin a code point that is valid so far and not complete: 0 to 3. Pure.
 * Source: table 3-7 (well-formed UTF-8 byte sequences) of the Unicode Standard.
 */
export function incompleteTail(bytes: Uint8Array, end: number): number {
  for (let count = 1; count < CODE_POINT_BYTES && count <= end; count += 1) {
    const first = bytes[end - count] as number;
    if (first < 0x80) return 0;
    if (first < 0xc0) continue;
    return count < codePointBytes(first) && (count === 1 || isSecondByte(first, bytes[end - count + 1] as number))
      ? count
      : 0;
  }
  return 0;
}

/** Bytes of the code point that a byte begins; 0 for a byte that begins none. */
function codePointBytes(first: number): number {
  if (first < 0xc2 || first > 0xf4) return first < 0x80 ? 1 : 0;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** Some first bytes allow fewer second bytes: no overlong forms, no surrogates, nothing above U+10FFFF. */
function isSecondByte(first: number, second: number): boolean {
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  return second >= lowest && second <= highest;
}
