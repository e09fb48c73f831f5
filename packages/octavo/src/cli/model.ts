/** The model that a command works on: how it is named, and how its files are found. */
import type { ModelSource } from '@octavo/graph';
import { hubSettings, type ResolvedModel } from '@octavo/models';
import type { Command } from 'commander';
import { shippedModel } from '../shipped-model.ts';
import type { CommandContext } from './context.ts';
import { createDownloadProgress } from './download-progress.ts';
import { defined } from './options.ts';
import { progressKind } from './progress.ts';

/** What the options about the model hold after parsing. */
export interface ModelFlags {
  readonly model?: string;
  readonly file?: string;
  readonly revision?: string;
}

/** Words for every place that takes a model. */
export const MODEL_WORDS = 'folder, .onnx file or ORG/NAME on the hub';

/** Adds `--model` and what chooses among its files. */
export function addModelOptions(command: Command): Command {
  return addFileOptions(command.option('--model <model>', `${MODEL_WORDS} (default: the shipped one)`));
}

/** For commands that take the model as an argument. */
export function addFileOptions(command: Command): Command {
  return command
    .option('--file <pattern>', 'which weights to take where there are several, such as model_q4.onnx')
    .option('--revision <rev>', 'branch, tag or commit of a model on the hub (default: main)');
}

/**
 * Finds the files of the model; fetches them from the hub when they are not in its cache. Progress goes to standard error. Throws
 * ModelsError; rejects with the reason of the interruption.
 */
export async function findModel(
  flags: ModelFlags,
  context: CommandContext,
  options: { readonly reader: 'person' | 'program'; readonly freshness?: 'newest' },
): Promise<ResolvedModel> {
  const { file, revision, model = shippedModel() } = flags;
  const { stderr, env, interrupt } = context;
  const progress = createDownloadProgress(stderr, progressKind(stderr, options.reader));
  try {
    return await context.resolveModel(model, {
      hub: hubSettings(env),
      signal: interrupt.signal,
      onProgress: (news) => progress.onProgress(news),
      ...defined({ file, revision, freshness: options.freshness }),
    });
  } finally {
    progress.stop();
  }
}

/** What an engine is opened with. Pure. */
export function sourceOf({ folder, onnxFile }: ResolvedModel): ModelSource {
  return { folder, ...defined({ onnxFile }) };
}
