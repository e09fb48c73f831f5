import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEngine } from '@octavo/engine';
import { beforeAll, describe, expect, it } from 'vitest';
import { shippedModel } from '../shipped-model.ts';
import { drawTree } from './cache-tree.ts';
import { fakeHost, folderWith, readJsonLines } from './fake-host.testing.ts';
import { parseWarmLine } from './warm-line.ts';

const folder = folderWith({
  'broken.cache': 'something else, and more than 64 bytes of it, so that there is a header to be read',
});
const file = join(folder, 'shop.cache');
const system = {
  role: 'system',
  content: 'You are a helpful store assistant. Answer using only the product description.',
};

beforeAll(async () => {
  const engine = await openEngine(shippedModel(), { mode: 'in-thread', cacheFolder: folder });
  try {
    for (const content of ['How much is it?', 'How heavy is it?']) {
      await engine.chat({ messages: [system, { role: 'user', content }], maxTokens: 4 }).result();
    }
    await engine.cache.export(file);
  } finally {
    await engine.close();
  }
});

describe('octavo cache', () => {
  it('shows a cache file as a tree, with the texts of its entries', async () => {
    const { run, stdout } = fakeHost();
    expect(await run('cache', file, '--model', shippedModel())).toBe(0);
    const lines = stdout().trim().split('\n');
    expect(lines[0]).toMatch(/^\d+ pages of 16 tokens, .* written 20\d\d-/);
    expect(lines[1]).toBe('no salt');
    expect(lines[2]).toMatch(/^└─ ".*You are a helpful store.*", \d+ tokens, \d+ pages?$/);
    expect(lines[3]).toMatch(/^ {3}├─ /);
    expect(lines[4]).toMatch(/^ {3}└─ /);
  });

  it('shows ids without a tokenizer, and everything to a program', async () => {
    const { run, stdout, log } = fakeHost();
    expect(await run('cache', file, '--ids', '--json')).toBe(0);
    const view = JSON.parse(stdout());
    expect(view.entries.map(({ parent }: { parent: number }) => parent)).toEqual([-1, 0, 0]);
    expect(view.identity).toMatchObject({ pageSize: 16, kvType: 'f32', weights: 'f32' });
    expect(view.openings[0].count).toBe(2);
    expect(log.resolved).toEqual([]);
  });

  it.each([
    ['/nowhere/x.cache', 'UNREADABLE_FILE'],
    [join(folder, 'broken.cache'), 'INVALID_FILE'],
  ])('refuses %s', async (path, code) => {
    const { run, stderr } = fakeHost();
    expect(await run('cache', path)).toBe(2);
    expect(stderr()).toContain(`octavo: ${code}: ${path}: `);
  });
});

describe('the tree', () => {
  const entry = { salt: '', pages: 1, claims: [] };

  it('has a line for each entry below the one that it continues, and says why it stays', () => {
    const claim = { tags: ['product:a'], context: [], priority: 'high', isPinned: false, ttlMs: 90_000 } as const;
    const pinned = { ...claim, tags: [], isPinned: true, ttlMs: 59_000, session: 's1' };
    const tree = drawTree(
      [
        { ...entry, parent: -1, ids: [1, 2], savedTokens: 12 },
        { ...entry, parent: 0, ids: [3], claims: [claim] },
        { ...entry, parent: 1, ids: [4] },
        { ...entry, parent: 0, ids: [5], claims: [pinned] },
        { ...entry, parent: -1, ids: [6], salt: 'x' },
      ],
      () => undefined,
    );
    expect(tree.split('\n')).toEqual([
      'no salt',
      '└─ [1 2], 2 tokens, 1 page, saved 12 tokens',
      '   ├─ [3], 1 token, 1 page, product:a high priority 2 min left',
      '   │  └─ [4], 1 token, 1 page',
      '   └─ [5], 1 token, 1 page, pinned session s1 59 s left',
      'salt "x"',
      '└─ [6], 1 token, 1 page',
    ]);
  });
});

