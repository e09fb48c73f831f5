/**
 * K/V rows of the fake model: what a row says about its token, as digits that every page format holds exactly.
 *
 *     element i of a head   digit (i modulo 12) of (token, position, digest) in base 64, least first: 3 + 3 + 6 digits
 *     mark                  of layer, head and K or V: added to every element; for int8 the row's scale instead
 */
import type { KvType } from '@octavo/graph';
import { brokenInvariant } from './errors.ts';
import type { RunOutputs } from './model-runner.ts';
import { toHalf } from './storage/half.ts';
import { makeElements, type PageElements } from './storage/page-elements.ts';
import type { PageLayout } from './storage/page-layout.ts';
import type { PageStore } from './storage/page-store.ts';

export interface FakeRow {
  readonly token: number;
  readonly position: number;
  /** 32 bits. */
  readonly digest: number;
}

type RowKind = 'key' | 'value';

/** Elements that a head's row needs at least. */
export const FAKE_ROW_DIGITS = 12;

const BASE = 64;
const TOKEN_DIGITS = 3;
const POSITION_DIGITS = 3;

/** So that a row in the wrong layer, head or pool is found. Sums with a digit stay below 2,048: exact in float16, for up to 14 layers. */
function markOf(layer: number, head: number, kind: RowKind): number {
  return 1 + 2 * (layer * 64 + head) + (kind === 'key' ? 0 : 1);
}

type NewFakeRows = Pick<RunOutputs, 'newKeys' | 'newValues' | 'newKeyScales' | 'newValueScales'>;

/** A step's rows in the format of the layout's pages. Pure. */
export function encodeFakeRows(layout: PageLayout, rows: readonly FakeRow[]): NewFakeRows {
  const [keys, values] = [encode(layout, rows, 'key'), encode(layout, rows, 'value')];
  return {
    newKeys: keys.elements,
    newValues: values.elements,
    ...(layout.kvType === 'int8' && { newKeyScales: keys.scales, newValueScales: values.scales }),
  };
}

function encode({ layers, kvHeads, headDim, kvType }: PageLayout, rows: readonly FakeRow[], kind: RowKind) {
  const elements: PageElements = makeElements(kvType, layers * rows.length * kvHeads * headDim);
  const scales = new Float32Array(layers * rows.length * kvHeads);
  const digits = rows.map(digitsOf);
  let at = 0;
  for (let layer = 0; layer < layers; layer += 1) {
    for (const own of digits) {
      for (let head = 0; head < kvHeads; head += 1) {
        const mark = markOf(layer, head, kind);
        scales[at / headDim] = mark;
        for (let i = 0; i < headDim; i += 1) {
          elements[at++] = stored(own[i % FAKE_ROW_DIGITS] as number, mark, kvType);
        }
      }
    }
  }
  return { elements, scales };
}

function stored(digit: number, mark: number, kvType: KvType): number {
  if (kvType === 'int8') return digit;
  return kvType === 'f16' ? toHalf(digit + mark) : digit + mark;
}

function digitsOf({ token, position, digest }: FakeRow): number[] {
  const digits: number[] = [];
  for (const [field, count] of [
    [token, TOKEN_DIGITS],
    [position, POSITION_DIGITS],
    [digest >>> 0, FAKE_ROW_DIGITS - TOKEN_DIGITS - POSITION_DIGITS],
  ] as const) {
    for (let i = 0; i < count; i += 1) digits.push(Math.floor(field / BASE ** i) % BASE);
  }
  return digits;
}

/** Reads the row at a slot back from all layers, heads and pools, which have to agree. Throws INVARIANT_BROKEN. */
export function decodeFakeRow(store: PageStore, slot: number): FakeRow {
  const { layers, kvHeads, headDim, kvType } = store.layout;
  let digits: number[] | undefined;
  for (let layer = 0; layer < layers; layer += 1) {
    for (const kind of ['key', 'value'] as const) {
      const read = kind === 'key' ? store.readKeys(layer, slot) : store.readValues(layer, slot);
      for (let head = 0; head < kvHeads; head += 1) {
        const mark = markOf(layer, head, kind);
        const own = Array.from(read.subarray(head * headDim, (head + 1) * headDim), (element) =>
          kvType === 'int8' ? element / mark : element - mark,
        );
        digits ??= own.slice(0, FAKE_ROW_DIGITS);
        if (own.some((digit, i) => digit !== digits?.[i % FAKE_ROW_DIGITS])) {
          throw brokenInvariant(`slot ${slot} holds no row in the ${kind} pool of layer ${layer}, head ${head}`);
        }
      }
    }
  }
  return fromDigits(digits ?? [], store.layout, slot);
}

function fromDigits(digits: readonly number[], { kvType }: PageLayout, slot: number): FakeRow {
  // All zeros are a row of token 0 at position 0 with digest 0 in int8 pages, and nothing that was ever written in the others.
  if (digits.some((digit) => !(digit >= 0 && digit < BASE)))
    throw brokenInvariant(`slot ${slot} holds no row of a fake model (${kvType})`);
  const field = (first: number, count: number) =>
    digits.slice(first, first + count).reduceRight((sum, digit) => sum * BASE + digit, 0);
  return {
    token: field(0, TOKEN_DIGITS),
    position: field(TOKEN_DIGITS, POSITION_DIGITS),
    digest: field(TOKEN_DIGITS + POSITION_DIGITS, FAKE_ROW_DIGITS - TOKEN_DIGITS - POSITION_DIGITS),
  };
}
