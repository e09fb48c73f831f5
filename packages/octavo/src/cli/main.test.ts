import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shippedModel } from '../shipped-model.ts';
import { engineError } from './fake-engine.testing.ts';
import { fakeHost, folderWith } from './fake-host.testing.ts';
import { main } from './main.ts';

const missingFile = join(folderWith({}), 'none.jsonl');

describe('main', () => {
  it('prints help, for all commands and for one, to standard output', async () => {
    for (const argv of [[], ['--help'], ['help'], ['help', 'batch'], ['generate', '--help']]) {
      const { run, stdout, stderr } = fakeHost();
      expect(await run(...argv)).toBe(0);
      expect(stdout()).toContain('Examples:');
      expect(stderr()).toBe('');
    }
  });

  it('prints the version of the package', async () => {
    const { run, stdout } = fakeHost();
    expect(await run('--version')).toBe(0);
    expect(stdout()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    ['UNKNOWN_COMMAND', ['sing']],
    ['UNKNOWN_OPTION', ['--jason']],
    ['UNKNOWN_OPTION', ['generate', '--prompt', 'x', '--promt', 'y']],
    ['UNEXPECTED_ARGUMENT', ['generate', '--prompt', 'x', 'y']],
    ['MISSING_ARGUMENT', ['batch', '--out', 'x']],
    ['MISSING_OPTION', ['batch', 'requests.jsonl']],
    ['MISSING_OPTION', ['generate']],
    ['CONFLICTING_OPTIONS', ['generate', '--prompt', 'x', '--ids', '1']],
    ['CONFLICTING_OPTIONS', ['score', '--text', 'x', '--ids', '1']],
    ['CONFLICTING_OPTIONS', ['batch', 'r', '--out', 'o', '--no-sharing', '--no-kv-cache']],
    ['CONFLICTING_OPTIONS', ['chat', '--system', 'x', '--product', 'p001']],
    ['UNKNOWN_PRODUCT', ['chat', '--product', 'p999']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--max-tokens', '0']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--max-tokens', '-3']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--max-tokens', '1.5']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--max-tokens', '']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--temperature', 'NaN']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--temperature', '-1']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--top-p', '1.1']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--weights', 'q5']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--pages', '1']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--kv-type', 'int4']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--memory', '2XB']],
    ['INVALID_OPTION', ['generate', '--prompt', 'x', '--memory', '0GB']],
    ['CONFLICTING_OPTIONS', ['generate', '--prompt', 'x', '--memory', '2GB', '--pages', '9']],
    ['INVALID_OPTION', ['generate', '--prompt']],
    ['INVALID_OPTION', ['generate', '--ids', '1,two']],
    ['INVALID_OPTION', ['batch', 'r', '--out', 'o', '--concurrency', '0']],
    ['MISSING_FILE', ['batch', missingFile, '--out', 'o']],
    ['UNREADABLE_FILE', ['batch', shippedModel(), '--out', 'o']],
    ['UNWRITABLE_FILE', ['batch', join(shippedModel(), 'eval.jsonl'), '--out', join(missingFile, 'o')]],
    ['CONFLICTING_OPTIONS', ['batch', join(shippedModel(), 'eval.jsonl'), '--out', join(shippedModel(), 'eval.jsonl')]],
  ])('refuses with %s in one sentence: %j', async (code, argv) => {
    const { run, stdout, stderr, log } = fakeHost();
    expect(await run(...argv)).toBe(2);
    expect(stderr()).toMatch(new RegExp(`^octavo: ${code}: [^\n]+\\.\n$`));
    expect(stdout()).toBe('');
    expect(log.opened).toEqual([]);
  });

  it('tells a typed error of the engine with its code, and closes the engine', async () => {
    const { run, stderr, log } = fakeHost();
    expect(await run('generate', '--prompt', '')).toBe(2);
    expect(stderr()).toBe('octavo: EMPTY_PROMPT: The prompt has no tokens: give at least one.\n');
    expect(log.closed).toBe(1);
  });

  it('exits with 1 after a failure that no other input would have avoided', async () => {
    for (const [error, line] of [
      [engineError('WORKER_DIED', 'The worker ended.'), 'octavo: WORKER_DIED: The worker ended.\n'],
      [new Error('boom\n    at x'), 'octavo: INTERNAL: boom at x (OCTAVO_DEBUG=1 shows where)\n'],
    ] as const) {
      const { host, stderr } = fakeHost();
      const failing = { ...host, openEngine: () => Promise.reject(error) };
      expect(await main(['score', '--ids', '1'], failing)).toBe(1);
      expect(stderr()).toBe(line);
    }
  });

  it('passes trims of the model on', async () => {
    const { run, log } = fakeHost();
    await run('score', '--ids', '1', '--drop-layers', '1', '--kv-heads', '1', '--kv-heads-by', 'first');
    await run('score', '--ids', '1', '--window-tokens', '64');
    expect(log.opened.map(({ options }) => options.trims)).toEqual([
      { dropLayers: 1, kvHeads: 1, kvHeadsBy: 'first' },
      { windowTokens: 64 },
    ]);
  });

  it('reads a memory with its unit as bytes', async () => {
    const { run, log } = fakeHost();
    for (const size of ['2GB', '1.5GiB', '300 mb', '4096']) await run('score', '--ids', '1', '--memory', size);
    expect(log.opened.map(({ options }) => options.memory)).toEqual([2e9, 1.5 * 2 ** 30, 3e8, 4096]);
  });

  it('shows the stack only with OCTAVO_DEBUG=1', async () => {
    const { run, stderr } = fakeHost({ env: { OCTAVO_DEBUG: '1', OCTAVO_CACHE: '/nowhere' } });
    expect(await run('generate', '--prompt', '')).toBe(2);
    expect(stderr()).toMatch(/^octavo: EMPTY_PROMPT: .*\nEngineError: .*\n +at /);
  });

  it('reads the cache folder from the environment, unless an option names one', async () => {
    const { run, log } = fakeHost({ env: { OCTAVO_CACHE: '/somewhere' } });
    await run('score', '--ids', '1');
    await run('score', '--ids', '1', '--cache-folder', '/elsewhere');
    expect(log.opened.map(({ options }) => options.cacheFolder)).toEqual(['/somewhere', '/elsewhere']);
    expect(await fakeHost({ env: {} }).run('score', '--ids', '1')).toBe(2);
  });

  it('passes the options of the engine on, and none that was not given', async () => {
    const cacheFolder = '/somewhere';
    const { run, log } = fakeHost({ env: { OCTAVO_CACHE: cacheFolder } });
    const flags = [
      '--pages',
      '9',
      '--page-size',
      '4',
      '--threads',
      '1',
      '--max-sequences',
      '3',
      '--context-tokens',
      '64',
      '--commit-memory',
      'open',
    ];
    await run('score', '--ids', '1', '--model', 'm', '--weights', 'q4', ...flags);
    await run('score', '--ids', '1');
    expect(log.opened).toEqual([
      {
        model: 'm',
        options: {
          weights: 'q4',
          pages: 9,
          pageSize: 4,
          threads: 1,
          maxSequences: 3,
          contextTokens: 64,
          commitMemory: 'open',
          cacheFolder,
        },
      },
      { model: shippedModel(), options: { cacheFolder } },
    ]);
  });
});
