import { describe, expect, it } from 'vitest';
import { codesInDocument, codesInSources } from './error-codes.ts';
import { readSources, readText } from './workspace-files.ts';

const at = (path: string, text: string) => [{ path, text }];

describe('docs/errors.md', () => {
  const declared = codesInSources(readSources());

  it('is about the codes of every package that throws', () => {
    for (const name of ['kv', 'scheduler', 'text', 'graph', 'models', 'engine', 'octavo']) {
      expect(declared.filter((code) => code.endsWith(`(${name})`)).length).toBeGreaterThan(0);
    }
  });

  it('has every code of the sources once, and no other', () => {
    expect(new Set(declared).size).toBe(declared.length);
    expect(codesInDocument(readText('docs/errors.md'))).toEqual(declared);
  });
});

describe('codesInSources', () => {
  it('reads unions and lists, and nothing else that looks like a code', () => {
    const union = "export type KvErrorCode =\n  /** 'NOT_ONE' */\n  | 'ONE'\n  | 'TWO';\nconst other = 'ENOENT';";
    const list =
      "export const ENGINE_ERROR_CODES = ['THREE'] as const;\nexport type EngineErrorCode = (typeof ENGINE_ERROR_CODES)[number];";
    const files = [...at('packages/kv/src/errors.ts', union), ...at('packages/engine/src/errors.ts', list)];
    expect(codesInSources([...files, ...at('packages/kv/src/a.ts', union)])).toEqual([
      'ONE (kv)',
      'THREE (engine)',
      'TWO (kv)',
    ]);
  });

  it('refuses a file whose codes it cannot find', () => {
    expect(() => codesInSources(at('packages/kv/src/errors.ts', 'export class KvError {}'))).toThrow(
      'declares no type',
    );
  });
});

describe('codesInDocument', () => {
  it('reads the rows of tables and nothing else', () => {
    const text =
      'See `KV_ONE`.\n\n| code | package | meaning | what to do |\n|---|---|---|---|\n| `ONE` | kv | a | b |\n';
    expect(codesInDocument(text)).toEqual(['ONE (kv)']);
  });

  it('refuses a row that says nothing', () => {
    expect(() => codesInDocument('| `ONE` | kv | a | |\n')).toThrow('4 filled cells');
  });
});