describe('--cache-file', () => {
  it('reads the file before and writes it after, and says so', async () => {
    const { run, stderr, log } = fakeHost({ stdin: 'hi\n/cache\n' });
    expect(await run('chat', '--system', 'S', '--cache-file', 'x.cache')).toBe(0);
    expect(log.cacheFiles).toEqual(['import x.cache', 'export x.cache']);
    expect(stderr()).toContain('[3 pages, 4.1 kB, in x.cache]');
    expect(stderr()).toContain('└─ "hello", 5 tokens, 1 page, saved 5 tokens');
    expect(stderr()).toContain('[3 pages, 4.1 kB, written to x.cache]');
  });

  it('is refused before anything is loaded when it is a file of something else, which would be lost', async () => {
    const path = join(folder, 'broken.cache');
    const lines = join(folderWith({ 'p.jsonl': '{"prompt": "a"}' }), 'p.jsonl');
    for (const command of [
      ['chat', '--system', 'S'],
      ['warm', lines],
      ['batch', lines, '--out', join(folder, 'out.jsonl')],
    ]) {
      const { run, stderr, log } = fakeHost({ stdin: 'hi' });
      expect(await run(...command, '--cache-file', path)).toBe(2);
      expect(stderr()).toMatch(/^octavo: INVALID_FILE: .*broken\.cache is no cache file and would be written over/);
      expect(log.opened).toEqual([]);
    }
  });

  it('tells a person which pins of the file hold', async () => {
    const refused = { outcome: 'refused', reason: 'budget', neededPages: 2, availablePages: 0 } as const;
    const pins = [{ outcome: 'granted', pin: 1, tokens: 8, newPages: 1 } as const, refused];
    const { run, stderr } = fakeHost({ stdin: 'hi', cacheImport: { pages: 3, bytes: 9, pins } });
    expect(await run('chat', '--system', 'S', '--cache-file', 'x.cache')).toBe(0);
    expect(stderr()).toContain(
      '[1 of 2 pins of the file hold, 0 in part, 1 not: --pin-budget-pages has no room for more]',
    );
  });

  it('tells a person why a file is not used, and goes on', async () => {
    const refusal = { reason: 'model', message: 'The file is of another model.' } as const;
    const { run, stderr, log } = fakeHost({ stdin: 'hi', cacheImport: { pages: 0, bytes: 0, refusal } });
    expect(await run('chat', '--system', 'S', '--cache-file', 'x.cache')).toBe(0);
    expect(stderr()).toContain('[x.cache: The file is of another model.]');
    expect(log.cacheFiles).toEqual(['import x.cache', 'export x.cache']);
  });
});

describe('octavo warm', () => {
  it('computes the prompts of a file, salt by salt, into the cache file', async () => {
    const lines = [
      '{"prompt": "a"}',
      '',
      '{"ids": [1, 2], "salt": "x", "count": 4}',
      JSON.stringify({ messages: [system], prefix: true }),
    ];
    const path = join(folderWith({ 'p.jsonl': lines.join('\n') }), 'p.jsonl');
    const { run, stdout, log } = fakeHost();
    expect(await run('warm', path, '--cache-file', 'x.cache', '--pin', '--pin-budget-pages', '9', '--json')).toBe(0);
    expect(log.opened[0]?.options.pinBudgetPages).toBe(9);
    expect(log.warmed).toEqual([
      { prompts: ['a', { messages: [system], prefix: true }], salt: '', pin: true },
      { prompts: [[1, 2]], salt: 'x', pin: true },
    ]);
    expect(JSON.parse(stdout())).toEqual({ warmed: 3, computedTokens: 30, pinned: 0, clipped: 0, refused: 0 });
    expect(log.cacheFiles).toEqual(['import x.cache', 'export x.cache']);
  });

  it('does not promise anything without a budget', async () => {
    const path = join(folderWith({ 'p.jsonl': '{"prompt": "a"}' }), 'p.jsonl');
    const { run, stderr, log } = fakeHost();
    expect(await run('warm', path, '--cache-file', 'x.cache', '--pin')).toBe(2);
    expect(stderr()).toMatch(/^octavo: MISSING_OPTION: .*--pin-budget-pages/);
    expect(log.opened).toEqual([]);
  });

  it('computes or exports, not both', async () => {
    const { run, stderr } = fakeHost();
    expect(await run('warm', 'p.jsonl', '--export', join(folder, 'x.jsonl'), '--cache-file', file)).toBe(2);
    expect(stderr()).toMatch(/^octavo: CONFLICTING_OPTIONS: /);
  });

  it('writes down what a cache file has learned, which it can read again', async () => {
    const out = join(folder, 'learned.jsonl');
    const { run, stdout, log } = fakeHost();
    expect(await run('warm', '--export', out, '--cache-file', file)).toBe(0);
    expect(stdout()).toMatch(/beginnings? written to/);
    const learned = readJsonLines<{ ids: number[]; count: number }>(out);
    expect(learned[0]?.count).toBe(2);
    expect(learned[0]?.ids.length).toBeGreaterThanOrEqual(16);
    for (const line of readFileSync(out, 'utf8').trim().split('\n')) expect(parseWarmLine(line).ok).toBe(true);
    expect(log.opened).toEqual([]);
    expect(existsSync(file)).toBe(true);
  });

  it.each([
    ['{"prompt": "a", "ids": [1]}', /2 of ids, prompt, messages/],
    ['{"prompt": "a", "prefix": true}', /goes with "messages" only/],
    ['{"prompt": "a", "tag": "x"}', /"tag" is unknown/],
    ['{"ids": "a"}', /"ids" has another type/],
    ['7', /not an object/],
  ])('refuses the line %s with the reason', async (line, reason) => {
    expect(parseWarmLine(line)).toEqual({ ok: false, reason: expect.stringMatching(reason) });
    const path = join(folderWith({ 'p.jsonl': line }), 'p.jsonl');
    const { run, stderr } = fakeHost();
    expect(await run('warm', path, '--cache-file', 'x.cache')).toBe(2);
    expect(stderr()).toContain('octavo: INVALID_FILE: Line 1 of');
  });
});
