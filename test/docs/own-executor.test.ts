import { describe, expect, it } from 'vitest';

interface Served {
  readonly completion: readonly number[];
  readonly cachedTokens: number;
  readonly computedTokens: number;
}

interface Example {
  serveTwoPrompts(print: (line: string) => void): { readonly served: readonly Served[]; readonly rows: number };
}

const example = (await import(new URL('../../docs/examples/own-executor.ts', import.meta.url).href)) as Example;

/** Every next token is the sum of all before it. */
function completionOf(prompt: readonly number[], count: number): number[] {
  const tokens = [...prompt];
  for (let at = 0; at < count; at += 1) tokens.push(tokens.reduce((sum, token) => sum + token, 0) % 100);
  return tokens.slice(prompt.length);
}

describe('docs/examples/own-executor.ts', () => {
  it('computes the shared 16 tokens of two cold prompts once, and answers as without a cache', () => {
    const lines: string[] = [];
    const { served, rows } = example.serveTwoPrompts((line) => lines.push(line));
    const shared = Array.from({ length: 16 }, (_, at) => at + 1);
    const [first, second] = [30, 60].map((q) => completionOf([...shared, q, q + 1, q + 2, q + 3], 3));
    expect(served).toEqual([
      { completion: first, cachedTokens: 0, computedTokens: 20 },
      { completion: second, cachedTokens: 16, computedTokens: 4 },
    ]);
    // 24 prompt tokens, and two of the three completion tokens of each: the last one is sampled and never run.
    expect(rows).toBe(28);
    expect(lines).toEqual([
      `20 prompt tokens computed, 0 reused; completion ${first!.join(' ')}`,
      `4 prompt tokens computed, 16 reused; completion ${second!.join(' ')}`,
      '28 rows run',
    ]);
  });
});
