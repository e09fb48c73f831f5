/**
 * A process that opens one model, generates once, says what that took as one line of JSON, and ends. Times and memory of opening are those of
 * a process: whatever was opened in it before would be in them. Run by `openOnce`.
 */
import { readFileSync } from 'node:fs';
import { type EngineOptions, openEngine } from 'octavo';

/** What the process is started with, as JSON in its first argument. */
export interface OpenRequest {
  readonly model: string;
  readonly options: EngineOptions;
  readonly prompt: readonly number[];
  readonly maxTokens: number;
}

export interface Opened {
  /** From the call of `openEngine` until the engine is open. */
  readonly openMs: number;
  /** From the start of the process until the answer is there. */
  readonly answerMs: number;
  /** Most memory that was resident at once; undefined where the system does not say. */
  readonly peakBytes: number | undefined;
  /** Resident when the answer is there, and what the engine announces. */
  readonly residentBytes: number;
  readonly expectedBytes: number;
  readonly ids: readonly number[];
}

const { model, options, prompt, maxTokens } = JSON.parse(process.argv[2] ?? '') as OpenRequest;
const began = performance.now();
const engine = await openEngine(model, options);
const openMs = performance.now() - began;
const { ids } = await engine.generate({ ids: prompt, maxTokens, ignoreEos: true }).result();
const answerMs = performance.now();
const residentBytes = process.memoryUsage.rss();
const { expectedBytes } = engine.info;
const opened: Opened = { openMs, answerMs, peakBytes: readPeak(), residentBytes, expectedBytes, ids };
await engine.close();
process.stdout.write(`${JSON.stringify(opened)}\n`);

/** The kernel's high-water mark of this process. */
function readPeak(): number | undefined {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}
