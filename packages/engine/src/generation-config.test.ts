import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './engine.testing.ts';
import { defaultPages } from './engine-parts.ts';
import { readDefaultMaxTokens } from './generation-config.ts';

async function defaultFor(fields: string | undefined, promptTokens: number): Promise<number> {
  const folder = temporaryFolder();
  if (fields !== undefined) writeFileSync(join(folder, 'generation_config.json'), fields);
  return (await readDefaultMaxTokens(folder))(promptTokens);
}

describe('the default length of a completion', () => {
  it('is max_new_tokens, else what max_length leaves, else 256', async () => {
    expect(await defaultFor('{"max_new_tokens": 64, "max_length": 20}', 30)).toBe(64);
    expect(await defaultFor('{"max_length": 100}', 30)).toBe(70);
    expect(await defaultFor('{"max_length": 20}', 30)).toBe(1);
    expect(await defaultFor('{}', 30)).toBe(256);
  });

  it('is 256 without a file, and when the file says nothing of use', async () => {
    expect(await defaultFor(undefined, 30)).toBe(256);
    expect(await defaultFor('{"max_new_tokens": null, "max_length": -1}', 30)).toBe(256);
    expect(await defaultFor('[', 30)).toBe(256);
    expect(await defaultFor('null', 30)).toBe(256);
  });
});

describe('the default number of pages', () => {
  it('holds every sequence with its whole context, and the null page', () => {
    expect(defaultPages({ contextTokens: 100, pageSize: 16, maxSequences: 3 }, 1024)).toBe(3 * 7 + 1);
  });

  it('takes at most 1 GiB', () => {
    const pages = defaultPages({ contextTokens: 131_072, pageSize: 16, maxSequences: 16 }, 46_080);
    expect(pages).toBe(1456);
    expect(pages * 16 * 46_080).toBeLessThanOrEqual(2 ** 30);
    expect(defaultPages({ contextTokens: 8, pageSize: 2 ** 20, maxSequences: 1 }, 2 ** 20)).toBe(2);
  });
});
