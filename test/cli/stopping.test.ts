import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type BatchLine,
  batchFiles,
  ended,
  executable,
  octavo,
  readLines,
  scratch,
  startOctavo,
} from './octavo.testing.ts';

/** Requests that take a while: the shipped model never stops on its own here. */
const slow = Array.from({ length: 64 }, (_, id) => ({ id, ids: [1, 384 + id], maxTokens: 300, ignoreEos: true }));

function countLines(path: string): number {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}

/** Runs a command line in front of a pipe; the status is its own, and not that of who reads. */
async function intoPipe(argv: readonly string[], reader: string): Promise<{ status: number; stderr: string }> {
  const program = [process.execPath, executable, ...argv].map((part) => `'${part}'`).join(' ');
  const env = { ...process.env, OCTAVO_CACHE: join(scratch, 'cache') };
  const child = spawn('sh', ['-c', `(${program}; echo "status $?" >&2) | ${reader}`], { cwd: scratch, env });
  child.stdin.end();
  const { stderr } = await ended(child);
  const [, said = '', status] = /^(.*)status (\d+)\n$/s.exec(stderr) ?? [];
  return { status: Number(status), stderr: said };
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

  it('is quiet when the reader of answers leaves that are written to a pipe', async () => {
    const { requests } = batchFiles(slow);
    const argv = ['batch', requests, '--out', '/dev/stdout', '--concurrency', '4'];
    const { status, stderr } = await intoPipe(argv, 'head -n 1');
    expect({ status, stderr: stderr.replaceAll(/^requests .*\n/gm, '') }).toEqual({ status: 0, stderr: '' });
  });

  it('is quiet when nobody reads what it prints, whatever the command', async () => {
    const prompts = join(scratch, 'pipe-prompts.jsonl');
    writeFileSync(prompts, '{"prompt": "It comes with a"}\n');
    const questions = join(scratch, 'pipe-questions.jsonl');
    writeFileSync(questions, '{"prompt": "It comes with a", "expected": "warranty"}\n');
    const file = join(scratch, 'pipe.cache');
    expect((await octavo(['warm', prompts, '--cache-file', file])).status).toBe(0);
    const tune = ['tune', '--eval', questions, '--weights', 'f32', '--kv-types', 'f32', '--no-trims'];
    for (const argv of [
      ['cache', file],
      ['cache', file, '--json'],
      ['inspect'],
      ['inspect', '--json'],
      [...tune, '--json'],
      [...tune, '--plot', '/dev/stdout'],
      ['warm', '--export', '/dev/stdout', '--cache-file', file],
      ['score', '--text', 'It comes with a'],
      ['--help'],
    ]) {
      const { status, stderr } = await intoPipe(argv, 'true');
      expect({ argv, status, stderr: stderr.replaceAll(/^f32 weights.*\n/gm, '') }).toEqual({
        argv,
        status: 0,
        stderr: '',
      });
    }
  });
});
