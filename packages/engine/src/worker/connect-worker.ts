/**
 * An engine host in a worker thread. The thread ends by itself after its last message; it is never terminated, since ending a thread
 * while the runtime runs in it aborts the whole process.
 */
import { Worker } from 'node:worker_threads';
import type { ModelSource } from '@octavo/graph';
import type { EngineConfig } from '../engine-config.ts';
import { EngineError } from '../errors.ts';
import type { HostMessage } from '../protocol.ts';
import { type Connect, isLast } from '../transport.ts';

/** What the worker is started with. */
export interface WorkerStart {
  readonly model: ModelSource;
  readonly config: EngineConfig;
}

// Threads need built files. Sources are run only by tests, which build first.
const fromSources = import.meta.url.endsWith('.ts');
const builtEntry = new URL(fromSources ? '../../dist/worker-entry.js' : './worker-entry.js', import.meta.url);

/** `entry` is the thread's first file; tests pass others. */
export function connectWorker(start: WorkerStart, entry: URL = builtEntry): Connect {
  return (listener) => {
    // Not the flags of this process: `--input-type` would end the thread at once, and loaders or conditions of a test runner would make
    // the built files resolve their siblings to sources.
    const worker = new Worker(entry, { workerData: start, execArgv: [] });
    let said = false;
    let failure: unknown;
    worker.on('message', (message: HostMessage) => {
      said ||= isLast(message);
      listener.receive(message);
    });
    worker.on('error', (error) => {
      failure = error;
    });
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', (exitCode) => {
        if (!said) listener.died(workerDied(exitCode, failure));
        resolve();
      });
    });
    return { send: (message) => worker.postMessage(message), ended };
  };
}

function workerDied(exitCode: number, cause: unknown): EngineError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new EngineError(
    'WORKER_DIED',
    `The engine's thread ended unexpectedly with status ${exitCode}${reason}. Open another engine.`,
    {
      details: { exitCode },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
