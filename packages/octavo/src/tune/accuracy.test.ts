/** The accuracy table of docs/cache.md: measured on the shipped model's eval set, and written, by OCTAVO_WRITE_DOCS=1. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EngineOptions, openEngine } from '@octavo/engine';
import { describe, expect, it } from 'vitest';
import { shippedModel } from '../shipped-model.ts';
import { parseEvalLine } from './eval-set.ts';
import { measure } from './measure.ts';

const path = new URL('../../../../docs/cache.md', import.meta.url);
const isWriting = process.env.OCTAVO_WRITE_DOCS === '1';

interface Row {
  readonly name: string;
  readonly options: EngineOptions;
}

/** The first one is what the others are compared with. */
const rows: readonly Row[] = [
  { name: 'as it is', options: {} },
  { name: '`weights: q8`', options: { weights: 'q8' } },
  { name: '`weights: q4`', options: { weights: 'q4' } },
  { name: '`weights: w8a8`', options: { weights: 'w8a8' } },
  { name: '`weights: q4+w8a8`', options: { weights: 'q4+w8a8' } },
  { name: '`kvType: f16`', options: { kvType: 'f16' } },
  { name: '`kvType: int8`', options: { kvType: 'int8' } },
  { name: '`trims.dropLayers: 1`', options: { trims: { dropLayers: 1 } } },
  { name: '`trims.kvHeads: 1`, mean', options: { trims: { kvHeads: 1 } } },
  { name: '`trims.kvHeads: 1`, first', options: { trims: { kvHeads: 1, kvHeadsBy: 'first' } } },
  { name: '`trims.windowTokens: 256`', options: { trims: { windowTokens: 256 } } },
  { name: '`trims.windowTokens: 64`', options: { trims: { windowTokens: 64 } } },
  {
    name: 'truncation `head-and-tail` at 128 tokens',
    options: { truncation: { policy: 'head-and-tail', limitTokens: 128 } },
  },
  { name: 'truncation `turns` at 192 tokens', options: { truncation: { policy: 'turns', limitTokens: 192 } } },
];

function evalSet() {
  const lines = readFileSync(join(shippedModel(), 'eval.jsonl'), 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const parsed = parseEvalLine(line);
    return parsed.ok ? [parsed.item] : [];
  });
}

/** Prompts that truncation cannot make fit are refused: no answer, not a right one. */
async function measured({ name, options }: Row): Promise<string> {
  const engine = await openEngine(shippedModel(), { mode: 'in-thread', ...options });
  try {
    let refused = 0;
    const items = evalSet();
    const gentle = {
      ...engine,
      info: engine.info,
      chat: (request: Parameters<typeof engine.chat>[0]) => {
        const generation = engine.chat(request);
        const result = () =>
          generation.result().catch((error: { code?: string }) => {
            if (error.code !== 'PROMPT_OVER_CONTEXT') throw error;
            refused += 1;
            return { text: '' };
          });
        return { result };
      },
    } as unknown as typeof engine;
    const { right, questions, bytesPerToken } = await measure(gentle, { name, options: {} }, items, {
      signal: new AbortController().signal,
      onAnswer: () => {},
    });
    const note = refused > 0 ? ` (${refused} refused)` : '';
    return `| ${name} | ${right} of ${questions}${note} | ${bytesPerToken.toLocaleString('en-US')} |`;
  } finally {
    await engine.close();
  }
}

function tableIn(document: string): string {
  return /<!-- accuracy -->\n(.*?)<!-- \/accuracy -->/s.exec(document)?.[1] ?? '';
}

describe('the accuracy table of docs/cache.md', () => {
  it.skipIf(!isWriting)(
    'is measured and written',
    async () => {
      const lines = ['| setting | right | bytes a token |', '| --- | --- | --- |'];
      for (const row of rows) lines.push(await measured(row));
      const document = readFileSync(path, 'utf8');
      const table = `\n${lines.join('\n')}\n\n`;
      writeFileSync(path, document.replace(/(<!-- accuracy -->\n).*?(<!-- \/accuracy -->)/s, `$1${table}$2`));
    },
    900_000,
  );

  it('has a row for each setting, in numbers', () => {
    const cells = tableIn(readFileSync(path, 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2)
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(cells.map(([, name]) => name)).toEqual(rows.map(({ name }) => name));
    for (const [, , right, bytes] of cells) {
      expect(right).toMatch(/^\d+ of 300/);
      expect(bytes).toMatch(/^[\d,]+$/);
    }
  });
});
