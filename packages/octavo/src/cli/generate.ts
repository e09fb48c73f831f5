/** `octavo generate`: one prompt, one completion. */
import type { Engine, EngineOptions, GenerateRequest, GenerateResult, SamplingOptions } from '@octavo/engine';
import type { Command } from 'commander';
import { counted } from '../counted.ts';
import type { CommandContext } from './context.ts';
import { addModelOptions, type ModelFlags } from './model.ts';
import {
  addEngineOptions,
  defined,
  type EngineFlags,
  engineOptions,
  idsOption,
  numberOption,
  requireOne,
  wholeOption,
} from './options.ts';
import { roundTimings } from './output.ts';
import { addTruncationOptions, describeDropped, type TruncationFlags, truncationOptions } from './truncation.ts';
import { withEngine } from './with-engine.ts';

interface GenerateFlags
  extends EngineFlags,
    ModelFlags,
    TruncationFlags,
    Pick<SamplingOptions, 'temperature' | 'topK' | 'topP' | 'seed'> {
  readonly prompt?: string;
  readonly ids?: readonly number[];
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly ignoreEos?: true;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  octavo generate --prompt "Set a timer for 10 minutes" --max-tokens 20
  octavo generate --model ./my-model --ids 1,306,318 --ignore-eos --json
  octavo generate --prompt "Once upon a time" --temperature 0.8 --seed 7
`;

export function addGenerate(program: Command, context: CommandContext): void {
  const command = program
    .command('generate')
    .description('continue one prompt')
    .option('--prompt <text>', 'text to continue, taken as it is (no chat template)')
    .addOption(idsOption())
    .addOption(
      wholeOption('--max-tokens <n>', 'tokens to generate at most (default: what the model says, else 256)', 1),
    )
    .addOption(
      numberOption('--temperature <t>', '0 takes the likeliest token (default: 0)', { minimum: 0, maximum: Infinity }),
    )
    .addOption(wholeOption('--top-k <n>', 'sample among the n likeliest tokens; 0: all (default: 0)', 0))
    .addOption(
      numberOption('--top-p <p>', 'sample among the likeliest tokens of total probability p (default: 1)', {
        minimum: 0,
        maximum: 1,
      }),
    )
    .addOption(wholeOption('--seed <n>', 'same seed, same tokens (default: drawn and reported)', 0))
    .option('--stop <text...>', 'texts that end the completion')
    .option('--ignore-eos', 'go on after an end token')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES);
  addEngineOptions(addTruncationOptions(addModelOptions(command))).action((flags: GenerateFlags) =>
    generate(flags, context),
  );
}

async function generate(flags: GenerateFlags, context: CommandContext): Promise<void> {
  requireOne({ flag: '--prompt', value: flags.prompt }, { flag: '--ids', value: flags.ids });
  const options: EngineOptions = { ...engineOptions(flags, context.env), ...truncationOptions(flags) };
  await withEngine(
    context,
    { model: flags, options, reader: flags.json === true ? 'program' : 'person' },
    async (engine) => {
      const request = generateRequest(flags, context.interrupt.signal);
      if (flags.json === true) {
        const result = await engine.generate(request).result();
        context.output.json(resultFields(result, request));
      } else {
        await streamToPerson(engine, request, context);
      }
    },
  );
}

function generateRequest(flags: GenerateFlags, signal: AbortSignal): GenerateRequest {
  const { maxTokens, temperature, topK, topP, seed, stop, ignoreEos } = flags;
  const options = defined({ maxTokens, temperature, topK, topP, seed, stop, ignoreEos });
  return flags.prompt === undefined
    ? { ids: flags.ids ?? [], signal, ...options }
    : { prompt: flags.prompt, signal, ...options };
}

async function streamToPerson(engine: Engine, request: GenerateRequest, context: CommandContext): Promise<void> {
  const { output } = context;
  const generation = engine.generate(request);
  let separator = '';
  for await (const delta of generation) {
    if (delta.text !== undefined) output.write(delta.text);
    else if (delta.ids.length > 0) {
      output.write(separator + delta.ids.join(' '));
      separator = ' ';
    }
  }
  output.write('\n');
  const result = await generation.result();
  output.note(describeResult(result));
}

/** One line for a person: why it ended, what was reused, how long it took. Pure. */
function describeResult(result: GenerateResult): string {
  const { usage, timings, finishReason } = result;
  const seconds = (timings.totalMs / 1000).toFixed(2);
  return (
    `[${finishReason}] prompt ${counted(usage.promptTokens, 'token')}: ${usage.cachedTokens} cached, ${usage.computedTokens} computed${describeDropped(usage)}; ` +
    `completion ${usage.completionTokens}; first token after ${Math.round(timings.ttftMs)} ms, ${seconds} s in all`
  );
}

/** What `--json` prints. `seed` is there when tokens were drawn, so that the run can be repeated. Pure. */
function resultFields(result: GenerateResult, request: GenerateRequest): object {
  const { ids, text, finishReason, usage } = result;
  const { queueMs, ttftMs, totalMs, perTokenMs } = result.timings;
  return {
    ids,
    ...defined({ text }),
    finishReason,
    usage,
    timings: roundTimings({ queueMs, ttftMs, totalMs, perTokenMs }),
    ...((request.temperature ?? 0) > 0 ? { seed: result.seed } : {}),
  };
}
