/** A cache that is written to a file and comes back in another process's place. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkKv } from '@octavo/kv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { exportNow, importNow, openTestCache, type TestCache } from './cache-files.testing.ts';

const nowhere = '/nowhere/x';
const folder = temporaryFolder();
let fileCount = 0;
const newPath = () => join(folder, `${fileCount++}.cache`);
const upTo = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);

/** Writes the cache and opens the file in a fresh one, `laterMs` later. */
function restarted(cache: TestCache, laterMs = 0, pages?: number): TestCache {
  const path = newPath();
  exportNow(cache, path);
  const fresh = openTestCache(pages === undefined ? {} : { pages });
  fresh.time.wall = cache.time.wall + laterMs;
  expect(importNow(fresh, path)).not.toHaveProperty('refusal');
  return fresh;
}

describe('a cache that comes back from a file', () => {
  it('finds what the one before would have found, to the token, and reads no page before it is asked for', () => {
    const cache = openTestCache();
    cache.serve(upTo(18));
    cache.serve([...upTo(10), 99, 98]);
    const fresh = restarted(cache);
    expect(fresh.kv.stats().publishedPages).toBe(0);
    expect(fresh.files.stats()).toMatchObject({ filePages: 6, loadedPages: 0, refusedPages: 0 });
    expect(fresh.serve([...upTo(18), 50])).toBe(18);
    expect(fresh.files.stats().loadedPages).toBe(5);
    // The tail of another prompt: its first tokens are in a page that is there already.
    expect(fresh.serve([...upTo(10), 99, 98, 97])).toBe(12);
    expect(fresh.serve([70, 71, 72])).toBe(0);
  });

  it('may be written and read again and again: what nobody asked for goes along', () => {
    let cache = openTestCache();
    cache.serve(upTo(9));
    cache.serve(upTo(9, 100));
    for (let again = 0; again < 3; again += 1) {
      const next = restarted(cache);
      expect(next.serve([...upTo(9), 1])).toBe(9);
      cache.stop();
      cache = next;
    }
    expect(cache.serve([...upTo(9, 100), 1])).toBe(9);
  });

  it('keeps lifetimes: times to live go on, and salts stay apart', () => {
    const cache = openTestCache();
    cache.serve(upTo(8), { ttlMs: 1000 });
    cache.serve(upTo(8, 20), { ttlMs: 5000 });
    cache.serve(upTo(8, 40), {}, 'tenant');
    const fresh = restarted(cache, 2000);
    expect(fresh.serve([...upTo(8), 1])).toBe(0);
    expect(fresh.serve([...upTo(8, 20), 1], { ttlMs: 1 })).toBe(8);
    expect(fresh.serve([...upTo(8, 40), 1])).toBe(0);
    expect(fresh.serve([...upTo(8, 40), 1], {}, 'tenant')).toBe(8);
    // Three of the five seconds are left, in memory now.
    fresh.time.now += 2999;
    expect(fresh.kv.match(Uint32Array.from([...upTo(8, 20), 1]), 9, '').matchedTokens).toBe(8);
    fresh.time.now += 2;
    expect(fresh.kv.match(Uint32Array.from([...upTo(8, 20), 1]), 9, '').matchedTokens).toBe(0);
  });

  it('gives nothing back that was invalidated after the restart, in memory or not', () => {
    const cache = openTestCache();
    cache.serve([...upTo(8), 50, 51], { tags: ['product:a'] });
    cache.serve([...upTo(8), 60, 61], { tags: ['product:b'], session: 's' });
    const fresh = restarted(cache);
    expect(fresh.files.end({ tag: 'product:a' })).toBe(1);
    expect(fresh.serve([...upTo(8), 50, 51, 1])).toBe(8);
    const other = restarted(cache);
    expect(other.serve([...upTo(8), 60, 61, 1], {})).toBe(10);
    expect(other.kv.invalidate({ tag: 'product:b' }).claims).toBeGreaterThan(0);
    expect(other.files.end({ tag: 'product:b' })).toBe(1);
    expect(other.files.end({ tag: 'nobody' })).toBe(0);
  });

  it('takes what there is room for, and computes the rest', () => {
    const cache = openTestCache();
    for (let n = 0; n < 6; n += 1) cache.serve(upTo(20, 100 * n));
    const small = restarted(cache, 0, 10);
    for (let n = 0; n < 6; n += 1) expect([0, 20]).toContain(small.serve([...upTo(20, 100 * n), 1]));
    expect(checkKv(small.kv)).toEqual([]);
  });

  it('refuses a file of another model with the reason, and goes on with the one that is open', () => {
    const cache = openTestCache();
    cache.serve(upTo(8));
    const path = newPath();
    exportNow(cache, path);
    const other = openTestCache({
      identity: {
        model: 'other',
        weights: 'f32',
        tokenizer: '',
        kvType: 'f32',
        pageSize: 4,
        layers: 2,
        kvHeads: 2,
        headDim: 4,
      },
    });
    other.serve(upTo(8, 9));
    expect(importNow(other, path)).toMatchObject({ pages: 0, refusal: { reason: 'model' } });
    expect(other.serve([...upTo(8), 1])).toBe(0);
    expect(importNow(cache, path)).toMatchObject({ pages: 2 });
    expect(importNow(cache, nowhere)).toMatchObject({ refusal: { reason: 'unreadable' } });
    expect(cache.files.stats().filePages).toBe(2);
  });

  it('writes no bytes of rows that belong to somebody else', () => {
    const cache = openTestCache();
    // A page with secret rows is freed and used again for a shorter tail.
    cache.serve([1, 2, 3, 4, 0xabcd], {}, 'secret');
    cache.kv.clear('secret');
    const path = newPath();
    cache.serve([5], {}, 'public');
    exportNow(cache, path);
    const bytes = readFileSync(path);
    const secret = Buffer.alloc(4);
    secret.writeFloatLE(cache.store.readKeys(0, 4 * 2)[0] as number);
    const rows = new Float32Array(bytes.buffer.slice(bytes.byteOffset + 64, bytes.byteOffset + 64 + 4 * 64));
    expect(new Set(rows).size).toBeLessThanOrEqual(2);
    expect(rows).toContain(0);
  });
});

describe('a cache file with damaged pages', () => {
  it('never gives a wrong row, whatever bits flip: serving proves every row that it finds', () => {
    const cache = openTestCache();
    cache.serve(upTo(18));
    cache.serve([...upTo(10), 99, 98]);
    cache.serve(upTo(7, 30), {}, 'tenant');
    const path = newPath();
    const { bytes } = exportNow(cache, path);
    const whole = readFileSync(path);
    const flips = fc.array(fc.nat({ max: bytes * 8 - 1 }), { minLength: 1, maxLength: 3 });
    let found = 0;
    fc.assert(
      fc.property(flips, (bits) => {
        const damaged = Buffer.from(whole);
        for (const bit of bits) damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
        writeFileSync(path, damaged);
        const fresh = openTestCache();
        importNow(fresh, path);
        found += fresh.serve([...upTo(18), 1]);
        found += fresh.serve([...upTo(10), 99, 98, 1]);
        found += fresh.serve([...upTo(7, 30), 1], {}, 'tenant');
        expect(checkKv(fresh.kv)).toEqual([]);
        // What was damaged is not written into another file as if it were whole.
        const again = restarted(fresh);
        again.serve([...upTo(18), 1]);
        again.stop();
        fresh.stop();
      }),
      { numRuns: 40 },
    );
    expect(found).toBeGreaterThan(300);
  });
});
