import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeHost, folderWith } from './fake-host.testing.ts';

const evalFile = (...lines: readonly object[]) =>
  join(folderWith({ 'eval.jsonl': lines.map((line) => JSON.stringify(line)).join('\n\n') }), 'eval.jsonl');
const questions = evalFile(
  { prompt: 'a', expected: 'A' },
  { messages: [{ role: 'user', content: 'b' }], expected: 'B' },
  { prompt: 'c', expected: 'C' },
);
/** Weights of 8 bits forget what b is. */
const forgetful = (text: string, { weights }: { weights?: string }) =>
  weights === 'q8' && text === 'b' ? '?' : text.toUpperCase();

describe('octavo tune', () => {
  it('answers the questions with every setting and says what each one lost', async () => {
    const { run, stdout, log } = fakeHost({ reply: forgetful });
    expect(
      await run('tune', '--eval', questions, '--weights', 'f32,q8', '--kv-types', 'f32', '--no-trims', '--json'),
    ).toBe(0);
    const report = JSON.parse(stdout());
    expect(report.settings).toMatchObject([
      { name: 'f32 weights, f32 pages', right: 3, questions: 3, accuracy: 1, lost: 0 },
      { name: 'q8 weights, f32 pages', right: 2, accuracy: 2 / 3, lost: 1 - 2 / 3 },
    ]);
    expect(report.recommended).toBe('f32 weights, f32 pages');
    // The same pages for all: memory is compared at the same number of tokens.
    expect(log.opened.map(({ options }) => options.pages)).toEqual([1025, 1025]);
    expect(log.closed).toBe(2);
  });

  it('shows a person the table, the plot and a recommendation, and writes the picture', async () => {
    const svg = join(folderWith({}), 'plot.svg');
    const { run, stdout } = fakeHost({ reply: forgetful });
    expect(await run('tune', './m', '--eval', questions, '--questions', '2', '--no-trims', '--plot', svg)).toBe(0);
    expect(stdout()).toMatch(/^1 {2}f32 weights, f32 pages +2 of 2 +0\.0 %/m);
    expect(stdout()).toMatch(/^6 {2}q8 weights, int8 pages +1 of 2 +50\.0 %/m);
    expect(stdout()).toMatch(/Recommended \(the most accurate in the least memory\): q4 weights, f32 pages/);
    expect(readFileSync(svg, 'utf8').match(/<circle/g)).toHaveLength(15);
  });

  it('tries trims with the first formats, each one alone', async () => {
    const { run, stdout, log } = fakeHost({ reply: forgetful });
    expect(await run('tune', '--eval', questions, '--weights', 'q8', '--kv-types', 'f32', '--json')).toBe(0);
    // The fake model has one layer and one K/V head: only windows are left to try.
    const names = JSON.parse(stdout()).settings.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['q8 weights, f32 pages', 'window of 256', 'window of 64']);
    expect(log.opened[1]?.options).toMatchObject({ weights: 'q8', kvType: 'f32', trims: { windowTokens: 256 } });
  });

  it('says when nothing fits into the memory', async () => {
    const { run, stdout } = fakeHost();
    expect(await run('tune', '--eval', questions, '--weights', 'f32', '--memory', '1B')).toBe(0);
    expect(stdout()).toMatch(/Nothing fits into 1 B: the smallest setting takes/);
  });

  it.each([
    [['--eval', '/nowhere/eval.jsonl'], 'MISSING_FILE'],
    [['--eval', evalFile({ prompt: 'a' })], 'INVALID_FILE: Line 1 of'],
    [['--eval', evalFile()], 'INVALID_FILE'],
    [['--eval', questions, '--weights', 'f32,q2'], 'INVALID_OPTION: --weights has "q2"'],
    [[], 'MISSING_OPTION'],
  ])('refuses %j', async (argv, complaint) => {
    const { run, stderr, log } = fakeHost();
    expect(await run('tune', ...argv)).toBe(2);
    expect(stderr()).toContain(complaint);
    expect(log.opened).toEqual([]);
  });
});
