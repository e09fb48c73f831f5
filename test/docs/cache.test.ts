/** docs/cache.md against what its snippets print. */
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import * as octavo from 'octavo';
import { afterEach, describe, expect, it, vi } from 'vitest';

const document = readFileSync(new URL('../../docs/cache.md', import.meta.url), 'utf8');

/** Snippets and what is shown below them, in order. */
function blocks(): readonly { readonly language: string; readonly code: string }[] {
  return [...document.matchAll(/^```(ts|text)\n(.*?)^```$/gms)].map(([, language, code]) => ({
    language: language as string,
    code: code as string,
  }));
}

/** The library's door, with an engine in this thread: tests run from sources, and a worker needs built ones. */
const door = {
  ...octavo,
  openEngine: (model: string, options: octavo.EngineOptions) =>
    octavo.openEngine(model, { mode: 'in-thread', ...options }),
};

/**
 * The clock of the program: it stands still but for its own waiting, so that what is about times prints the same on a machine that is busy.
 */
function standStill(): { readonly setTimeout: (work: () => void, ms: number) => void } {
  let nowMs = 1_000;
  vi.spyOn(process, 'hrtime').mockImplementation(() => [Math.floor(nowMs / 1e3), (nowMs % 1e3) * 1e6]);
  return {
    setTimeout: (work, ms) => {
      nowMs += ms;
      setImmediate(work);
    },
  };
}
afterEach(() => {
  vi.restoreAllMocks();
});

type Program = (
  door: object,
  console: object,
  mark: () => void,
  setTimeout: (work: () => void, ms: number) => void,
) => Promise<void>;

/** All snippets as one program; `mark` is called after each. They are plain JavaScript but for how they import. */
function program(snippets: readonly string[]): Program {
  const source = snippets
    .join('\nmark();\n')
    .replaceAll(/^import (\{[^}]+\}) from 'octavo';$/gm, 'const $1 = door;')
    .replaceAll(/^import (\{[^}]+\}) from '(node:\w+)';$/gm, "const $1 = process.getBuiltinModule('$2');");
  const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => Program;
  return new AsyncFunction('door', 'console', 'mark', 'setTimeout', `${source}\nmark();`);
}

describe('docs/cache.md', () => {
  it('shows what its snippets print', async () => {
    const all = blocks();
    const snippets = all.filter(({ language }) => language === 'ts').map(({ code }) => code);
    expect(snippets.length).toBeGreaterThan(2);
    const printed: string[] = [''];
    const log = (...values: readonly unknown[]) => {
      const words = values.map((value) => (typeof value === 'string' ? value : inspect(value, { breakLength: 120 })));
      printed[printed.length - 1] += `${words.join(' ')}\n`;
    };
    await program(snippets)(door, { log }, () => printed.push(''), standStill().setTimeout);
    const shown = all.flatMap(({ language }, index) =>
      language === 'ts' ? [all[index + 1]?.language === 'text' ? (all[index + 1]?.code as string) : ''] : [],
    );
    expect(printed.slice(0, snippets.length)).toEqual(shown);
  });
});
