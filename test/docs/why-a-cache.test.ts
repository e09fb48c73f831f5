import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openText, type TextCodec } from '@octavo/text';
import { beforeAll, describe, expect, it } from 'vitest';
import { runWithCache, runWithoutCache, totalOf } from './attention-loop.ts';
import { tableIn, written } from './markdown-tables.ts';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const document = readFileSync(at('docs/why-a-cache.md'), 'utf8');
const modelFolder = at('packages/octavo/model/shopkeeper');

interface Question {
  readonly product: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly expected_answer: string;
}

const questions = readFileSync(`${modelFolder}/eval.jsonl`, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Question);
const aboutTheTv = questions.filter(({ product }) => product === 'p001');

/** Bytes of keys and values of one token, 32 bits a number. */
function bytesPerToken(): number {
  const config = JSON.parse(readFileSync(`${modelFolder}/config.json`, 'utf8')) as Record<string, number>;
  const { num_hidden_layers: layers = 0, num_key_value_heads: heads = 0, head_dim: dimension = 0 } = config;
  return layers * 2 * heads * dimension * 4;
}

interface Served {
  readonly prompt: number;
  readonly found: number;
  readonly computed: number;
}

/** Prompts one after the other: the longest beginning that an earlier one has is found, but never all of a prompt. */
function serve(codec: TextCodec, asked: readonly Question[]): Served[] {
  const earlier: Uint32Array[] = [];
  return asked.map(({ messages }) => {
    const ids = codec.encodeChat(messages);
    let found = 0;
    for (const other of earlier) {
      let same = 0;
      while (same < ids.length - 1 && other[same] === ids[same]) same += 1;
      found = Math.max(found, same);
    }
    earlier.push(ids);
    return { prompt: ids.length, found, computed: ids.length - found };
  });
}

const sum = (served: readonly Served[], field: keyof Served) => served.reduce((total, item) => total + item[field], 0);

