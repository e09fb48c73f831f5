/** The index of a cache file while it comes together, and the pieces that it is written in. Whoever takes them may stop anywhere. */
import type { Opening } from '../warm/openings.ts';
import { Int32List } from './int32-list.ts';
import { type PageRecord, PageRecords } from './page-records.ts';
import type { SliceBudget } from './slice-budget.ts';
import type { CacheIdentity, StoredClaim } from './stored-index.ts';

/** Pages that are gone over in the time of one thing that is looked at elsewhere. */
const PLACES_PER_LOOK = 8;
/** Integers of a piece, and letters of one. */
const PIECE_WORDS = 2 ** 14;
const PIECE_LETTERS = 2 ** 14;
/** Letters that are put together in the time of one thing that is looked at elsewhere. */
const LETTERS_PER_LOOK = 256;

export interface IndexHead {
  readonly identity: CacheIdentity;
  readonly writtenMs: number;
  readonly openings: readonly Opening[];
}

/** What became of claims since they were taken down. */
export interface DraftClaims {
  readonly isLive: (claim: number) => boolean;
  readonly claimOf: (claim: number) => StoredClaim;
  /** All claims are below it. */
  readonly count: number;
}

export class IndexDraft {
  readonly records: PageRecords;
  readonly #salts: string[] = [];
  readonly #saltNumbers = new Map<string, number>();
  /** [places] */
  readonly #salt = new Int32List();
  readonly #firstRef = new Int32List();
  /** [references] what claim, and the next one of the same page, + 1. */
  readonly #claim = new Int32List();
  readonly #nextRef = new Int32List();

  constructor(pageSize: number) {
    this.records = new PageRecords(pageSize);
  }

  /** Returns the place of the page. O(tokens). */
  append(salt: string, page: PageRecord): number {
    let number = this.#saltNumbers.get(salt);
    if (number === undefined) {
      number = this.#salts.push(salt) - 1;
      this.#saltNumbers.set(salt, number);
    }
    this.#salt.push(number);
    this.#firstRef.push(0);
    return this.records.append(page);
  }

  saltOf(place: number): string {
    return this.#salts[this.#salt.get(place)] as string;
  }

