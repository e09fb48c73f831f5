import { readFileSync } from 'node:fs';
import { type AcquireResult, checkKv, createKvCache, type KvCache, type KvLease } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { drawCache, drawEvictionOrder } from './kv-picture.ts';
import { tableIn, written } from './markdown-tables.ts';

const document = readFileSync(new URL('../../docs/kv-by-example.md', import.meta.url), 'utf8');

/** A step of the document: its heading is `## N. title`, its picture the first fenced block. */
interface Step {
  readonly title: string;
  readonly picture: string;
  readonly text: string;
}

const steps: readonly Step[] = document
  .split(/^## (?=\d+\. )/m)
  .slice(1)
  .map((text) => ({
    title: text.slice(0, text.indexOf('\n')),
    picture: /^```text\n([\s\S]*?)\n```$/m.exec(text)?.[1] ?? 'the step has no picture',
    text,
  }));

/** Runs the document. */
class Example {
  readonly cache: KvCache = createKvCache({ pages: 10, pageSize: 4 });
  readonly leases = new Map<string, KvLease>();

  acquire(name: string, prompt: string, salt: string): AcquireResult {
    const tokens = tokensOf(prompt);
    const request = {
      tokens,
      tokenCount: tokens.length,
      salt,
      mode: 'share',
      roomTokens: tokens.length,
      keepPages: 0,
    } as const;
    const result = this.cache.acquire(request);
    if (result.ok) this.leases.set(name, result.lease);
    return result;
  }

  publish(name: string, text: string): void {
    this.of(name).publish(tokensOf(text), text.length);
  }

  release(name: string): void {
    this.of(name).release();
    this.leases.delete(name);
  }

  of(name: string): KvLease {
    const lease = this.leases.get(name);
    if (lease === undefined) throw new Error(`${name} has no lease`);
    return lease;
  }
}

const OPERATIONS: readonly ((example: Example, step: Step) => void)[] = [
  (example) => {
    expect(example.acquire('Ann', 'SHOPTV55size?', 'shop')).toMatchObject({ ok: true, lease: { missReason: 'cold' } });
  },
  (example) => {
    expect(example.acquire('Bob', 'SHOPTV55price', 'shop')).toMatchObject({ ok: true, lease: { matchedTokens: 0 } });
  },
  (example) => example.publish('Ann', 'SHOPTV55size?'),
  (example) => example.publish('Bob', 'SHOPTV55price'),
  (example) => {
    expect(example.of('Ann').tryExtend(17)).toEqual({ ok: true });
    example.publish('Ann', 'SHOPTV55size?55in');
  },
  (example, { text }) => {
    example.of('Ann').seal(tokensOf('SHOPTV55size?55in'), 17);
    example.release('Ann');
    expect(text).toContain(`\`${drawEvictionOrder(example.cache)}\``);
  },
  (example) => {
    const result = example.acquire('Cid', 'SHOPTV55side?', 'shop');
    expect(result).toMatchObject({ ok: true, lease: { matchedTokens: 10, missReason: 'cold' } });
  },
  (example, { text }) => {
    example.of('Cid').transferred();
    example.publish('Cid', 'SHOPTV55side?');
    expect(text).toContain(`\`${drawEvictionOrder(example.cache)}\``);
  },
  (example) => {
    expect(example.acquire('Dan', 'SHOPTV55', 'rival')).toMatchObject({ ok: true, lease: { matchedTokens: 0 } });
    expect(example.cache.stats().evictedPages).toBe(2);
  },
  (example) => {
    const refusal = { ok: false, reason: 'no-room', neededPages: 7, availablePages: 1 };
    expect(example.acquire('Eve', `SHOPTV55${'e'.repeat(28)}`, 'shop')).toEqual(refusal);
  },
  (example) => {
    const result = example.of('Bob').fork(tokensOf('SHOPTV55price'), 13);
    if (result.ok) example.leases.set('Bob2', result.lease);
    expect(result).toMatchObject({ ok: true, copies: [{ tokens: 1 }] });
  },
  (example) => {
    example.of('Bob2').transferred();
    expect(example.cache.clear('shop')).toBe(4);
  },
  (example) => {
    for (const name of ['Bob', 'Cid']) example.release(name);
  },
  (example) => {
    example.release('Bob2');
    example.publish('Dan', 'SHOPTV55');
    example.release('Dan');
  },
];

function tokensOf(text: string): Uint32Array {
  return Uint32Array.from(text, (letter) => letter.charCodeAt(0));
}

describe('docs/kv-by-example.md', () => {
  it('has one step for each operation of this test, numbered from 1', () => {
    expect(steps.map(({ title }) => Number.parseInt(title, 10))).toEqual(OPERATIONS.map((_, at) => at + 1));
  });

  it('draws the cache as it is after every step, and no law is broken in between', () => {
    const example = new Example();
    for (const [at, step] of steps.entries()) {
      OPERATIONS[at]?.(example, step);
      expect(checkKv(example.cache)).toEqual([]);
      expect(`${step.title}\n${drawCache(example.cache, example.leases)}`).toBe(`${step.title}\n${step.picture}`);
    }
    expect(example.cache.stats()).toMatchObject({ leases: 0, privatePages: 0, detachedPages: 0, totalPages: 9 });
  });

  it('counts what the cache counted', () => {
    const example = new Example();
    for (const [at, step] of steps.entries()) OPERATIONS[at]?.(example, step);
    const { queriedTokens, hitTokens, misses, evictedPages } = example.cache.stats();
    expect(tableIn(document, 'counted', 'number')).toEqual([
      ['tokens asked for', written(queriedTokens)],
      ['tokens found', written(hitTokens)],
      ['misses, cold', written(misses.cold)],
      ['misses, evicted', written(misses.evicted)],
      ['pages evicted', written(evictedPages)],
    ]);
  });
});
