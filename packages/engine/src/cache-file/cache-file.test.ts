/** Files of pages: what was written is read, and nothing else ever is. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import {
  cacheOf,
  chain,
  claim,
  expectOnlyWritten,
  identity,
  PAGE_BYTES,
  wanted,
  writeCacheFile,
} from './cache-file.testing.ts';
import { HEADER_BYTES } from './file-header.ts';
import { nodeFiles } from './file-port.ts';
import { openCacheFile } from './read-cache-file.ts';
import type { CacheIdentity, StoredClaim } from './stored-index.ts';

const folder = temporaryFolder();
const pathOf = (name: string) => join(folder, name);

describe('a cache file', () => {
  it('gives back pages, tokens, claims and time as they were written', () => {
    const path = pathOf('whole');
    const claims: StoredClaim[] = [
      claim,
      { ...claim, slidingTtlMs: 0 },
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
    ];
    const pages = [
      { parent: -1, salt: '', tokens: Uint32Array.of(1, 2, 3, 4), claims: [] },
      { parent: 0, salt: '', tokens: Uint32Array.of(0xffffffff), claims: [0, 1] },
      { parent: -1, salt: 'tenant', tokens: Uint32Array.of(1, 2, 3, 4), claims: [2] },
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
