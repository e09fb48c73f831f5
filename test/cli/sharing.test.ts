/** How much of the prompts is computed, against a count that knows neither pages nor leases. */
import { join } from 'node:path';
import { openText, shippedModel } from 'octavo';
import { describe, expect, it } from 'vitest';
import { type BatchLine, octavoBatch, readLines } from './octavo.testing.ts';

interface ShopRequest {
  readonly id: string;
  readonly ids: readonly number[];
}

/** The 300 questions of the eval set as token ids, in the order of the file. */
async function shopRequests(): Promise<readonly ShopRequest[]> {
  const text = (await openText(shippedModel()))!;
  const questions = readLines<{ id: string; messages: { role: string; content: string }[] }>(
    join(shippedModel(), 'eval.jsonl'),
  );
  return questions.map(({ id, messages }) => ({ id, ids: Array.from(text.encodeChat(messages)) }));
}

const requests = await shopRequests();

/** A plain trie over token ids. */
class Trie {
  readonly #children = new Map<number, Trie>();

  add(tokens: readonly number[]): void {
    let node: Trie = this;
    for (const token of tokens) {
      let child = node.#children.get(token);
      if (child === undefined) {
        child = new Trie();
        node.#children.set(token, child);
      }
      node = child;
    }
  }

  /** Leading tokens that were added before. */
  knownTokens(tokens: readonly number[]): number {
    let node: Trie | undefined = this;
    for (const [position, token] of tokens.entries()) {
      node = node.#children.get(token);
      if (node === undefined) return position;
    }
    return tokens.length;
  }
}

/**
 * Tokens that each request has to compute when it is served after those before it: what no earlier prompt or completion began with,
 * and at least its last one. The last token of a completion was never run, so it is not known.
 */
function countOf(served: readonly ShopRequest[], answers: ReadonlyMap<BatchLine['id'], BatchLine>): readonly number[] {
  const trie = new Trie();
  return served.map(({ id, ids }) => {
    const computed = Math.max(1, ids.length - trie.knownTokens(ids));
    trie.add([...ids, ...answers.get(id)!.ids.slice(0, -1)]);
    return computed;
  });
}

async function serve(concurrency: number): Promise<ReadonlyMap<BatchLine['id'], BatchLine>> {
  const lines = requests.map((request) => ({ ...request, maxTokens: 48 }));
  const { ended, byId } = await octavoBatch(lines, ['--concurrency', `${concurrency}`, '--pages', '4096']);
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  expect(byId.size).toBe(300);
  return byId;
}

describe('sharing', () => {
  it('computes exactly what a trie says, to the token, with one customer at a time', async () => {
    const answers = await serve(1);
    const computed = requests.map(({ id }) => answers.get(id)!.usage.computedTokens);
    expect(computed).toEqual(countOf(requests, answers));
  });

  it('computes at most one page more a request with 16 customers at a time', async () => {
    const answers = await serve(16);
    const counted = countOf(requests, answers);
    const excess = requests.map(({ id }, at) => answers.get(id)!.usage.computedTokens - counted[at]!);
    expect(Math.max(...excess)).toBeLessThanOrEqual(16);
  });
});
