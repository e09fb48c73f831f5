import { writeFileSync } from 'node:fs';
import { architectureNames } from '@octavo/graph';
import { describe, expect, it } from 'vitest';
import { readText } from '../arch/workspace-files.ts';
import { modelRows, modelTable } from '../models/model-rows.ts';

const FILE = new URL('../../docs/models.md', import.meta.url);
const BEGIN = '<!-- table: made by test/docs/models.test.ts -->';
const END = '<!-- end of table -->';

describe('docs/models.md', () => {
  it('has the table of what the tests run (OCTAVO_WRITE_DOCS=1 writes it)', () => {
    const text = readText('docs/models.md');
    const begin = text.indexOf(BEGIN) + BEGIN.length;
    const end = text.indexOf(END);
    expect(end).toBeGreaterThan(begin);
    const made = `${text.slice(0, begin)}\n\n${modelTable()}\n\n${text.slice(end)}`;
    if (process.env.OCTAVO_WRITE_DOCS === '1') writeFileSync(FILE, made);
    else expect(text).toBe(made);
  });

  it('has a row for every architecture that can be compiled', () => {
    const listed = new Set(modelRows().map(({ architecture }) => architecture));
    expect(architectureNames.length).toBeGreaterThan(10);
    expect(architectureNames.filter((name) => !listed.has(name))).toEqual([]);
  });
});
