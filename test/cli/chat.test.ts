import { describe, expect, it } from 'vitest';
import { llama, octavo } from './octavo.testing.ts';

describe('octavo chat', () => {
  it('answers piped questions about a product, and reuses the conversation from the second one on', async () => {
    const { status, stdout, stderr } = await octavo(['chat', '--product', 'p001'], {
      stdin: 'How long is the warranty?\nWhat is the price?\n/reset\nWhat is the price?\n/exit\nnever read\n',
    });
    expect(status).toBe(0);
    expect(stdout).toBe("It comes with a 2-year manufacturer's warranty.\nThe price is $449.\nThe price is $449.\n");
    const reuse = [...stderr.matchAll(/\[(\d+) prompt tokens cached, (\d+) computed\]/g)].map((found) =>
      found.slice(1, 3).map(Number),
    );
    expect(reuse).toHaveLength(3);
    expect(reuse[0]![0]).toBe(0);
    // The second prompt is the first one, its answer and a new question: only what follows the answer is computed.
    expect(reuse[1]![0]).toBeGreaterThan(reuse[0]![1]!);
    expect(reuse[1]![1]).toBeLessThan(20);
    expect(reuse[2]![0]).toBeGreaterThan(100);
  });

  it('refuses a model without a chat template', async () => {
    const { status, stdout, stderr } = await octavo(['chat', llama], { stdin: 'hello\n' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^octavo: (TEMPLATE|TOKENIZER)_MISSING: [^\n]+\n$/);
  });
});
