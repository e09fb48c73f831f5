/** docs/weights.md holds what the formats of weights cost. OCTAVO_WRITE_DOCS=1 writes its table anew instead of comparing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tableIn } from './markdown-tables.ts';
import { formats, formatTable, measureFormats } from './weight-formats.ts';

const file = new URL('../../docs/weights.md', import.meta.url);
/** Eight runs of the eval set and four scorings of it: 25 s on two idle cores. */
const TIMEOUT_MS = 300_000;

const TABLE = /\| weights +\|[\s\S]*?\n(?=\n)/;

describe('docs/weights.md', () => {
  it(
    'says what each format of weights costs on the eval set of the shipped model',
    async () => {
      const measured = await measureFormats();
      const document = readFileSync(file, 'utf8');
      if (process.env.OCTAVO_WRITE_DOCS === '1') {
        writeFileSync(file, document.replace(TABLE, `${formatTable(measured)}\n`));
      }
      const rows = tableIn(readFileSync(file, 'utf8'), 'weights', 'bytes', 'correct answers', 'perplexity');
      const actual = tableIn(`\n\n${formatTable(measured)}\n`, 'weights');
      expect(rows.map(([weights]) => weights)).toEqual(formats.map((name) => `\`${name}\``));
      expect(rows.map(([, bytes]) => bytes)).toEqual(actual.map(([, bytes]) => bytes));
      measured.forEach(({ correctAnswers, perplexity }, at) => {
        const [, , answers = '', documented = ''] = rows[at] ?? [];
        // Processors round the integer products of packed weights differently: an answer may tip over.
        expect(Math.abs(Number.parseInt(answers, 10) - correctAnswers)).toBeLessThanOrEqual(at === 0 ? 0 : 2);
        expect(Math.abs(Number(documented) / perplexity - 1)).toBeLessThan(at === 0 ? 1e-3 : 5e-3);
      });
    },
    TIMEOUT_MS,
  );
});
