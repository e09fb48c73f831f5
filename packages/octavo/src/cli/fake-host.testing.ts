/** A terminal or a pipe made of strings, to run command lines in a test. */
import { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { FakeEngine, type FakeLog, type FakeOptions, newFakeLog } from './fake-engine.testing.ts';
import { type Host, main } from './main.ts';

export interface HostOptions extends FakeOptions {
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  /** All three streams are a terminal. */
  readonly isTTY?: boolean;
}

export interface FakeHost {
  readonly host: Host;
  readonly log: FakeLog;
  /** Everything written to standard output, and to standard error. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly signals: EventEmitter;
  /** Runs one command line; resolves with its exit status. */
  readonly run: (...argv: string[]) => Promise<number>;
}

export function fakeHost(options: HostOptions = {}): FakeHost {
  const log = newFakeLog();
  const signals = new EventEmitter();
  const stdout = capture(options.isTTY === true);
  const stderr = capture(options.isTTY === true);
  const stdin = Object.assign(new PassThrough(), { isTTY: options.isTTY === true });
  stdin.end(options.stdin ?? '');
  const host: Host = {
    env: options.env ?? { OCTAVO_CACHE: '/nowhere' },
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    signals,
    // Whatever a model is called is its folder here.
    async resolveModel(model, resolveOptions = {}) {
      log.resolved.push({ model, options: resolveOptions });
      return { folder: model, source: 'folder' };
    },
    async openEngine(model, engineOptions = {}) {
      log.opened.push({ model: model.folder, options: engineOptions });
      return new FakeEngine(engineOptions, options, log);
    },
  };
  return { host, log, stdout: stdout.text, stderr: stderr.text, signals, run: (...argv) => main(argv, host) };
}

function capture(isTTY: boolean): { stream: PassThrough & { isTTY?: boolean }; text: () => string } {
  const chunks: string[] = [];
  const stream = Object.assign(new PassThrough(), { isTTY });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  return { stream, text: () => chunks.join('') };
}

/** A fresh folder with these files; returns its path. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-test-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** The values of a file of JSON lines. */
export function readJsonLines<Value>(path: string): readonly Value[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Value);
}
