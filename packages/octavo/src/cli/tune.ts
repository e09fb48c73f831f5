/** `octavo tune`: what less memory costs in accuracy, measured on the user's own questions. */
import { writeFile } from 'node:fs/promises';
import type { EngineOptions } from '@octavo/engine';
import { WEIGHT_FORMATS } from '@octavo/graph';
import { type Command, Option } from 'commander';
import { type EvalItem, parseEvalLine } from '../tune/eval-set.ts';
import { compared, measure } from '../tune/measure.ts';
import { drawPlot, drawSvg } from '../tune/plot.ts';
import { frontierOf, gridOf, type Measured, recommend, trimsOf } from '../tune/settings.ts';
import type { CommandContext } from './context.ts';
import { CommandError, fileError } from './errors.ts';
import { openLines } from './files.ts';
import { addFileOptions, MODEL_WORDS, type ModelFlags } from './model.ts';
import { bytesOption, defined, type EngineFlags, engineOptions, wholeOption } from './options.ts';
import { formatBytes, formatTable } from './output.ts';
import { createProgress, progressKind } from './progress.ts';
import { withEngine } from './with-engine.ts';

type WeightFormat = NonNullable<EngineOptions['weights']>;
type KvType = NonNullable<EngineOptions['kvType']>;

interface TuneFlags extends Omit<ModelFlags, 'model'>, Pick<EngineFlags, 'contextTokens' | 'threads' | 'cacheFolder'> {
  readonly eval: string;
  readonly questions?: number;
  readonly memory?: number;
  readonly weights: readonly WeightFormat[];
  readonly kvTypes: readonly KvType[];
  readonly tokens: number;
  readonly trims: boolean;
  readonly plot?: string;
  readonly json?: true;
}

/** Tokens that the pages have room for, unless told otherwise: what memory is compared at. */
const DEFAULT_TOKENS = 16_384;
const PAGE_SIZE = 16;

const EXAMPLES = `
A line of the eval file has "messages" or "prompt", and "expected": a text that a right answer contains ("match": "exact": that it is).

Examples:
  octavo tune --eval questions.jsonl
  octavo tune ./my-model --eval questions.jsonl --memory 2GB --plot memory.svg
  octavo tune --eval questions.jsonl --weights f32,q8 --kv-types f32,int8 --json
`;

export function addTune(program: Command, context: CommandContext): void {
  const command = program
    .command('tune')
    .description('measure what less memory costs in accuracy, and recommend a setting')
    .argument('[model]', `${MODEL_WORDS} (default: the shipped one)`)
    .requiredOption('--eval <file>', 'questions and what a right answer contains, one a line')
    .addOption(wholeOption('--questions <n>', 'ask only the first n of them (default: all)', 1))
    .addOption(bytesOption('--memory <size>', 'recommend the best setting within so much, such as 2GB'))
    .addOption(listOption('--weights <formats>', 'formats of weights to try', WEIGHT_FORMATS))
    .addOption(listOption('--kv-types <formats>', 'formats of pages to try', ['f32', 'f16', 'int8']))
    .addOption(wholeOption('--tokens <n>', 'tokens that the pages have room for', 1).default(DEFAULT_TOKENS))
    .option('--no-trims', 'try no trims: fewer layers, fewer K/V heads, shorter windows')
    .option('--plot <file>', 'write the plot as SVG')
    .addOption(wholeOption('--context-tokens <n>', 'longest prompt and completion together', 1))
    .addOption(wholeOption('--threads <n>', 'threads of the runtime', 1))
    .option('--cache-folder <dir>', 'where compiled graphs are kept')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES);
  addFileOptions(command).action((model: string | undefined, flags: TuneFlags) => tune(model, flags, context));
}

