/** The two doors to an engine: a model folder, or an executor of the caller's own. */
import type { Engine, EngineOptions } from './api.ts';
import { openClient } from './client.ts';
import { engineConfig } from './engine-config.ts';
import { assembleEngine, type ModelParts } from './engine-parts.ts';
import { EngineError } from './errors.ts';
import { startHost } from './start-host.ts';
import { connectInThread } from './transport.ts';
import { connectWorker } from './worker/connect-worker.ts';

/**
 * Opens the model of a folder (Hugging Face layout), in a worker thread unless told otherwise. Effects: may write a compiled graph below
 * the cache folder; starts a thread that ends with `close()`. Rejects with an `EngineError`: codes of this package for the options and
 * the runtime, those of `@octavo/graph` and `@octavo/text` for the folder.
 */
export async function openEngine(model: string, options: EngineOptions = {}): Promise<Engine> {
  if (typeof model !== 'string' || model === '') {
    throw new EngineError('INVALID_OPTION', 'The model is no path: give the folder of a model.', {
      details: { option: 'model' },
    });
  }
  const config = engineConfig(options);
  if (options.mode !== 'in-thread') return openClient(connectWorker({ model, config }), options.onProgress);
  const start = startHost(async (onProgress) => {
    // Not at the head of the file: with a worker, this thread must not load the runtime as well.
    const { openModel } = await import('./open-model.ts');
    return openModel({ model, config, onProgress });
  });
  return openClient(connectInThread(start), options.onProgress);
}

/** Options of an engine over somebody's own runner; what concerns model folders and threads has no meaning there. */
export type OwnRunnerOptions = Omit<EngineOptions, 'mode' | 'weights' | 'threads' | 'cacheFolder' | 'onProgress'>;

/**
 * An engine over an executor of the caller's own (or `FakeRunner`), in the caller's thread: functions cannot be sent to another one.
 * An open engine owns the runner: `close()` disposes it. Rejects with an `EngineError`; the
 * runner is then still the caller's.
 */
export async function openEngineWith(model: ModelParts, options: OwnRunnerOptions = {}): Promise<Engine> {
  const config = engineConfig(options);
  return openClient(connectInThread(startHost(() => assembleEngine(model, config))));
}
