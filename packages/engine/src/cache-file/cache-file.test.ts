/** Files of pages: what was written is read, and nothing else ever is. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { encodeHeader, HEADER_BYTES } from './file-header.ts';
import { type FilePort, nodeFiles } from './file-port.ts';
import { decodeIndex, encodeIndex } from './index-codec.ts';
import { openCacheFile } from './read-cache-file.ts';
import type { CacheIdentity, StoredClaim, StoredIndex } from './stored-index.ts';
import { type CacheToStore, writeCacheFile } from './write-cache-file.ts';

const identity: CacheIdentity = {
  model: 'm'.repeat(64),
  weights: 'f32',
  tokenizer: 't'.repeat(64),
  kvType: 'f32',
  pageSize: 4,
  layers: 2,
  kvHeads: 2,
  headDim: 4,
};
const PAGE_BYTES = 96;
const wanted = { identity, pageBytes: PAGE_BYTES };
const claim: StoredClaim = { salt: '', tags: [], context: [], priority: 'normal', isPinned: false };

/** Bytes of page `index`: no two pages have the same. */
function bytesOf(index: number): Uint8Array {
  return Uint8Array.from({ length: PAGE_BYTES }, (_, at) => (index * 31 + at * 7) % 256);
}

function cacheOf(pages: CacheToStore['pages'], claims: readonly StoredClaim[] = [claim]): CacheToStore {
  const readPage = (index: number, into: Uint8Array) => into.set(bytesOf(index));
  return { identity, writtenMs: 1_700_000_000_000, claims, pages, pageBytes: PAGE_BYTES, readPage };
}

const chain = (count: number): CacheToStore['pages'] =>
  Array.from({ length: count }, (_, index) => ({
    parent: index - 1,
    salt: '',
    tokens: Uint32Array.of(index, 1, 2, 3).subarray(0, index === count - 1 ? 3 : 4),
    claims: index === count - 1 ? [0] : [],
  }));

/** Every page that a file gives out is the one that was written; returns how many it refuses. */
function expectOnlyWritten(path: string, files: FilePort = nodeFiles): number | 'refused' {
  const opened = openCacheFile(files, path, wanted);
  if (!opened.ok) return 'refused';
  const into = new Uint8Array(PAGE_BYTES);
  let refusedPages = 0;
  for (const index of opened.value.index.pages.keys()) {
    if (opened.value.readPage(index, into)) expect(into).toEqual(bytesOf(index));
    else refusedPages += 1;
  }
  opened.value.close();
  return refusedPages;
}

const folder = temporaryFolder();
const pathOf = (name: string) => join(folder, name);