describe('docs/why-a-cache.md', () => {
  let codec: TextCodec;
  beforeAll(async () => {
    const opened = await openText(modelFolder);
    if (opened === undefined) throw new Error('the shipped model has a tokenizer');
    codec = opened;
  });

  it('tells of two loops that give the same result', () => {
    const steps = Array.from({ length: 12 }, () => 1);
    const kept = runWithCache(steps).outputs;
    expect(kept).toHaveLength(12);
    expect(runWithoutCache(steps).outputs).toEqual(kept);
    expect(new Set(kept.map(String)).size).toBe(12);
    expect(runWithCache([5, 1, 1]).outputs).toEqual([kept[4], kept[5], kept[6]]);
  });

  it('counts "She poured coffee" as the loops do', () => {
    const tokens = ['She', 'poured', 'coffee'];
    const [without, kept] = [runWithoutCache([1, 1, 1]), runWithCache([1, 1, 1])].map(({ steps }) => steps);
    const rows = tokens.map((token, step) => {
      const [slow, fast] = [without?.[step], kept?.[step]];
      return [step + 1, token, slow?.products, fast?.products, slow?.rows, fast?.rows].map(String);
    });
    const [slow, fast] = [totalOf(without ?? []), totalOf(kept ?? [])];
    const total = ['total', '', slow.products, fast.products, slow.rows, fast.rows].map(String);
    expect(tableIn(document, 'step', 'new token')).toEqual([...rows, total]);
    expect(kept?.[2]?.products).toBe(3);
    expect(without?.[2]?.products).toBe(6);
    expect(document).toContain('At the third token: 3 products with a cache against 6 without.');
  });

  it('draws as many crosses as there are products', () => {
    const drawing = document.slice(document.indexOf('without a cache    '), document.indexOf('| step | new token'));
    const crosses = (text: string) => text.split(' ').filter((mark) => mark === 'x').length;
    const lines = drawing.split('\n').slice(1);
    const half = 48;
    expect(crosses(lines.map((line) => line.slice(0, half)).join(' '))).toBe(
      totalOf(runWithoutCache([1, 1, 1]).steps).products,
    );
    expect(crosses(lines.map((line) => line.slice(half)).join(' '))).toBe(
      totalOf(runWithCache([1, 1, 1]).steps).products,
    );
  });

  it('counts longer texts as the loops do, and gives the right formulas', () => {
    const table = tableIn(document, 'tokens', 'products without a cache');
    const counts = [3, 10, 100, 400];
    const rows = counts.map((count) => {
      const steps = Array.from({ length: count }, () => 1);
      const [slow, fast] = [totalOf(runWithoutCache(steps).steps), totalOf(runWithCache(steps).steps)];
      expect(slow.products).toBe((count * (count + 1) * (count + 2)) / 6);
      expect(fast.products).toBe((count * (count + 1)) / 2);
      return [count, slow.products, fast.products, slow.rows, fast.rows].map(written);
    });
    expect(table).toEqual(rows);
  });

  it('counts prefill and decode of a real question as the loops do', () => {
    const question = aboutTheTv.find(
      ({ messages }) => messages.at(-1)?.content === 'Hello, what resolution does this TV have?',
    );
    if (question === undefined) throw new Error('the question is not among those that are shipped');
    expect(document).toContain(`the answer "${question.expected_answer}" with its end token`);
    const prompt = codec.encodeChat(question.messages).length;
    // Prefill chooses the first token of the answer; each further one, and the end token, needs a step.
    const answer = codec.encode(question.expected_answer);
    const decodes = answer.length;
    for (const id of answer.subarray(0, 2)) expect(document).toContain(`chooses "${codec.decode([id])}"`);
    const steps = [prompt, ...Array.from({ length: decodes }, () => 1)];
    const [kept, without] = [runWithCache(steps).steps, runWithoutCache(steps).steps];
    const row = (part: string, from: number, to: number) => {
      const [fast, slow] = [totalOf(kept.slice(from, to)), totalOf(without.slice(from, to))];
      return [part, ...[to - from, fast.rows, fast.products, slow.rows, slow.products].map(written)];
    };
    expect(tableIn(document, 'part', 'steps')).toEqual([row('prefill', 0, 1), row('decode', 1, 1 + decodes)]);
    expect(document).toContain(`${prompt} tokens in 1 step`);
  });

  it('counts the tokens of five customers with the tokenizer of the shipped model', () => {
    const rows = serve(codec, aboutTheTv).map(({ prompt, found, computed }, index) => {
      const asked = aboutTheTv[index]?.messages.at(-1)?.content;
      return [index + 1, asked, prompt, found, computed].map(String);
    });
    expect(rows).toHaveLength(5);
    expect(tableIn(document, 'customer', 'last question')).toEqual(rows);
  });

  it('counts what sharing saves over all shipped questions', () => {
    const kibibytes = (tokens: number) => `${written((tokens * bytesPerToken()) / 1024)} KiB`;
    const rows = [aboutTheTv, questions].map((asked) => {
      const served = serve(codec, asked);
      const [prompt, computed] = [sum(served, 'prompt'), sum(served, 'computed')];
      expect(prompt).toBe(computed + sum(served, 'found'));
      const products = new Set(asked.map(({ product }) => product)).size;
      return [
        ...[asked.length, products, prompt, prompt, computed].map(written),
        kibibytes(prompt),
        kibibytes(computed),
      ];
    });
    expect(tableIn(document, 'questions', 'products')).toEqual(rows);
    const served = serve(codec, questions);
    const saved = Math.round(100 * (1 - sum(served, 'computed') / sum(served, 'prompt')));
    expect(document).toContain(`Sharing saves ${saved} % of the prefill here`);
  });
});

describe('tableIn', () => {
  it('refuses a table that is not there', () => {
    expect(() => tableIn('| a | b |\n|---|---|\n| 1 | 2 |\n', 'b')).toThrow('0 tables begin with | b |');
    expect(tableIn('text\n\n| a | b |\n|---|---|\n| 1 | |\n', 'a', 'b')).toEqual([['1', '']]);
  });
});
