/** The one door: from whatever a person calls a model to its files. */
import { ModelsError } from './errors.ts';
import { chosenRevision, parseModelName } from './hub/model-name.ts';
import { resolveHubModel } from './hub/resolve-hub-model.ts';
import { findLocalModel } from './local/local-model.ts';
import type { ResolvedModel, ResolveOptions } from './resolved-model.ts';

const optionNames: readonly string[] = ['file', 'revision', 'hub', 'freshness', 'onProgress', 'signal'];

/**
 * Finds a model's files: a folder in Hugging Face layout or with ONNX graphs, an `.onnx` file, or `ORG/NAME[@REV]` on the hub, whose files are
 * then in its cache. A path that exists always wins over a name on the hub. Effects: only for the hub, requests and files in its
 * cache. Throws ModelsError; rejects with the signal's reason when it fires.
 */
export async function resolveModel(argument: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  checkOptions(options);
  options.signal?.throwIfAborted();
  const local = argument === '' ? undefined : await findLocalModel(argument, options.file);
  if (local !== undefined) {
    if (options.revision === undefined) return local;
    const message = `${argument} is on this machine and has no revisions; leave the revision away.`;
    throw new ModelsError('MODEL_OPTION_INVALID', message);
  }
  const named = parseModelName(argument);
  if (named === undefined || options.hub === undefined) throw unknownModel(argument);
  const revision = chosenRevision(named, options.revision);
  return resolveHubModel({ name: named.name, revision }, { ...options, hub: options.hub });
}

function checkOptions(options: ResolveOptions): void {
  const unknown = Object.keys(options).find((key) => !optionNames.includes(key));
  if (unknown !== undefined) {
    throw new ModelsError('MODEL_OPTION_INVALID', `The option ${unknown} is unknown; give ${optionNames.join(', ')}.`);
  }
  if (options.file === '') {
    throw new ModelsError('MODEL_OPTION_INVALID', 'The file is empty; give the name of a file, or a pattern with *.');
  }
}

function unknownModel(argument: string): ModelsError {
  return new ModelsError(
    'MODEL_UNKNOWN',
    `${JSON.stringify(argument)} does not exist and is no name on the hub; give a model folder (config.json with safetensors or ONNX files), an .onnx file, or ORG/NAME[@REVISION].`,
  );
}
