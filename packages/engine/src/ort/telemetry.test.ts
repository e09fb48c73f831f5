/** Processes of their own: the runtime decides once for a process whether it reports. */
import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { shopkeeper, temporaryFolder } from '../engine.testing.ts';

/** A process in which an engine answers with one token, after a command line of so many bytes; `home` is all that it knows of its user. */
function answerIn(mode: 'worker' | 'in-thread', home: string, bytes: number): Promise<{ stdout: string }> {
  const library = new URL('../../dist/index.js', import.meta.url).href;
  const script = `
    const { openEngine } = await import(${JSON.stringify(library)});
    const options = { mode: '${mode}', cacheFolder: ${JSON.stringify(join(home, 'graphs'))} };
    const engine = await openEngine(${JSON.stringify(shopkeeper.folder)}, options);
    const { ids } = await engine.generate({ ids: [1, 5], maxTokens: 1 }).result();
    await engine.close();
    console.log(ids.length);`;
  // A file, not `--eval`: what comes before the long argument matters to the expression of the runtime.
  const file = join(temporaryFolder(), 'answer.mjs');
  writeFileSync(file, script);
  const args = [file, 'word '.repeat(bytes / 5)];
  // Without CI and NODE_ENV, with which the runtime would not report anyway.
  return promisify(execFile)(process.execPath, args, { env: { HOME: home }, timeout: 30_000 });
}

describe.each(['worker', 'in-thread'] as const)('the runtime of an engine (%s)', (mode) => {
  it('reports nothing to its maker: it leaves no identifier and no database with the user', async () => {
    const home = temporaryFolder();
    expect((await answerIn(mode, home, 0)).stdout).toBe('1\n');
    expect(readdirSync(home)).toEqual(['graphs']);
  });

  it('does not mind a command line of 100,000 bytes', async () => {
    expect((await answerIn(mode, temporaryFolder(), 100_000)).stdout).toBe('1\n');
  });
});
