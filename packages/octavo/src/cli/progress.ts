/** Progress of long work: a bar on a terminal, plain lines elsewhere, nothing when a program reads. */
import { Presets, SingleBar } from 'cli-progress';
import type { OutputStream } from './output.ts';

export interface Progress {
  /** Without a total only a count is shown. */
  start(label: string, total?: number): void;
  advance(): void;
  /** Leaves the terminal as it was; harmless when nothing was started. */
  stop(): void;
}

export function createProgress(stderr: OutputStream, kind: 'bar' | 'lines' | 'silent'): Progress {
  if (kind === 'silent') return { start() {}, advance() {}, stop() {} };
  return kind === 'bar' ? barProgress(stderr) : lineProgress(stderr);
}

/** A bar for a person at a terminal; else lines, unless a program reads the result. */
export function progressKind(stderr: OutputStream, reader: 'person' | 'program'): 'bar' | 'lines' | 'silent' {
  if (stderr.isTTY === true) return 'bar';
  return reader === 'person' ? 'lines' : 'silent';
}

function barProgress(stderr: OutputStream): Progress {
  let bar: SingleBar | undefined;
  return {
    start(label, total) {
      const format = total === undefined ? '{label} {value}' : '{label} {bar} {value}/{total}';
      bar = new SingleBar({ stream: stderr, format, hideCursor: true, barsize: 30 }, Presets.shades_classic);
      bar.start(total ?? Number.MAX_SAFE_INTEGER, 0, { label });
    },
    advance: () => bar?.increment(),
    stop: () => bar?.stop(),
  };
}

/** A line for each third, so that a log of a run stays short. */
const LINES = 3;

function lineProgress(stderr: OutputStream): Progress {
  let label = '';
  let total = 0;
  let done = 0;
  return {
    start(nextLabel, nextTotal = 0) {
      label = nextLabel;
      total = nextTotal;
      done = 0;
    },
    advance() {
      const before = Math.floor((done * LINES) / total);
      done++;
      if (Math.floor((done * LINES) / total) > before) stderr.write(`${label} ${done}/${total}\n`);
    },
    stop() {},
  };
}
