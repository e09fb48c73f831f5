import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type BatchLine, batchFiles, ended, readLines, startOctavo } from './octavo.testing.ts';

/** Requests that take a while: the shipped model never stops on its own here. */
const slow = Array.from({ length: 64 }, (_, id) => ({ id, ids: [1, 384 + id], maxTokens: 300, ignoreEos: true }));

function countLines(path: string): number {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}

describe('stopping early', () => {
  it('keeps whole lines at Ctrl-C during a batch and exits with 130, also when Ctrl-C comes twice', async () => {
    const { requests, out } = batchFiles(slow);
    const child = startOctavo(['batch', requests, '--out', out, '--concurrency', '4', '--json'], { stdin: '' });
    const end = ended(child);
    await expect.poll(() => countLines(out), { timeout: 30_000 }).toBeGreaterThan(0);
    child.kill('SIGINT');
    setTimeout(() => child.kill('SIGINT'), 5);
    const { status, stdout, stderr } = await end;
    expect({ status, stdout }).toEqual({ status: 130, stdout: '' });
    const lines = readLines<BatchLine>(out);
    expect(lines.length).toBeLessThan(64);
    expect(lines.every(({ ids }) => ids.length === 300)).toBe(true);
    expect(stderr).toContain(`interrupted: ${lines.length} answers are in ${out}\n`);
    expect(stderr).not.toMatch(/Error|\n\s+at /);
  });

  it('ends a demo at Ctrl-C', async () => {
    const child = startOctavo(['demo'], { stdin: '' });
    const end = ended(child);
    await new Promise((resolve) => child.stderr.once('data', resolve));
    child.kill('SIGINT');
    const { status, stdout, stderr } = await end;
    expect({ status, stdout }).toEqual({ status: 130, stdout: '' });
    expect(stderr).toBe('sharing off 100/300\n');
  });

  it('ends a chat at Ctrl-C and at SIGTERM', async () => {
    for (const [signal, expected] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const child = startOctavo(['chat']);
      const end = ended(child);
      child.stdin.write('How long is the warranty?\n');
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.kill(signal);
      expect((await end).status).toBe(expected);
    }
  });

  it('is quiet and ends soon when the reader of its output leaves', async () => {
    const child = startOctavo(['generate', '--ids', '1,384', '--max-tokens', '900', '--ignore-eos'], { stdin: '' });
    const end = ended(child);
    child.stdout.once('data', () => child.stdout.destroy());
    const { status, stderr } = await end;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
