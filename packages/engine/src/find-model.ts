/** From what a caller calls a model to its files, in the caller's thread: waiting for a network keeps no event loop busy. */
import type { ModelSource } from '@octavo/graph';
import { hubSettings, resolveModel } from '@octavo/models';
import type { EngineOptions, OpenProgress } from './api.ts';
import { EngineError } from './errors.ts';
import { fromWireError, toWireError } from './wire-error.ts';

/** Throws `EngineError` with the codes of `@octavo/models`; rejects with the signal's reason when it fires. */
export async function findModel(model: string | ModelSource, options: EngineOptions): Promise<ModelSource> {
  const { file, revision, signal } = options;
  signal?.throwIfAborted();
  if (typeof model !== 'string') {
    if (file === undefined && revision === undefined) return model;
    throw new EngineError(
      'INVALID_OPTION',
      'file and revision choose among the files of a named model: leave them away.',
    );
  }
  try {
    const { folder, onnxFile } = await resolveModel(model, {
      hub: options.hub ?? hubSettings(process.env),
      ...(file === undefined ? {} : { file }),
      ...(revision === undefined ? {} : { revision }),
      ...(signal === undefined ? {} : { signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: inAll(options.onProgress) }),
    });
    return { folder, ...(onnxFile === undefined ? {} : { onnxFile }) };
  } catch (error) {
    signal?.throwIfAborted();
    throw fromWireError(toWireError(error, 'OPEN_FAILED'));
  }
}

interface FileProgress {
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
}

/** Adds the files of a download up. */
function inAll(onProgress: (progress: OpenProgress) => void): (progress: FileProgress) => void {
  const files = new Map<string, FileProgress>();
  return (progress) => {
    files.set(progress.file, progress);
    let loaded = 0;
    let total = 0;
    for (const file of files.values()) {
      loaded += file.loaded;
      total += file.total;
    }
    onProgress({ status: 'download', loaded, total });
  };
}