async function tune(model: string | undefined, flags: TuneFlags, context: CommandContext): Promise<void> {
  const items = await readEvalSet(flags, context);
  const rows: Parameters<typeof compared>[0][number][] = [];
  const progress = createProgress(context.stderr, progressKind(context.stderr, flags.json ? 'program' : 'person'));
  const { contextTokens, threads, cacheFolder } = flags;
  const shared = engineOptions(defined({ contextTokens, threads, cacheFolder }), context.env);
  const settings = gridOf(flags);
  const [first] = settings;
  // The list grows once it is known what there is to trim.
  for (const setting of settings) {
    const options = { ...shared, ...setting.options, ...poolFor(flags.tokens) };
    const call = { model: { ...flags, ...defined({ model }) }, options, reader: 'program' } as const;
    const row = await withEngine(context, call, async (engine) => {
      if (setting === first && flags.trims) settings.push(...trimsOf(engine.info.shape, first));
      progress.start(setting.name, items.length);
      try {
        return await measure(engine, setting, items, { signal: context.interrupt.signal, onAnswer: progress.advance });
      } finally {
        progress.stop();
      }
    });
    rows.push(row);
  }
  await report(compared(rows), flags, context);
}

function poolFor(tokens: number): Pick<EngineOptions, 'pages' | 'pageSize'> {
  return { pages: 1 + Math.ceil(tokens / PAGE_SIZE), pageSize: PAGE_SIZE };
}

async function readEvalSet(flags: TuneFlags, context: CommandContext): Promise<EvalItem[]> {
  const lines = await openLines(flags.eval, { stdin: context.stdin, signal: context.interrupt.signal });
  const items: EvalItem[] = [];
  let lineNumber = 0;
  for await (const line of lines) {
    lineNumber++;
    if (line.trim() === '') continue;
    const parsed = parseEvalLine(line);
    if (!parsed.ok) {
      throw new CommandError('INVALID_FILE', `Line ${lineNumber} of ${flags.eval} is no question: ${parsed.reason}.`);
    }
    items.push(parsed.item);
    if (items.length === flags.questions) break;
  }
  if (items.length === 0) throw new CommandError('INVALID_FILE', `${flags.eval} has no questions; give at least one.`);
  return items;
}

async function report(measured: readonly Measured[], flags: TuneFlags, { output }: CommandContext): Promise<void> {
  if (flags.plot !== undefined) {
    const path = flags.plot;
    await writeFile(path, drawSvg(measured, formatBytes)).catch((error: unknown) => {
      throw fileError(error, path, 'write');
    });
  }
  const recommended = recommend(measured, flags.memory ?? Number.POSITIVE_INFINITY);
  if (flags.json === true) {
    output.json({ tokens: flags.tokens, settings: measured, recommended: recommended?.name ?? null });
    return;
  }
  const frontier = new Set(frontierOf(measured));
  const header = ['setting', 'right', 'lost', 'bytes a token', 'saved', 'memory', ''];
  const rows = measured.map((setting, index) => [
    `${index + 1}  ${setting.name}`,
    `${setting.right} of ${setting.questions}`,
    `${(100 * setting.lost).toFixed(1)} %`,
    String(setting.bytesPerToken),
    String(setting.bytesPerTokenSaved),
    formatBytes(setting.memoryBytes),
    frontier.has(setting) ? '<' : '',
  ]);
  output.line(formatTable([header, ...rows]));
  output.line('(<: nothing smaller is as accurate)\n');
  output.line(drawPlot(measured, formatBytes));
  output.line(describeRecommendation(measured, recommended, flags.memory));
}

function describeRecommendation(
  measured: readonly Measured[],
  recommended: Measured | undefined,
  memory: number | undefined,
): string {
  if (recommended !== undefined) {
    const within = memory === undefined ? 'the most accurate in the least memory' : `within ${formatBytes(memory)}`;
    return `\nRecommended (${within}): ${recommended.name}, ${formatBytes(recommended.memoryBytes)}`;
  }
  const least = Math.min(...measured.map(({ memoryBytes }) => memoryBytes));
  return `\nNothing fits into ${formatBytes(memory ?? 0)}: the smallest setting takes ${formatBytes(least)}.`;
}

/** An option whose value is some of the choices, separated by commas. */
function listOption(flags: string, description: string, choices: readonly string[]): Option {
  const option = new Option(flags, description).default(choices, choices.join(','));
  return option.argParser((text) => {
    const parts = text.split(',').map((part) => part.trim());
    const wrong = parts.find((part) => !choices.includes(part));
    if (wrong === undefined) return parts;
    throw new CommandError(
      'INVALID_OPTION',
      `${option.long} has ${JSON.stringify(wrong)}; give some of ${choices.join(', ')}, separated by commas.`,
    );
  });
}
