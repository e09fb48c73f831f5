/**
 * The index of a cache file out of its bytes; `IndexDraft` makes them. Decoding trusts nothing: every count is held against the bytes that are there before
 * anything is allocated for it, and every reference against what it refers to.
 *
 *     4        length of the JSON part
 *     n        JSON: identity, time, salts, claims, counts; padded with spaces to a multiple of 4
 *     pages x  parent + 1, salt, token count, claim count, 16 bytes of checksum, [pageSize] tokens (rest 0)
 *     refs x   claim index, in the order of the pages
 *
 * All integers are 32 bits, little endian.
 */
import type { Opening } from '../warm/openings.ts';
import { CHECKSUM_BYTES, RECORD_HEAD_BYTES } from './page-records.ts';
import { type Checked, refused, type StoredClaim, type StoredIndex, type StoredPage } from './stored-index.ts';
import { claimOf, headOf, openingOf } from './stored-json.ts';

/** Allocates no more than a few times `bytes`, whatever they say. Pure. O(bytes). */
export function decodeIndex(bytes: Uint8Array): Checked<StoredIndex> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length < 4) return damaged('it has no length');
  const jsonBytes = view.readUInt32LE(0);
  if (jsonBytes % 4 !== 0 || jsonBytes > view.length - 4) return damaged('its first part is longer than the whole');
  const head = headOf(view.toString('utf8', 4, 4 + jsonBytes));
  if (head === undefined) return damaged('its first part does not hold what it should');
  const { identity, pageCount, refCount, salts } = head;
  const recordBytes = RECORD_HEAD_BYTES + 4 * identity.pageSize;
  // The counts are safe integers, so the sum is exact enough to differ when it should.
  if (4 + jsonBytes + pageCount * recordBytes + 4 * refCount !== view.length) {
    return damaged(`${pageCount} pages and ${refCount} references do not fill it`);
  }
  const claims: StoredClaim[] = [];
  for (const given of head.claims) {
    const claim = claimOf(given, salts);
    if (claim === undefined) return damaged(`claim ${claims.length} does not hold what it should`);
    claims.push(claim);
  }
  const openings: Opening[] = [];
  for (const given of head.openings) {
    const opening = openingOf(given, salts);
    if (opening === undefined) return damaged(`opening ${openings.length} does not hold what it should`);
    openings.push(opening);
  }
  const pages = decodePages(view.subarray(4 + jsonBytes), { ...head, claims });
  return 'ok' in pages ? pages : { ok: true, value: { identity, writtenMs: head.writtenMs, claims, openings, pages } };
}

interface PageParts {
  readonly identity: { readonly pageSize: number };
  readonly pageCount: number;
  readonly refCount: number;
  readonly salts: readonly string[];
  readonly claims: readonly StoredClaim[];
}

function decodePages(records: Buffer, parts: PageParts): StoredPage[] | ReturnType<typeof damaged> {
  const { pageSize } = parts.identity;
  const recordBytes = RECORD_HEAD_BYTES + 4 * pageSize;
  const pages: StoredPage[] = [];
  const refs = records.subarray(parts.pageCount * recordBytes);
  let ref = 0;
  for (let index = 0; index < parts.pageCount; index += 1) {
    const record = records.subarray(index * recordBytes, (index + 1) * recordBytes);
    const parent = record.readUInt32LE(0) - 1;
    const salt = parts.salts[record.readUInt32LE(4)];
    const tokenCount = record.readUInt32LE(8);
    const claimCount = record.readUInt32LE(12);
    const before = pages[parent];
    const isUnused = tokenCount === 0 && claimCount === 0 && parent < 0;
    if (
      salt === undefined ||
      (tokenCount < 1 && !isUnused) ||
      tokenCount > pageSize ||
      claimCount > parts.refCount - ref
    ) {
      return damaged(`page ${index} refers to what is not there`);
    }
    if (parent >= 0 && (before === undefined || before.salt !== salt || before.tokens.length < pageSize)) {
      return damaged(`page ${index} continues one that cannot be continued`);
    }
    const claims: number[] = [];
    for (let i = 0; i < claimCount; i += 1) {
      const claim = refs.readUInt32LE(4 * (ref + i));
      if (parts.claims[claim]?.salt !== salt) return damaged(`page ${index} refers to a claim that is not its own`);
      claims.push(claim);
    }
    ref += claimCount;
    const tokens = Uint32Array.from({ length: tokenCount }, (_, i) => record.readUInt32LE(RECORD_HEAD_BYTES + 4 * i));
    const checksum = Uint8Array.from(record.subarray(16, 16 + CHECKSUM_BYTES));
    pages.push({ parent, salt, tokens, claims, checksum });
  }
  return ref === parts.refCount ? pages : damaged('some of its references belong to no page');
}

function damaged(what: string): ReturnType<typeof refused> {
  return refused('damaged', `The index of the file is damaged (${what}): its pages are not used.`);
}
