import { describe, expect, it } from 'vitest';
import { llama, llamaGolden, octavo, octavoJson } from './octavo.testing.ts';

const TIMER = '<|im_start|>user\nSet a timer for 10 minutes<|im_end|>\n<|im_start|>assistant\n';

interface Generated {
  readonly ids: readonly number[];
  readonly text?: string;
}

interface Scored {
  readonly argmax: readonly number[];
  readonly lastLogits: readonly number[];
  readonly logprobs: readonly number[];
  readonly perplexity?: number;
}

describe('octavo generate', () => {
  it('prints exactly the documented fields for the shipped model, which is the default', async () => {
    expect(await octavoJson(['generate', '--prompt', TIMER])).toEqual({
      ids: [626, 399, 318, 35, 52, 51, 436, 49, 2],
      text: 'Timer set for 10 minutes.',
      finishReason: 'stop',
      usage: {
        promptTokens: 16,
        cachedTokens: 0,
        cachedFrom: { memory: 0, file: 0 },
        computedTokens: 16,
        recomputedTokens: 0,
        storedTokens: 24,
        completionTokens: 9,
        preemptions: 0,
        missReason: 'cold',
      },
      timings: {
        queueMs: expect.any(Number),
        ttftMs: expect.any(Number),
        totalMs: expect.any(Number),
        perTokenMs: expect.any(Number),
      },
    });
  });

  it('equals the golden ids of a model without a tokenizer, and prints no text', async () => {
    const { ids, greedy } = llamaGolden[1]!;
    const argv = [
      'generate',
      '--model',
      llama,
      '--ids',
      ids.join(','),
      '--max-tokens',
      `${greedy.length}`,
      '--ignore-eos',
    ];
    const result = await octavoJson<Generated>(argv);
    expect(result.ids).toEqual(greedy);
    expect(result).not.toHaveProperty('text');
  });

  it.each(['q8', 'q4', 'w8a8'])('answers with weights stored as %s', async (weights) => {
    const result = await octavoJson<Generated>(['generate', '--prompt', TIMER, '--weights', weights]);
    expect(result.text).toContain('imer');
  });

  it('draws the same tokens for the same seed, and says which seed it was', async () => {
    const argv = ['generate', '--model', llama, '--ids', '5,17,99', '--max-tokens', '12', '--temperature', '1'];
    const first = await octavoJson<Generated & { seed: number }>(argv);
    const again = await octavoJson<Generated & { seed: number }>([...argv, '--seed', `${first.seed}`]);
    expect(again.ids).toEqual(first.ids);
    expect(again.seed).toBe(first.seed);
  });

  it('streams text to a person', async () => {
    const { status, stdout, stderr } = await octavo(['generate', '--prompt', TIMER]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'Timer set for 10 minutes.\n' });
    expect(stderr).toMatch(/^\[stop\] prompt 16 tokens: 0 cached, 16 computed; completion 9;.*\n$/);
  });
});

describe('octavo score', () => {
  it('agrees with the golden logits and the golden argmax of every position', async () => {
    const { ids, lastLogits, allPositionsArgmax } = llamaGolden[2]!;
    const scored = await octavoJson<Scored>(['score', '--model', llama, '--ids', ids.join(',')]);
    expect(Object.keys(scored)).toEqual(['argmax', 'lastLogits', 'logprobs', 'perplexity']);
    expect(scored.argmax).toEqual(allPositionsArgmax);
    expect(scored.lastLogits).toHaveLength(lastLogits.length);
    const tolerance = 5e-5 * Math.max(...lastLogits.map(Math.abs));
    const worst = Math.max(...scored.lastLogits.map((logit, id) => Math.abs(logit - lastLogits[id]!)));
    expect(worst).toBeLessThan(tolerance);
  });

  it('gives each next token the probability that the logits before it say', async () => {
    const ids = llamaGolden[1]!.ids;
    const whole = await octavoJson<Scored>(['score', '--model', llama, '--ids', ids.join(',')]);
    const cut = await octavoJson<Scored>(['score', '--model', llama, '--ids', ids.slice(0, -1).join(',')]);
    expect(whole.logprobs).toHaveLength(ids.length - 1);
    const total = Math.log(cut.lastLogits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    expect(whole.logprobs.at(-1)).toBeCloseTo(cut.lastLogits[ids.at(-1)!]! - total, 4);
    const mean = whole.logprobs.reduce((sum, logprob) => sum + logprob, 0) / whole.logprobs.length;
    expect(whole.perplexity! / Math.exp(-mean)).toBeCloseTo(1, 6);
  });

  it('has no perplexity for a single token', async () => {
    const scored = await octavoJson<Scored>(['score', '--model', llama, '--ids', '56']);
    expect(Object.keys(scored)).toEqual(['argmax', 'lastLogits', 'logprobs']);
  });

  it('scores text with the tokenizer of the model', async () => {
    const { status, stdout } = await octavo(['score', '--text', 'The price is $449.']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^tokens +\d+\nlog-probability +-\d/);
  });
});
