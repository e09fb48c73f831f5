/** `octavo score`: how likely a model finds a given text. */
import type { EngineOptions, ScoreResult } from '@octavo/engine';
import type { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { untilAborted } from './interrupt.ts';
import { addModelOptions, type ModelFlags } from './model.ts';
import { addEngineOptions, defined, type EngineFlags, engineOptions, idsOption, requireOne } from './options.ts';
import { formatTable } from './output.ts';
import { withEngine } from './with-engine.ts';

interface ScoreFlags extends EngineFlags, ModelFlags {
  readonly text?: string;
  readonly ids?: readonly number[];
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  octavo score --text "The price is $449."
  octavo score --model ./my-model --ids 5,17,99 --json
`;

export function addScore(program: Command, context: CommandContext): void {
  const command = program
    .command('score')
    .description('log-probabilities of a text under a model')
    .option('--text <text>', 'text to score, taken as it is')
    .addOption(idsOption())
    .option('--json', 'print one JSON object, with all logits of the last position')
    .addHelpText('after', EXAMPLES);
  addEngineOptions(addModelOptions(command)).action((flags: ScoreFlags) => score(flags, context));
}

async function score(flags: ScoreFlags, context: CommandContext): Promise<void> {
  requireOne({ flag: '--text', value: flags.text }, { flag: '--ids', value: flags.ids });
  const options: EngineOptions = engineOptions(flags, context.env);
  const result = await withEngine(
    context,
    { model: flags, options, reader: flags.json === true ? 'program' : 'person' },
    (engine) => {
      const scored = engine.score(flags.text === undefined ? { ids: flags.ids ?? [] } : { text: flags.text });
      return untilAborted(scored, context.interrupt.signal);
    },
  );
  if (flags.json === true) {
    const { argmax, lastLogits, logprobs, perplexity } = result;
    context.output.json({ argmax, lastLogits, logprobs, ...defined({ perplexity }) });
  } else {
    context.output.line(describeScore(result));
  }
}

/** A short table for a person. Pure. */
function describeScore(result: ScoreResult): string {
  const { argmax, logprobs, perplexity } = result;
  const total = logprobs.reduce((sum, logprob) => sum + logprob, 0);
  return formatTable([
    ['tokens', String(argmax.length)],
    ['log-probability', total.toFixed(4)],
    ...(perplexity === undefined ? [] : [['perplexity', perplexity.toFixed(4)]]),
    ['next token', String(argmax.at(-1))],
  ]);
}
