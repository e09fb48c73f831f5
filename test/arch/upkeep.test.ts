import { describe, expect, it } from 'vitest';
import { checkLines, checkSuppressions, MOST_LINES, suppressionsIn } from './upkeep-rules.ts';
import { readSources } from './workspace-files.ts';

/** Files that may be longer than others: path -> why. */
const longFiles: Readonly<Record<string, string>> = {};

/** How many suppressions there are; a new one is a decision, so it changes this number too. */
const SUPPRESSIONS = 0;

const at = (path: string, text: string) => [{ path, text }];

describe('the sources', () => {
  const files = readSources();

  it(`have at most ${MOST_LINES} lines`, () => {
    expect(files.length).toBeGreaterThan(100);
    expect(checkLines(files, longFiles)).toEqual([]);
  });

  it('switch no check off without a reason', () => {
    expect(checkSuppressions(files)).toEqual([]);
  });

  it('switch no more checks off than are counted here', () => {
    expect(suppressionsIn(files)).toHaveLength(SUPPRESSIONS);
  });
});

describe('checkLines', () => {
  const long = at('packages/kv/src/a.ts', 'a;\n'.repeat(MOST_LINES + 1));

  it('complains about a file that is too long, unless it is listed with a reason', () => {
    expect(checkLines(long, {})).toEqual([expect.stringContaining('packages/kv/src/a.ts: 301 lines')]);
    expect(checkLines(long, { 'packages/kv/src/a.ts': 'a table' })).toEqual([]);
    expect(checkLines(long, { 'packages/kv/src/a.ts': '' })).toHaveLength(1);
    expect(checkLines(at('packages/kv/src/a.ts', 'a;\n'.repeat(MOST_LINES)), {})).toEqual([]);
  });

  it('complains about a listed file that is not too long, or gone', () => {
    const stale = { 'packages/kv/src/b.ts': 'a table', 'packages/kv/src/gone.ts': 'a table' };
    expect(checkLines(at('packages/kv/src/b.ts', 'b;\n'), stale)).toHaveLength(2);
  });
});

describe('checkSuppressions', () => {
  const check = (line: string) => checkSuppressions(at('packages/kv/src/a.ts', `${line}\nconst a = 1;`));

  it.each([
    '// @ts-ignore the types of the library are wrong',
    '// @ts-nocheck',
    '/* eslint-disable */',
    '// @ts-expect-error',
    '// @ts-expect-error todo',
    '// biome-ignore lint/suspicious/noExplicitAny:',
    '// biome-ignore lint/suspicious/noExplicitAny: <explanation>',
  ])('complains about %s', (line) => {
    expect(check(line)).toEqual([expect.stringMatching(/^packages\/kv\/src\/a\.ts:1: /)]);
  });

  it.each([
    '// @ts-expect-error the declarations of the library lack this overload',
    '// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed',
    "const text = '// @ts-ignore';",
    '/** Says what @ts-ignore is. */',
  ])('has nothing against %s', (line) => {
    expect(check(line)).toEqual([]);
  });

  it('counts those with a reason', () => {
    const files = at(
      'packages/kv/src/a.ts',
      '// @ts-expect-error a reason here\na;\n/* biome-ignore lint/a/b: another reason */\nb;',
    );
    expect(suppressionsIn(files)).toEqual([
      { where: 'packages/kv/src/a.ts:1', reason: 'a reason here' },
      { where: 'packages/kv/src/a.ts:3', reason: 'another reason' },
    ]);
  });
});
