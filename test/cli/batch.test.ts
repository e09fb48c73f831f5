import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shippedModel } from 'octavo';
import { describe, expect, it } from 'vitest';
import { type BatchLine, llama, llamaGolden, octavo, octavoBatch, scratch } from './octavo.testing.ts';

interface ShopPrompt {
  readonly id: string;
  readonly messages: readonly object[];
  readonly token_ids: readonly number[];
  readonly greedy_token_ids: readonly number[];
}

const shopGolden = (JSON.parse(readFileSync(join(shippedModel(), 'golden.json'), 'utf8')) as { prompts: ShopPrompt[] })
  .prompts;

const llamaRequests = ['cold', 'warm'].flatMap((round) =>
  llamaGolden.map(({ ids, greedy }, at) => ({ id: `${round} ${at}`, ids, maxTokens: greedy.length, ignoreEos: true })),
);

/** What the fixture must answer, by the ids of `llamaRequests`. */
const llamaAnswers = new Map(
  ['cold', 'warm'].flatMap((round) => llamaGolden.map(({ greedy }, at) => [`${round} ${at}`, greedy] as const)),
);

function idsOf(lines: readonly BatchLine[]): ReadonlyMap<BatchLine['id'], readonly number[]> {
  return new Map(lines.map(({ id, ids }) => [id, ids]));
}

