/** Progress of files that come from the hub: one bar for all of them on a terminal, a line a file elsewhere. */
import type { ModelProgress } from '@octavo/models';
import { Presets, SingleBar } from 'cli-progress';
import { formatBytes, type OutputStream } from './output.ts';

export interface DownloadProgress {
  onProgress(progress: ModelProgress): void;
  /** Leaves the terminal as it was; harmless when nothing was fetched. */
  stop(): void;
}

export function createDownloadProgress(
  stderr: OutputStream,
  kind: 'bar' | 'lines' | 'silent',
  now: () => number = () => performance.now(),
): DownloadProgress {
  if (kind === 'silent') return { onProgress() {}, stop() {} };
  return kind === 'bar' ? new DownloadBar(stderr, now) : lineProgress(stderr);
}

function lineProgress(stderr: OutputStream): DownloadProgress {
  return {
    onProgress({ status, file, total }) {
      if (status === 'done') stderr.write(`fetched ${file} (${formatBytes(total)})\n`);
    },
    stop() {},
  };
}

/** Sums over all files; the total grows while it becomes known what is needed. */
class DownloadBar implements DownloadProgress {
  readonly #bar: SingleBar;
  readonly #now: () => number;
  readonly #files = new Map<string, ModelProgress>();
  #startedMs: number | undefined;
  /** Bytes that were there before this run: they say nothing of its speed. */
  #earlier = 0;

  constructor(stderr: OutputStream, now: () => number) {
    this.#now = now;
    const format = '{bar} {percentage} % | {size} | {speed}/s | {file}';
    this.#bar = new SingleBar(
      { stream: stderr, format, hideCursor: true, barsize: 24, clearOnComplete: true, stopOnComplete: false },
      Presets.shades_classic,
    );
  }

  onProgress(progress: ModelProgress): void {
    const before = this.#files.get(progress.file);
    if (before?.status === 'initiate' && progress.status === 'progress') this.#earlier += progress.loaded;
    this.#files.set(progress.file, progress);
    let loaded = 0;
    let total = 0;
    for (const file of this.#files.values()) {
      loaded += file.loaded;
      total += file.total;
    }
    const payload = this.#payload(progress.file, loaded, total);
    if (this.#startedMs === undefined) {
      this.#startedMs = this.#now();
      this.#bar.start(Math.max(total, 1), loaded, payload);
    } else {
      this.#bar.setTotal(Math.max(total, 1));
      this.#bar.update(loaded, payload);
    }
  }

  stop(): void {
    if (this.#startedMs !== undefined) this.#bar.stop();
  }

  #payload(file: string, loaded: number, total: number): Readonly<Record<'file' | 'size' | 'speed', string>> {
    const seconds = (this.#now() - (this.#startedMs ?? this.#now())) / 1000;
    const speed = seconds > 0 ? Math.max(0, loaded - this.#earlier) / seconds : 0;
    return { file, size: `${formatBytes(loaded)} of ${formatBytes(total)}`, speed: formatBytes(speed) };
  }
}
