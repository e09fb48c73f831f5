/** Files that lie, with checksums that are right. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { chain, claim, encodeHeader, encodeIndex, identity, wanted } from './cache-file.testing.ts';
import { HEADER_BYTES } from './file-header.ts';
import { type FilePort, nodeFiles } from './file-port.ts';
import { decodeIndex } from './index-codec.ts';
import { openCacheFile } from './read-cache-file.ts';
import type { StoredIndex } from './stored-index.ts';

const folder = temporaryFolder();
const pathOf = (name: string) => join(folder, name);

describe('a hostile cache file', () => {
  /** A file whose checksums are right, whatever it says. */
  function forged(index: Uint8Array, header = { pageBytes: 0, pageCount: 0 }): string {
    const path = pathOf('forged');
    const pages = Buffer.alloc(Math.min(header.pageBytes * header.pageCount, 2 ** 20));
    writeFileSync(path, Buffer.concat([encodeHeader({ ...header, indexBytes: index.length }, index), pages, index]));
    return path;
  }

  it('does not make anybody allocate more than it has bytes', () => {
    const allocated: number[] = [];
    const counting: FilePort = {
      ...nodeFiles,
      read: (file, into, position) => {
        allocated.push(into.length);
        return nodeFiles.read(file, into, position);
      },
    };
    const sizes = fc.oneof(fc.maxSafeNat(), fc.nat({ max: 4096 }), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52));
    fc.assert(
      fc.property(sizes, sizes, sizes, (pageBytes, pageCount, indexBytes) => {
        allocated.length = 0;
        const path = pathOf('sizes');
        const header = encodeHeader({ pageBytes, pageCount, indexBytes }, new Uint8Array());
        writeFileSync(path, Buffer.concat([header, Buffer.alloc(256)]));
        const opened = openCacheFile(counting, path, wanted);
        if (opened.ok) opened.value.close();
        expect(Math.max(0, ...allocated)).toBeLessThanOrEqual(HEADER_BYTES + 256);
        expect(opened.ok).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('is refused when its index speaks of more pages than it has, or of ones that are not there', () => {
    const index: StoredIndex = {
      identity,
      writtenMs: 1,
      openings: [],
      claims: [claim],
      pages: chain(3).map((page) => ({ ...page, checksum: new Uint8Array(16) })),
    };
    const good = encodeIndex(index);
    expect(decodeIndex(good).ok).toBe(true);
    const swapped = (from: string, to: string) => {
      const text = Buffer.from(good).toString('latin1');
      expect(text).toContain(from);
      return Buffer.from(text.replace(from, to), 'latin1');
    };
    const lies = [
      swapped('"pageCount":3', '"pageCount":9'),
      swapped('"refCount":1', '"refCount":0'),
      swapped('"pageSize":4', '"pageSize":0'),
      swapped('"salts":[""]', '"salts":[7 ]'),
      swapped('"priority":"normal"', '"priority":"always"'),
      swapped('"salt":0', '"salt":5'),
      swapped('"tags":[]', '"tags":{}'),
    ];
    for (const lie of lies) {
      expect(decodeIndex(lie)).toMatchObject({ ok: false, refusal: { reason: 'damaged' } });
      expect(openCacheFile(nodeFiles, forged(lie), wanted).ok).toBe(false);
    }
  });

  it('is refused or read, but never throws, whatever words its index is made of', () => {
    const index: StoredIndex = {
      identity,
      writtenMs: 1,
      openings: [],
      claims: [claim, { ...claim, ttlMs: 4 }],
      pages: chain(6).map((page) => ({ ...page, checksum: new Uint8Array(16) })),
    };
    const good = encodeIndex(index);
    const edits = fc.array(
      fc.record({
        word: fc.nat({ max: good.length / 4 - 1 }),
        value: fc.oneof(fc.nat({ max: 8 }), fc.nat(0xffffffff)),
      }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = Buffer.from(good);
        for (const { word, value } of changes) bytes.writeUInt32LE(value >>> 0, 4 * word);
        const decoded = decodeIndex(bytes);
        if (!decoded.ok) return;
        for (const [at, page] of decoded.value.pages.entries()) {
          expect(page.parent).toBeLessThan(at);
          expect(page.tokens.length).toBeGreaterThan(0);
          expect(page.tokens.length).toBeLessThanOrEqual(4);
          for (const ref of page.claims) expect(decoded.value.claims[ref]).toBeDefined();
        }
      }),
      { numRuns: 500 },
    );
  });
});
