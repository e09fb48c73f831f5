/** `octavo pull`: the files of a model from the hub into its cache. */
import { ModelsError, type ResolvedModel } from '@octavo/models';
import type { Command } from 'commander';
import { counted } from '../counted.ts';
import type { CommandContext } from './context.ts';
import { addFileOptions, findModel, type ModelFlags } from './model.ts';
import { defined } from './options.ts';
import { formatBytes } from './output.ts';

interface PullFlags extends Omit<ModelFlags, 'model'> {
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  octavo pull HuggingFaceTB/SmolLM2-135M-Instruct
  octavo pull onnx-community/Qwen2.5-0.5B-Instruct --file model_q4.onnx
  octavo pull org/name@v1.0 --json

Environment:
  HF_HOME, HF_HUB_CACHE   where the cache is
  HF_ENDPOINT             another hub
  HF_TOKEN, HF_TOKEN_PATH who asks, for private and gated models
  HF_HUB_OFFLINE=1        no requests: only what the cache has
`;

export function addPull(program: Command, context: CommandContext): void {
  const command = program
    .command('pull')
    .description('fetch a model from the hub into its cache')
    .argument('<model>', 'ORG/NAME[@REV]')
    .addHelpText('after', EXAMPLES);
  addFileOptions(command)
    .option('--json', 'print one JSON object')
    .action((model: string, flags: PullFlags) => pull(model, flags, context));
}

async function pull(model: string, flags: PullFlags, context: CommandContext): Promise<void> {
  const { output, interrupt } = context;
  const reader = flags.json === true ? 'program' : 'person';
  const found = await findModel({ ...flags, model }, context, { reader, freshness: 'newest' }).catch(
    (error: unknown) => {
      if (interrupt.signal.aborted)
        output.note('interrupted: what arrived is kept, the same command goes on from there');
      throw error;
    },
  );
  const { hub } = found;
  if (hub === undefined) {
    throw new ModelsError(
      'MODEL_OPTION_INVALID',
      `${model} is on this machine already; give it to a command as it is.`,
    );
  }
  const bytes = hub.files.reduce((sum, file) => sum + file.bytes, 0);
  if (flags.json === true) {
    output.json({ ...hub, folder: found.folder, ...defined({ onnxFile: found.onnxFile }), bytes });
  } else {
    output.note(describePull(hub, bytes));
    output.line(found.onnxFile ?? found.folder);
  }
}

/** One line for a person. Pure. */
function describePull(hub: NonNullable<ResolvedModel['hub']>, bytes: number): string {
  const { name, commit, files, downloadedBytes } = hub;
  const fetched = downloadedBytes === 0 ? 'everything was there' : `${formatBytes(downloadedBytes)} fetched`;
  return `${name} at ${commit.slice(0, 12)}: ${counted(files.length, 'file')}, ${formatBytes(bytes)}; ${fetched}`;
}
