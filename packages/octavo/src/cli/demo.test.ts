import { describe, expect, it } from 'vitest';
import { readWorkload } from '../demo/workload.ts';
import { shippedModel } from '../shipped-model.ts';
import { fakeHost } from './fake-host.testing.ts';

const { questions } = await readWorkload(shippedModel());
const expected = new Map(
  questions.map(({ messages, expected_answer }) => [messages.map(({ content }) => content).join('|'), expected_answer]),
);
const knowing = (text: string): string => expected.get(text) ?? '';

describe('octavo demo', () => {
  it('reports both runs, that they agree, and three conversations with --json', async () => {
    const { run, stdout, stderr, log } = fakeHost({ reply: knowing });
    expect(await run('demo', '--json')).toBe(0);
    const report = JSON.parse(stdout());
    expect(report).toMatchObject({
      products: 60,
      questions: 300,
      customers: 16,
      sameAnswers: true,
      differing: [],
      wrong: [],
    });
    expect(report.sharingOff).toMatchObject({ correctAnswers: 300, hitRate: 0, cachedTokens: 0, peakPages: 5 });
    expect(report.sharingOn.cachedTokens + report.sharingOn.computedTokens).toBe(report.sharingOff.promptTokens);
    expect(report.sharingOn.hitRate).toBeGreaterThan(0.7);
    expect(report.conversations).toHaveLength(3);
    expect(new Set(report.conversations.map(({ product }: { product: string }) => product)).size).toBe(3);
    expect(stderr()).toBe('');
    expect(log.opened.map(({ options }) => options)).toEqual([
      { pages: 4096, maxSequences: 16, sharing: false, cacheFolder: '/nowhere' },
      { pages: 4096, maxSequences: 16, sharing: true, cacheFolder: '/nowhere' },
    ]);
    expect(log.closed).toBe(2);
  });

  it('prints lines of progress and a table when nobody watches, without colours', async () => {
    const { run, stdout, stderr } = fakeHost({ reply: knowing });
    expect(await run('demo', '--questions', '30', '--customers', '4')).toBe(0);
    expect(stderr()).toBe(
      ['off', 'on '].flatMap((mode) => [10, 20, 30].map((done) => `sharing ${mode} ${done}/30\n`)).join(''),
    );
    expect(stdout()).toMatch(/correct answers +30 of 30 +30 of 30/);
    expect(stdout()).toContain('Both runs gave the same answers');
    expect(stdout()).not.toContain('\u001b');
  });

  it('draws bars on a terminal, colours only without NO_COLOR', async () => {
    const colored = fakeHost({ reply: knowing, isTTY: true });
    expect(await colored.run('demo', '--questions', '8')).toBe(0);
    expect(colored.stderr()).toContain('8/8');
    expect(colored.stdout()).toContain('\u001b[32m');
    const plain = fakeHost({ reply: knowing, isTTY: true, env: { NO_COLOR: '1', OCTAVO_CACHE: '/nowhere' } });
    expect(await plain.run('demo', '--questions', '8')).toBe(0);
    expect(plain.stdout()).not.toContain('\u001b');
  });

  it('exits with 1 and names the questions when sharing changes an answer', async () => {
    const reply = (text: string, options: { sharing?: boolean }): string =>
      options.sharing === true ? `${knowing(text)}!` : knowing(text);
    const { run, stdout, stderr } = fakeHost({ reply });
    expect(await run('demo', '--questions', '2', '--json')).toBe(1);
    expect(JSON.parse(stdout())).toMatchObject({
      sameAnswers: false,
      differing: [expect.any(String), expect.any(String)],
    });
    expect(stderr()).toMatch(/^octavo: ANSWERS_DIFFER: 2 questions /);
  });

  it('closes the engine at Ctrl-C', async () => {
    const { run, log, signals, stdout } = fakeHost({ ready: new Promise(() => {}) });
    const status = run('demo');
    await expect.poll(() => log.inFlight).toBe(4);
    signals.emit('SIGINT');
    expect(await status).toBe(130);
    expect(log.closed).toBe(1);
    expect(stdout()).toBe('');
  });
});
