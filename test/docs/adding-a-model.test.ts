import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readText } from '../arch/workspace-files.ts';

const text = readText('docs/adding-a-model.md');

describe('docs/adding-a-model.md', () => {
  it('shows code as it stands in the files that it names', () => {
    // ```ts packages/.../file.ts
    const blocks = [...text.matchAll(/```ts (\S+)\n([\s\S]*?)```/g)];
    expect(blocks.length).toBe(3);
    for (const [, file, code] of blocks) expect(readText(file!)).toContain(code!.trimEnd());
  });

  it('names files that exist', () => {
    const paths = [...text.matchAll(/`((?:packages|test|docs)\/[^`*]+)`/g)].map(([, path]) => path!);
    expect(paths.length).toBeGreaterThan(6);
    expect(paths.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)))).toEqual([]);
  });
});
