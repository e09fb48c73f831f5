import { describe, expect, it } from 'vitest';
import { fakeHost } from './fake-host.testing.ts';

describe('octavo generate', () => {
  it('prints one JSON object with --json', async () => {
    const { run, stdout, stderr, log } = fakeHost();
    expect(await run('generate', '--prompt', 'hi', '--max-tokens', '9', '--ignore-eos', '--json')).toBe(0);
    expect(JSON.parse(stdout())).toEqual({
      ids: [72, 73],
      text: 'HI',
      finishReason: 'stop',
      usage: expect.objectContaining({ promptTokens: 2, cachedTokens: 0, computedTokens: 2, completionTokens: 2 }),
      timings: { queueMs: 0.123, ttftMs: 1, totalMs: 2, perTokenMs: 0.5 },
    });
    expect(stdout().split('\n')).toHaveLength(2);
    expect(stderr()).toBe('');
    expect(log.requests).toEqual([{ prompt: 'hi', maxTokens: 9, ignoreEos: true, signal: expect.any(AbortSignal) }]);
  });

  it('says what was dropped, and knows no other policies than the engine', async () => {
    const { describeDropped } = await import('./truncation.ts');
    const usage = (dropped?: object) => ({ dropped }) as Parameters<typeof describeDropped>[0];
    expect(describeDropped(usage())).toBe('');
    expect(describeDropped(usage({ promptTokens: 7, messages: 2, windowTokens: 0 }))).toBe(
      '; 7 prompt tokens in 2 messages dropped',
    );
    expect(describeDropped(usage({ promptTokens: 7, messages: 0, windowTokens: 3 }))).toBe(
      '; 7 prompt tokens dropped, 3 tokens left behind by the window',
    );
    const { run, stderr } = fakeHost();
    expect(await run('generate', '--prompt', 'hi', '--truncation', 'tail')).toBe(2);
    expect(stderr()).toContain('refuse, head-and-tail, turns');
  });

  it('reports the seed when tokens are drawn', async () => {
    const { run, stdout } = fakeHost();
    await run('generate', '--prompt', 'hi', '--temperature', '0.5', '--seed', '4', '--json');
    expect(JSON.parse(stdout())).toMatchObject({ seed: 4 });
  });

  it('has no text for a model without a tokenizer, for programs and for people', async () => {
    const program = fakeHost({ hasTokenizer: false });
    await program.run('generate', '--ids', '97, 98', '--json');
    expect(Object.keys(JSON.parse(program.stdout()))).toEqual(['ids', 'finishReason', 'usage', 'timings']);
    const person = fakeHost({ hasTokenizer: false });
    await person.run('generate', '--ids', '97,98');
    expect(person.stdout()).toBe('65 66\n');
  });

  it('streams text to a person and says on standard error what it took', async () => {
    const { run, stdout, stderr } = fakeHost();
    expect(await run('generate', '--prompt', 'hi')).toBe(0);
    expect(stdout()).toBe('HI\n');
    expect(stderr()).toContain('prompt 2 tokens: 0 cached, 2 computed');
  });
});

describe('octavo score', () => {
  it('prints the four fields with --json', async () => {
    const { run, stdout } = fakeHost();
    expect(await run('score', '--ids', '7,8', '--json')).toBe(0);
    expect(JSON.parse(stdout())).toEqual({
      argmax: [7, 8],
      lastLogits: [0.5, 1.5],
      logprobs: [-0.25],
      perplexity: Math.exp(0.25),
    });
  });

  it('prints a table for a person', async () => {
    const { run, stdout } = fakeHost();
    await run('score', '--text', 'x');
    expect(stdout()).toMatch(/^tokens +2\nlog-probability +-0\.2500\nperplexity +1\.2840\nnext token +8\n$/);
  });
});