describe('octavo batch', () => {
  it.each([
    [['--concurrency', '1']],
    [['--concurrency', '8']],
    [['--no-sharing']],
    [['--no-kv-cache']],
    [['--page-size', '1']],
    [['--page-size', '4', '--pages', '72', '--concurrency', '8']],
    [['--page-size', '64']],
  ])('equals the golden ids, cold and warm, with %j', async (argv) => {
    const { ended, lines } = await octavoBatch(llamaRequests, ['--model', llama, ...argv]);
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(lines).toHaveLength(8);
    expect(idsOf(lines)).toEqual(llamaAnswers);
  });

  it('equals the golden ids of the shipped model, 16 at a time, from ids, prompts and messages', async () => {
    const requests = shopGolden.flatMap(({ id, token_ids, messages }) => [
      { id: `${id} ids`, ids: token_ids, maxTokens: 48, ignoreEos: true },
      { id: `${id} messages`, messages, maxTokens: 48, ignoreEos: true },
    ]);
    const { ended, lines } = await octavoBatch(requests, ['--concurrency', '16']);
    expect(ended.status).toBe(0);
    expect(idsOf(lines)).toEqual(
      new Map(
        shopGolden.flatMap(({ id, greedy_token_ids: greedy }) => [
          [`${id} ids`, greedy],
          [`${id} messages`, greedy],
        ]),
      ),
    );
  });

  it('sums what came out of a cache file apart from what was in memory', async () => {
    const argv = ['--model', llama, '--concurrency', '1', '--cache-file', join(scratch, 'sums.cache')];
    const sums = async () => JSON.parse((await octavoBatch(llamaRequests, argv)).ended.stdout);
    const [cold, warm] = [await sums(), await sums()];
    expect(cold.cachedFrom).toEqual({ memory: cold.cachedTokens, file: 0 });
    expect(warm.cachedFrom.file).toBeGreaterThan(100);
    expect(warm.cachedFrom.memory + warm.cachedFrom.file).toBe(warm.cachedTokens);
  });

  it('prints lines and a summary with exactly the documented fields, whose sums agree', async () => {
    const { ended, lines } = await octavoBatch(llamaRequests, ['--model', llama, '--concurrency', '1']);
    const summary = JSON.parse(ended.stdout);
    const sum = (pick: (line: BatchLine) => number): number => lines.reduce((total, line) => total + pick(line), 0);
    expect(lines).toHaveLength(8);
    expect(Object.keys(lines[0]!)).toEqual(['id', 'ids', 'finishReason', 'usage', 'timings']);
    expect(Object.keys(lines[0]!.timings)).toEqual(['submittedMs', 'queueMs', 'ttftMs', 'totalMs']);
    expect(summary).toEqual({
      requests: 8,
      failed: 0,
      wallMs: expect.any(Number),
      promptTokens: sum(({ usage }) => usage.promptTokens),
      cachedTokens: sum(({ usage }) => usage.cachedTokens),
      cachedFrom: {
        memory: sum(({ usage }) => usage.cachedFrom.memory),
        file: sum(({ usage }) => usage.cachedFrom.file),
      },
      computedTokens: sum(({ usage }) => usage.computedTokens),
      recomputedTokens: 0,
      completionTokens: sum(({ usage }) => usage.completionTokens),
      preemptions: 0,
      peakPages: expect.any(Number),
    });
    expect(summary.promptTokens).toBe(2 * (1 + 7 + 40 + 120));
    expect(summary.cachedTokens + summary.computedTokens).toBe(summary.promptTokens);
    for (const { timings } of lines) {
      expect(timings.queueMs).toBeLessThanOrEqual(timings.ttftMs);
      expect(timings.ttftMs).toBeLessThanOrEqual(timings.totalMs);
      expect(timings.submittedMs + timings.totalMs).toBeLessThanOrEqual(summary.wallMs + 5);
    }
  });

  it('keeps salts apart', async () => {
    const { ids } = llamaGolden[3]!;
    const requests = ['a', 'b', 'a'].map((salt, at) => ({ id: at, ids, maxTokens: 1, salt }));
    const { byId } = await octavoBatch(requests, ['--model', llama, '--concurrency', '1']);
    expect([0, 1, 2].map((id) => byId.get(id)?.usage.cachedTokens)).toEqual([0, 0, ids.length - 1]);
  });

  it('answers what it cannot serve with an error and leaves the other requests unharmed', async () => {
    const { ids, greedy } = llamaGolden[1]!;
    const good = { ids, maxTokens: greedy.length, ignoreEos: true };
    const bad: readonly [code: string, request: object | string][] = [
      ['INVALID_LINE', '{"id": "cut'],
      ['INVALID_LINE', { id: 'field', ids, tokens: 3 }],
      ['TOKEN_OUT_OF_VOCABULARY', { id: 'token', ids: [5, 192] }],
      ['EMPTY_PROMPT', { id: 'empty', ids: [] }],
      ['PROMPT_OVER_CONTEXT', { id: 'context', ids: Array.from({ length: 256 }, () => 5) }],
      ['PROMPT_OVER_POOL', { id: 'pool', ids: Array.from({ length: 200 }, () => 5), maxTokens: 56 }],
      ['INVALID_OPTION', { id: 'zero', ids, maxTokens: 0 }],
      ['INVALID_OPTION', { id: 'negative', ids, temperature: -1 }],
      ['TOKENIZER_MISSING', { id: 'text', prompt: 'hello' }],
    ];
    const requests = bad.flatMap(([, request], at) => [{ id: at, ...good }, request]);
    const { ended, byId, lines } = await octavoBatch(requests, [
      '--model',
      llama,
      '--pages',
      '12',
      '--concurrency',
      '4',
    ]);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(/^octavo: REQUESTS_FAILED: 9 of 18 requests failed; [^\n]+\.\n$/);
    expect(bad.map((_, at) => byId.get(at)?.ids)).toEqual(bad.map(() => greedy));
    const codes = lines.flatMap(({ error }) => (error === undefined ? [] : [error.code])).sort();
    expect(codes).toEqual(bad.map(([code]) => code).sort());
    const failed = lines.find(({ id }) => id === 'pool')!;
    expect(Object.keys(failed)).toEqual(['id', 'error']);
    expect(Object.keys(failed.error!)).toEqual(['code', 'message']);
  });

  it('reads requests from the standard input', async () => {
    const { ids, greedy } = llamaGolden[0]!;
    const out = join(scratch, 'piped.jsonl');
    const argv = ['batch', '-', '--model', llama, '--out', out, '--json'];
    const { status, stderr } = await octavo(argv, {
      stdin: JSON.stringify({ id: 1, ids, maxTokens: 24, ignoreEos: true }),
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(readFileSync(out, 'utf8')).ids).toEqual(greedy);
  });
});
