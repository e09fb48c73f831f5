/** The two doors to an engine: a model's files, or an executor of the caller's own. */
import type { ModelSource } from '@octavo/graph';
import type { Engine, EngineOptions } from './api.ts';
import { openClient } from './client.ts';
import type { ClientDefaults } from './client-state.ts';
import { engineConfig } from './engine-config.ts';
import { assembleEngine, type ModelParts } from './engine-parts.ts';
import { EngineError } from './errors.ts';
import { findModel } from './find-model.ts';
import { disableTelemetry } from './ort/telemetry.ts';
import { startHost } from './start-host.ts';
import { connectInThread } from './transport.ts';
import { resolveTruncation } from './truncation/resolve-truncation.ts';
import { connectWorker } from './worker/connect-worker.ts';

/**
 * Opens a model, in a worker thread unless told otherwise: a folder (Hugging Face layout, or with ONNX graphs), an `.onnx` file,
 * `ORG/NAME[@REV]` on the hub, or files that somebody has found already. Effects: may fetch files into the hub's cache and write a compiled
 * graph below the cache folder; starts a thread that ends with `close()`; keeps the runtime from reporting to its maker, unless
 * `ORT_DISABLE_TELEMETRY` is set already (in a worker thread of the caller's it has to be: only the main thread can set it). Rejects with an `EngineError`: codes of this package for the
 * options and the runtime, those of `@octavo/models`, `@octavo/graph` and `@octavo/text` for the model; or with the reason of `signal`.
 */
export async function openEngine(named: string | ModelSource, options: EngineOptions = {}): Promise<Engine> {
  if (named === '' || (typeof named !== 'string' && typeof named?.folder !== 'string')) {
    throw new EngineError('INVALID_OPTION', 'The model is no path: give a folder, an .onnx file or ORG/NAME.', {
      details: { option: 'model' },
    });
  }
  const config = engineConfig(options);
  const defaults = clientDefaults(options);
  disableTelemetry();
  const model = await findModel(named, options);
  if (options.mode !== 'in-thread') return openClient(connectWorker({ model, config }), defaults);
  const start = startHost(async (onProgress) => {
    // Not at the head of the file: with a worker, this thread must not load the runtime as well.
    const { openModel } = await import('./open-model.ts');
    return openModel({ model, config, onProgress });
  });
  return openClient(connectInThread(start), defaults);
}

/** Options of an engine over somebody's own runner; what concerns model folders and threads has no meaning there. */
export type OwnRunnerOptions = Omit<
  EngineOptions,
  | 'mode'
  | 'weights'
  | 'deterministic'
  | 'threads'
  | 'spinning'
  | 'cacheFolder'
  | 'onProgress'
  | 'file'
  | 'revision'
  | 'hub'
  | 'signal'
>;

/**
 * An engine over an executor of the caller's own (or `FakeRunner`), in the caller's thread: functions cannot be sent to another one.
 * An open engine owns the runner: `close()` disposes it. Rejects with an `EngineError`; the
 * runner is then still the caller's.
 */
export async function openEngineWith(model: ModelParts, options: OwnRunnerOptions = {}): Promise<Engine> {
  const config = engineConfig(options);
  return openClient(connectInThread(startHost(() => assembleEngine(model, config))), clientDefaults(options));
}

/** What stays in the caller's thread: functions. */
function clientDefaults(options: Pick<EngineOptions, 'onProgress' | 'truncation' | 'contextDetector'>): ClientDefaults {
  const { onProgress, truncation, contextDetector } = options;
  const resolved = resolveTruncation('the options of the engine', truncation);
  return {
    ...(onProgress && { onProgress }),
    ...(resolved && { truncation: resolved }),
    ...(contextDetector && { contextDetector }),
  };
}
