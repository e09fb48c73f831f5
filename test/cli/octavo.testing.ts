/** Runs the built command line as a person or a program would: as a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const fromHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const repository = fromHere('../..');
export const llama = fromHere('../fixtures/llama');
export const executable = fromHere('../../packages/octavo/bin/octavo.js');

if (!existsSync(fromHere('../../packages/octavo/dist/cli/main.js'))) {
  throw new Error('These tests run the built command line: build first, as the root script "test" does.');
}

/** How a process ended, and what it said. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly stdin?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A folder that is gone after the tests of this file. */
export const scratch = mkdtempSync(join(tmpdir(), 'octavo-cli-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Starts a command line; its compiled graphs are kept in the scratch folder. */
export function startOctavo(argv: readonly string[], options: StartOptions = {}): ChildProcessWithoutNullStreams {
  const env = { ...process.env, OCTAVO_CACHE: join(scratch, 'cache'), ...options.env };
  const child = spawn(process.execPath, [executable, ...argv], { cwd: options.cwd ?? scratch, env });
  // A child that ended early closes the pipe; what it printed says why.
  child.stdin.on('error', () => {});
  if (options.stdin !== undefined) child.stdin.end(options.stdin);
  return child;
}

/** Resolves when the process has ended and its output is complete. */
export function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      resolve({ status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

export function octavo(argv: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return ended(startOctavo(argv, { stdin: '', ...options }));
}

/** The one JSON value that a command printed. Throws when it failed, with what it said. */
export async function octavoJson<Value>(argv: readonly string[], options: StartOptions = {}): Promise<Value> {
  const { status, stdout, stderr } = await octavo([...argv, '--json'], options);
  if (status !== 0) throw new Error(`octavo ${argv.join(' ')} exited with ${status}: ${stderr}`);
  return JSON.parse(stdout) as Value;
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly cachedFrom: { readonly memory: number; readonly file: number };
  readonly computedTokens: number;
  readonly completionTokens: number;
}

export interface BatchLine {
  readonly id: string | number | null;
  readonly ids: readonly number[];
  readonly text?: string;
  readonly finishReason: string;
  readonly usage: Usage;
  readonly timings: Readonly<Record<'submittedMs' | 'queueMs' | 'ttftMs' | 'totalMs', number>>;
  readonly error?: { readonly code: string; readonly message: string };
}

export interface BatchRun {
  readonly ended: Ended;
  /** In the order in which they were written. */
  readonly lines: readonly BatchLine[];
  readonly byId: ReadonlyMap<BatchLine['id'], BatchLine>;
}

let batches = 0;

/** Files for one batch; the requests are written. */
export function batchFiles(requests: readonly (object | string)[]): {
  readonly requests: string;
  readonly out: string;
} {
  const files = { requests: join(scratch, `requests-${batches}.jsonl`), out: join(scratch, `out-${batches}.jsonl`) };
  batches++;
  writeFileSync(
    files.requests,
    requests.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return files;
}

/** Runs a batch with `--json`. */
export async function octavoBatch(requests: readonly (object | string)[], argv: readonly string[]): Promise<BatchRun> {
  const files = batchFiles(requests);
  const result = await octavo(['batch', files.requests, '--out', files.out, '--json', ...argv]);
  const lines = readLines<BatchLine>(files.out);
  return { ended: result, lines, byId: new Map(lines.map((line) => [line.id, line])) };
}

export function readLines<Line>(path: string): readonly Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

export interface LlamaPrompt {
  readonly ids: readonly number[];
  readonly greedy: readonly number[];
  readonly lastLogits: readonly number[];
  readonly allPositionsArgmax: readonly number[];
}

/** Prompts of the fixture with what the model must answer. */
export const llamaGolden = (JSON.parse(readFileSync(join(llama, 'golden.json'), 'utf8')) as { prompts: LlamaPrompt[] })
  .prompts;