  /** A claim ends at a page. O(1). */
  addClaim(place: number, claim: number): void {
    // The same as the last one, when requests that run say what others said before.
    const first = this.#firstRef.get(place);
    if (first > 0 && this.#claim.get(first - 1) === claim) return;
    this.#claim.push(claim);
    this.#nextRef.push(first);
    this.#firstRef.set(place, this.#claim.length);
  }

  /** Claims that end at a page, the last one that was added first. */
  *claimsAt(place: number): Generator<number> {
    for (let ref = this.#firstRef.get(place); ref > 0; ref = this.#nextRef.get(ref - 1)) {
      yield this.#claim.get(ref - 1);
    }
  }

  /** Pages that no live claim covers are handed to `end`, the last one first: it must blank them, and says whether the slice is over. */
  *endUncovered(claims: DraftClaims, budget: SliceBudget, end: (place: number) => boolean): Generator<void, void> {
    const isCovered = new Uint8Array(this.records.count);
    for (let place = this.records.count - 1; place >= 0; place -= 1) {
      if (budget.spend(1 / PLACES_PER_LOOK)) yield;
      for (const claim of isCovered[place] === 1 ? [] : this.claimsAt(place)) {
        if (budget.spend(1 / PLACES_PER_LOOK)) yield;
        if (!claims.isLive(claim)) continue;
        isCovered[place] = 1;
        break;
      }
      const parent = this.records.parent(place);
      if (isCovered[place] === 1) {
        if (parent >= 0) isCovered[parent] = 1;
      } else if (this.records.tokenCount(place) > 0 && end(place)) yield;
    }
  }

  /** The index as bytes, in pieces. Yields when a slice is over. See `decodeIndex` for what they mean. */
  *encode(head: IndexHead, claims: DraftClaims, budget: SliceBudget): Generator<void, IndexPieces> {
    const salts = new SaltTable();
    // Blank pages are of no salt, and have to refer to one.
    salts.numberOf('');
    /** [claims] number in the file, + 1. */
    const numbers = new Int32Array(claims.count);
    const claimTexts: string[] = [];
    const refs: Int32Array[] = [];
    let refCount = 0;
    const refer = (claim: number) => {
      if (numbers[claim] === 0) {
        const { salt, ...rest } = claims.claimOf(claim);
        claimTexts.push(JSON.stringify({ ...rest, salt: salts.numberOf(salt) }));
        numbers[claim] = claimTexts.length;
      }
      if (refCount % PIECE_WORDS === 0) refs.push(new Int32Array(PIECE_WORDS));
      (refs.at(-1) as Int32Array)[refCount % PIECE_WORDS] = (numbers[claim] as number) - 1;
      refCount += 1;
    };
    for (let place = 0; place < this.records.count; place += 1) {
      if (budget.spend(1 / PLACES_PER_LOOK)) yield;
      const isUsed = this.records.tokenCount(place) > 0;
      const before = refCount;
      this.records.setSalt(place, isUsed ? salts.numberOf(this.saltOf(place)) : 0);
      for (const claim of isUsed ? this.claimsAt(place) : []) {
        if (budget.spend(1)) yield;
        if (claims.isLive(claim)) refer(claim);
      }
      this.records.setClaimCount(place, refCount - before);
    }
    const openingTexts: string[] = [];
    for (const { salt, ids, count } of head.openings) {
      openingTexts.push(JSON.stringify({ salt: salts.numberOf(salt), ids: Array.from(ids), count }));
      if (budget.spend(1 + ids.length / PLACES_PER_LOOK)) yield;
    }
    const { identity, writtenMs } = head;
    const start = JSON.stringify({ identity, writtenMs, pageCount: this.records.count, refCount });
    const json: Uint8Array[] = [];
    let text = start.slice(0, -1);
    const lists = [
      ['salts', salts.texts],
      ['claims', claimTexts],
      ['openings', openingTexts],
    ] as const;
    for (const [name, texts] of lists) {
      text += `,"${name}":[`;
      for (const [at, each] of texts.entries()) {
        text += at === 0 ? each : `,${each}`;
        if (text.length < PIECE_LETTERS) continue;
        json.push(Buffer.from(text));
        text = '';
        if (budget.spend(PIECE_LETTERS / LETTERS_PER_LOOK)) yield;
      }
      text += ']';
    }
    const end = Buffer.from(`${text}}`);
    const bytes = json.reduce((sum, piece) => sum + piece.length, end.length);
    json.push(Buffer.concat([end, Buffer.alloc(-bytes & 3, 0x20)]));
    return new IndexPieces(json, this.records, { refs, refCount });
  }
}

/** An index that is ready to be written. */
export class IndexPieces {
  readonly bytes: number;
  readonly #json: readonly Uint8Array[];
  readonly #jsonBytes: number;
  readonly #records: PageRecords;
  readonly #refs: readonly Int32Array[];
  readonly #refCount: number;

  constructor(
    json: readonly Uint8Array[],
    records: PageRecords,
    { refs, refCount }: { readonly refs: readonly Int32Array[]; readonly refCount: number },
  ) {
    this.#json = json;
    this.#jsonBytes = json.reduce((sum, piece) => sum + piece.length, 0);
    this.#records = records;
    this.#refs = refs;
    this.#refCount = refCount;
    this.bytes = 4 + this.#jsonBytes + records.count * records.recordBytes + 4 * refCount;
  }

  /** One after the other, they are the index. */
  *[Symbol.iterator](): Generator<Uint8Array> {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(this.#jsonBytes);
    yield length;
    yield* this.#json;
    yield* this.#records.chunks();
    for (const [at, words] of this.#refs.entries()) yield littleEndian(words, this.#refCount - at * PIECE_WORDS);
  }
}

/** Salts that are referred to, by number. */
class SaltTable {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(salt: string): number {
    const known = this.#numbers.get(salt);
    if (known !== undefined) return known;
    const number = this.texts.push(JSON.stringify(salt)) - 1;
    this.#numbers.set(salt, number);
    return number;
  }
}

function littleEndian(words: Int32Array, most: number): Uint8Array {
  const count = Math.min(words.length, most);
  const bytes = Buffer.alloc(4 * count);
  for (let at = 0; at < count; at += 1) bytes.writeInt32LE(words[at] as number, 4 * at);
  return bytes;
}
