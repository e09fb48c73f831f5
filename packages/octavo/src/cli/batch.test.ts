import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeHost, folderWith, readJsonLines } from './fake-host.testing.ts';

interface Line {
  readonly id: string | number | null;
  readonly error?: { readonly code: string; readonly message: string };
}

function requestFile(...lines: readonly (object | string)[]): { requests: string; out: string } {
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const folder = folderWith({ 'requests.jsonl': text });
  return { requests: join(folder, 'requests.jsonl'), out: join(folder, 'out.jsonl') };
}

describe('octavo batch', () => {
  it('answers ids, prompts and messages, each with its id and the four times', async () => {
    const { requests, out } = requestFile(
      { id: 'a', ids: [104, 105], maxTokens: 4 },
      { id: 'b', prompt: 'hi there', maxTokens: 2 },
      '',
      { id: 3, messages: [{ role: 'user', content: 'hey' }] },
    );
    const { run, stdout } = fakeHost();
    expect(await run('batch', requests, '--out', out, '--concurrency', '1', '--json')).toBe(0);
    const answers = readJsonLines<Line>(out);
    expect(answers).toHaveLength(3);
    expect(answers[1]).toEqual({
      id: 'b',
      ids: [72, 73],
      text: 'HI',
      finishReason: 'length',
      usage: expect.objectContaining({ promptTokens: 8, cachedTokens: 2, computedTokens: 6 }),
      timings: { submittedMs: expect.any(Number), queueMs: 0.123, ttftMs: 1, totalMs: 2 },
    });
    expect(answers.map(({ id }) => id)).toEqual(['a', 'b', 3]);
    expect(stdout().split('\n')).toHaveLength(2);
    expect(JSON.parse(stdout())).toEqual({
      requests: 3,
      failed: 0,
      wallMs: expect.any(Number),
      promptTokens: 13,
      cachedTokens: 3,
      cachedFrom: { memory: 3, file: 0 },
      computedTokens: 10,
      recomputedTokens: 0,
      completionTokens: 7,
      preemptions: 0,
      peakPages: 5,
    });
  });

  it('answers bad lines with an error that names the line, serves the others and exits with 2', async () => {
    const { requests, out } = requestFile(
      { id: 'good', prompt: 'x' },
      '{"id":"cut',
      { id: 'unknown', prompt: 'x', foo: 1 },
      { id: 'good', prompt: 'x' },
      { id: 'empty', prompt: '' },
      { id: 'also good', prompt: 'y' },
    );
    const { run, stderr } = fakeHost();
    expect(await run('batch', requests, '--out', out, '--json')).toBe(2);
    const errors = new Map(readJsonLines<Line>(out).map(({ id, error }) => [id, error]));
    expect(errors.get('also good')).toBeUndefined();
    expect(errors.get(null)).toEqual({ code: 'INVALID_LINE', message: expect.stringMatching(/^Line 2: .*\.$/) });
    expect(errors.get('unknown')).toEqual({ code: 'INVALID_LINE', message: expect.stringMatching(/^Line 3: .*foo/) });
    expect(errors.get('empty')).toMatchObject({ code: 'EMPTY_PROMPT' });
    expect(readJsonLines<Line>(out).filter(({ error }) => error?.code === 'DUPLICATE_ID')).toHaveLength(1);
    expect(readJsonLines(out)).toHaveLength(6);
    expect(stderr()).toBe(`octavo: REQUESTS_FAILED: 4 of 6 requests failed; read their "error" in ${out}.\n`);
  });

  it('keeps as many requests in flight as it was told', async () => {
    const { requests, out } = requestFile(...Array.from({ length: 40 }, (_, id) => ({ id, prompt: 'x' })));
    let release = (): void => {};
    const ready = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { run, log } = fakeHost({ ready });
    const status = run('batch', requests, '--out', out, '--concurrency', '24');
    await expect.poll(() => log.inFlight).toBe(24);
    release();
    expect(await status).toBe(0);
    expect(log.peakInFlight).toBe(24);
    expect(log.opened[0]?.options).toMatchObject({ maxSequences: 24, maxWaiting: 24, sharing: true, kvCache: true });
  });

  it.each([
    ['--no-sharing', { sharing: false, kvCache: true }],
    ['--no-kv-cache', { sharing: true, kvCache: false }],
  ])('opens the engine for the ablation %s', async (flag, options) => {
    const { requests, out } = requestFile({ id: 1, prompt: 'x' });
    const { run, log } = fakeHost();
    expect(await run('batch', requests, '--out', out, flag)).toBe(0);
    expect(log.opened[0]?.options).toMatchObject(options);
  });

  it('keeps what is finished at Ctrl-C, closes the engine and exits with 130, also when Ctrl-C comes again', async () => {
    const { requests, out } = requestFile({ id: 'bad' }, { id: 1, prompt: 'x' }, { id: 2, prompt: 'y' });
    const { run, log, signals, stdout, stderr } = fakeHost({ ready: new Promise(() => {}) });
    const status = run('batch', requests, '--out', out);
    await expect.poll(() => log.inFlight).toBe(2);
    signals.emit('SIGINT');
    signals.emit('SIGINT');
    expect(await status).toBe(130);
    expect(log.closed).toBe(1);
    expect(readJsonLines<Line>(out).map(({ id }) => id)).toEqual(['bad']);
    expect(stdout()).toBe('');
    expect(stderr()).toBe(`octavo: closing after the step that runs\ninterrupted: 1 answer is in ${out}\n`);
    expect(signals.listenerCount('SIGINT')).toBe(0);
  });

  it('hands budgets and quotas to the engine, and nothing that was not given', async () => {
    const { requests, out } = requestFile({ id: 'a', prompt: 'x' });
    const given = fakeHost();
    const argv = ['batch', requests, '--out', out];
    const quota = ['--salt-max-running', '2', '--salt-max-pages', '40'];
    expect(await given.run(...argv, '--token-budget', '64', '--prompt-steps-in-turn', '3', ...quota)).toBe(0);
    expect(given.log.opened[0]?.options).toMatchObject({
      tokenBudget: 64,
      promptStepsInTurn: 3,
      saltQuota: { maxRunning: 2, maxPages: 40 },
    });
    const plain = fakeHost();
    expect(await plain.run(...argv)).toBe(0);
    expect(Object.keys(plain.log.opened[0]?.options ?? {})).not.toEqual(
      expect.arrayContaining([expect.stringMatching('tokenBudget|saltQuota')]),
    );
  });

  it.each([
    ['--token-budget', '0'],
    ['--token-budget', 'all'],
    ['--salt-max-running', '0'],
    ['--salt-max-pages', '-3'],
    ['--salt-max-pages', '1.5'],
  ])('refuses %s %s in one sentence', async (flag, value) => {
    const { requests, out } = requestFile({ id: 'a', prompt: 'x' });
    const { run, stderr, log } = fakeHost();
    expect(await run('batch', requests, '--out', out, flag, value)).toBe(2);
    expect(stderr()).toBe(
      `octavo: INVALID_OPTION: ${flag} is ${JSON.stringify(value)}; give a whole number of at least 1.\n`,
    );
    expect(log.opened).toEqual([]);
  });

  it('shows the count of answers on a terminal', async () => {
    const { requests, out } = requestFile({ id: 1, prompt: 'x' });
    const { run, stdout } = fakeHost({ isTTY: true });
    expect(await run('batch', requests, '--out', out)).toBe(0);
    expect(stdout()).toContain('1 of 1');
    expect(readFileSync(out, 'utf8').endsWith('\n')).toBe(true);
  });
});