describe('a cache file', () => {
  it('gives back pages, tokens, claims and time as they were written', () => {
    const path = pathOf('whole');
    const claims: StoredClaim[] = [
      claim,
      {
        ...claim,
        salt: 'tenant',
        session: 's1',
        tags: ['a:1', 'ü@2'],
        context: ['x'],
        priority: 'high',
        isPinned: true,
        ttlMs: 5.5,
      },
      { ...claim, slidingTtlMs: 0 },
    ];
    const pages = [
      { parent: -1, salt: '', tokens: Uint32Array.of(1, 2, 3, 4), claims: [] },
      { parent: 0, salt: '', tokens: Uint32Array.of(0xffffffff), claims: [0, 2] },
      { parent: -1, salt: 'tenant', tokens: Uint32Array.of(1, 2, 3, 4), claims: [1] },
    ];
    const bytes = writeCacheFile(nodeFiles, path, cacheOf(pages, claims));
    expect(statSync(path).size).toBe(bytes);
    const opened = openCacheFile(nodeFiles, path, wanted);
    if (!opened.ok) throw new Error(opened.refusal.message);
    const { index } = opened.value;
    expect(index).toMatchObject({ identity, writtenMs: 1_700_000_000_000, claims });
    expect(index.pages.map(({ checksum: _, ...page }) => page)).toEqual(pages);
    opened.value.close();
    expect(expectOnlyWritten(path)).toBe(0);
  });

  it('may be empty', () => {
    const path = pathOf('empty');
    writeCacheFile(nodeFiles, path, cacheOf([], []));
    expect(expectOnlyWritten(path)).toBe(0);
  });

  it.each<[string, Partial<CacheIdentity>, string, RegExp]>([
    ['model', { model: 'other' }, 'model', /another model fingerprint/],
    ['number of layers', { layers: 3 }, 'model', /another layers \(3, and the engine has 2\)/],
    ['weight format', { weights: 'q4' }, 'weights', /another weight format \(q4, and the engine has f32\)/],
    ['tokenizer', { tokenizer: 'other' }, 'tokenizer', /another tokenizer fingerprint/],
    ['page format', { kvType: 'int8' }, 'page-format', /another page format/],
    ['page size', { pageSize: 8 }, 'page-size', /another tokens a page \(8/],
  ])('of another %s is refused with the reason', (what, change, reason, message) => {
    const path = pathOf(`of another ${what}`);
    writeCacheFile(nodeFiles, path, { ...cacheOf(chain(1)), identity: { ...identity, ...change } });
    const opened = openCacheFile(nodeFiles, path, wanted);
    expect(opened.ok).toBe(false);
    if (!opened.ok) expect(opened.refusal).toEqual({ reason, message: expect.stringMatching(message) });
    // Whoever only looks at it may.
    const looked = openCacheFile(nodeFiles, path);
    expect(looked.ok).toBe(true);
    if (looked.ok) looked.value.close();
  });

  it.each<[string, (path: string) => void, string]>([
    ['is not there', () => {}, 'unreadable'],
    ['is empty', (path) => writeFileSync(path, ''), 'not-a-cache-file'],
    [
      'is something else',
      (path) => writeFileSync(path, '{"a cache": "of another kind", "but": "with more than 64 bytes"} '.repeat(3)),
      'not-a-cache-file',
    ],
    ['ends within its header', (path) => writeFileSync(path, 'OCTAVOKV\x01\0\0'), 'truncated'],
    ['is a folder', () => {}, 'unreadable'],
  ])('that %s is refused', (what, write, reason) => {
    const path = what === 'is a folder' ? folder : pathOf(`that ${what}`);
    write(path);
    expect(openCacheFile(nodeFiles, path, wanted)).toMatchObject({ ok: false, refusal: { reason } });
  });

  it('of another version is refused with both versions', () => {
    const path = pathOf('version');
    writeCacheFile(nodeFiles, path, cacheOf(chain(2)));
    const bytes = readFileSync(path);
    bytes.writeUInt32LE(7, 8);
    writeFileSync(path, bytes);
    const opened = openCacheFile(nodeFiles, path, wanted);
    expect(opened).toMatchObject({ ok: false, refusal: { reason: 'version' } });
    if (!opened.ok)
      expect(opened.refusal.message).toBe('The file is of version 7, and this is version 1: it is not used.');
  });

  it('gives no wrong byte whatever bit of it flips, and loses no more than the page that it is in', () => {
    const path = pathOf('flipped');
    writeCacheFile(nodeFiles, path, cacheOf(chain(5)));
    const whole = readFileSync(path);
    const flips = fc.array(fc.nat({ max: whole.length * 8 - 1 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(flips, (bits) => {
        const bytes = Buffer.from(whole);
        for (const bit of new Set(bits)) bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        writeFileSync(path, bytes);
        const lost = expectOnlyWritten(path);
        const inPages = bits.every((bit) => bit >> 3 >= HEADER_BYTES && bit >> 3 < HEADER_BYTES + 5 * PAGE_BYTES);
        const pages = new Set(bits.map((bit) => Math.floor(((bit >> 3) - HEADER_BYTES) / PAGE_BYTES)));
        expect(lost).toBe(inPages ? pages.size : 'refused');
      }),
      { numRuns: 300 },
    );
  });

  it('is refused at whatever byte it ends, and with whatever is behind it', () => {
    const path = pathOf('cut');
    writeCacheFile(nodeFiles, path, cacheOf(chain(3)));
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length += 5) {
      writeFileSync(path, whole.subarray(0, length));
      expect(expectOnlyWritten(path)).toBe('refused');
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(1)]));
    expect(expectOnlyWritten(path)).toBe('refused');
  });
});

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

describe('writing a cache file', () => {
  /** Stops at the n-th operation, as a process that is killed does: nothing happens afterwards, no cleaning up either. */
  function dyingAt(operation: number): FilePort {
    let left = operation;
    const steps = nodeFiles as unknown as Record<string, (...given: unknown[]) => unknown>;
    const entries = Object.keys(steps).map((name) => [
      name,
      (...given: unknown[]) => {
        left -= 1;
        if (left < 0) throw new Error('killed');
        // Half of what is written arrives.
        if (left === 0 && name === 'write') {
          const [file, bytes, position] = given as [number, Uint8Array, number];
          nodeFiles.write(file, bytes.subarray(0, bytes.length >> 1), position);
          throw new Error('killed');
        }
        return steps[name]?.(...given);
      },
    ]);
    return Object.fromEntries(entries) as FilePort;
  }

  it('leaves the old file or the new one, at whatever operation it is killed', () => {
    const path = pathOf('killed');
    const sizes = new Set<number>();
    let operation = 0;
    for (let isDone = false; !isDone; operation += 1) {
      writeCacheFile(nodeFiles, path, cacheOf(chain(2)));
      const before = statSync(path).size;
      try {
        writeCacheFile(dyingAt(operation), path, cacheOf(chain(4)));
        isDone = true;
      } catch (error) {
        expect((error as Error).message).toBe('killed');
      }
      const after = statSync(path).size;
      sizes.add(after);
      expect(expectOnlyWritten(path)).toBe(0);
      if (isDone) expect(after).toBeGreaterThan(before);
    }
    // open, 4 pages, index, header, sync, close, rename and the folder.
    expect(operation).toBe(12);
    expect(sizes.size).toBe(2);
    // What a killed writer left behind is in nobody's way.
    writeCacheFile(nodeFiles, path, cacheOf(chain(4)));
    expect(expectOnlyWritten(path)).toBe(0);
  });

  it('leaves nothing behind when the disk is full, and says so', () => {
    const path = pathOf('full');
    const full: FilePort = {
      ...nodeFiles,
      write: () => {
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      },
    };
    expect(() => writeCacheFile(full, path, cacheOf(chain(2)))).toThrow('no space left');
    expect(openCacheFile(nodeFiles, path, wanted)).toMatchObject({ ok: false, refusal: { reason: 'unreadable' } });
    expect(openCacheFile(nodeFiles, `${path}.partial`, wanted)).toMatchObject({ refusal: { reason: 'unreadable' } });
  });
});
