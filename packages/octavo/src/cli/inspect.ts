/** `octavo inspect`: what a model is, what it costs, and whether it can be run. */
import { type EngineOptions, machineBytes } from '@octavo/engine';
import { type KvType, WEIGHT_FORMATS } from '@octavo/graph';
import { type Command, Option } from 'commander';
import { counted } from '../counted.ts';
import { type Inspection, inspect, KV_TYPES } from '../inspect/inspection.ts';
import { type BarPart, barParts } from '../inspect/memory-bar.ts';
import type { MemoryPlan } from '../inspect/memory-plan.ts';
import type { CommandContext } from './context.ts';
import { addFileOptions, findModel, MODEL_WORDS, type ModelFlags, sourceOf } from './model.ts';
import { bytesOption, defined, wholeOption } from './options.ts';
import { formatBytes, formatCount, type Output } from './output.ts';

interface InspectFlags extends Omit<ModelFlags, 'model'> {
  readonly memory?: number;
  readonly weights: NonNullable<EngineOptions['weights']>;
  readonly kvType: KvType;
  readonly pageSize: number;
  readonly json?: true;
}

const EXAMPLES = `
Reads the configuration and the headers of the weights; nothing is compiled or loaded. A model that cannot be run is told with all reasons,
and the exit status is 0 all the same.

Examples:
  octavo inspect
  octavo inspect ./my-model --memory 2GB --weights q4
  octavo inspect org/name --file model_q4.onnx --json
`;

export function addInspect(program: Command, context: CommandContext): void {
  const command = program
    .command('inspect')
    .description('what a model is, what it costs, and whether it can be run')
    .argument('[model]', `${MODEL_WORDS} (default: the shipped one)`)
    .addHelpText('after', EXAMPLES);
  addFileOptions(command)
    .addOption(bytesOption('--memory <size>', 'memory to share out, such as 2GB (default: what the machine grants)'))
    .addOption(new Option('--weights <format>', 'how weights are stored').choices(WEIGHT_FORMATS).default('f32'))
    .addOption(new Option('--kv-type <type>', 'format of pages').choices(KV_TYPES).default('f32'))
    .addOption(wholeOption('--page-size <tokens>', 'tokens a page', 1).default(16))
    .option('--json', 'print one JSON object')
    .action((model: string | undefined, flags: InspectFlags) => inspectModel(model, flags, context));
}

async function inspectModel(model: string | undefined, flags: InspectFlags, context: CommandContext): Promise<void> {
  const reader = flags.json === true ? 'program' : 'person';
  const found = await findModel({ ...flags, ...defined({ model }) }, context, { reader });
  const { weights, kvType, pageSize, memory = machineBytes() } = flags;
  const inspection = await inspect(sourceOf(found), { bytes: memory, weights, kvType, pageSize });
  const { source, folder, onnxFile, hub } = found;
  if (flags.json === true) {
    const origin = hub === undefined ? {} : { name: hub.name, commit: hub.commit };
    context.output.json({ source, folder, ...defined({ onnxFile }), ...origin, ...inspection });
  } else {
    for (const line of describe(onnxFile ?? folder, inspection, context.output)) context.output.line(line);
  }
}

const LABEL_WIDTH = 16;

function describe(path: string, inspection: Inspection, output: Output): string[] {
  const { memory } = inspection;
  return [
    output.colors.bold(path),
    '',
    ...facts(inspection).map(([label, text]) => label.padEnd(LABEL_WIDTH) + text),
    ...problemLines(inspection, output),
    ...(memory === undefined ? [] : ['', ...memoryLines(memory, output)]),
  ];
}

/** Label and text of each line; what is not known has none. Pure. */
function facts(inspection: Inspection): [string, string][] {
  const { architecture, shape, parameters, stored, weightBytes, quantization, tokenizer, chatTemplate } = inspection;
  const lines: (readonly [string, string | undefined])[] = [
    ['architecture', architecture],
    [
      'layers',
      shape && `${shape.layers}, hidden ${formatCount(shape.hidden)}, vocabulary ${formatCount(shape.vocabulary)}`,
    ],
    ['heads', shape && `${shape.heads} of ${shape.headDim} on ${shape.kvHeads} of keys and values`],
    ['parameters', parameters === undefined ? undefined : formatCount(parameters)],
    [
      'on disk',
      `${formatBytes(stored.bytes)} ${inspection.format} (${sizes(stored.bytesByType) || 'nothing readable'})`,
    ],
    ['loaded', sizes(weightBytes) || undefined],
    ['quantisation', quantization ?? 'none'],
    ['K/V a token', inspection.bytesPerToken && sizes(inspection.bytesPerToken)],
    ['context', shape && `${counted(shape.contextTokens, 'token')}${windowWords(shape)}`],
    ['tokenizer', tokenizer ? 'yes' : 'no (takes and gives ids)'],
    ['chat template', chatTemplate ? 'yes' : 'no'],
  ];
  return lines.flatMap(([label, text]) => (text === undefined ? [] : [[label, text] as [string, string]]));
}

function sizes(bytes: Readonly<Record<string, number>>): string {
  return Object.entries(bytes)
    .map(([name, count]) => `${name} ${formatBytes(count)}`)
    .join(', ');
}

function windowWords({ windows, hasFullLayers }: NonNullable<Inspection['shape']>): string {
  if (windows.length === 0) return '';
  const list = windows.map(formatCount).join(' and ');
  return hasFullLayers ? `; some layers see the last ${list} only` : `; layers see the last ${list} only`;
}

/** Reasons of one kind are many when a whole folder is wrong. */
const MOST_PROBLEMS = 12;

function problemLines({ supported, problems, notices = [] }: Inspection, { colors }: Output): string[] {
  const label = 'supported'.padEnd(LABEL_WIDTH);
  const said = notices.map((notice) => `  ${notice}`);
  if (supported) return [label + colors.green('yes'), ...said];
  const more = problems.length - MOST_PROBLEMS;
  return [
    label + colors.red('no'),
    ...said,
    ...problems.slice(0, MOST_PROBLEMS).map(({ code, message }) => `  ${code}: ${message}`),
    ...(more > 0 ? [`  and ${more} more (--json lists all)`] : []),
  ];
}

const BAR_WIDTH = 60;

/** Told apart without colours too. */
const MARKS: Readonly<Record<BarPart['name'], string>> = { weights: '█', workspace: '▓', pages: '░', missing: '!' };

function memoryLines(memory: MemoryPlan, output: Output): string[] {
  const { bytes, kvType, weights, tokens } = memory;
  const { colors } = output;
  const paint = { weights: colors.cyan, workspace: colors.yellow, pages: colors.green, missing: colors.red };
  const parts = barParts(memory, BAR_WIDTH);
  const names = {
    weights: `weights (${weights})`,
    workspace: 'workspace',
    pages: `pages (${kvType}): ${counted(tokens[kvType], 'token')}`,
    missing: 'missing: give more memory, or packed weights',
  };
  return [
    `${'memory'.padEnd(LABEL_WIDTH)}${formatBytes(bytes)}`,
    parts.map(({ name, width }) => paint[name](MARKS[name].repeat(width))).join(''),
    ...parts.map(({ name, bytes: size }) => {
      const share = `${((100 * size) / bytes).toFixed(1)} %`;
      return `${paint[name](MARKS[name])} ${formatBytes(size).padStart(8)} ${share.padStart(8)}  ${names[name]}`;
    }),
    ...(tokens[kvType] === 0
      ? []
      : [`tokens that fit: ${KV_TYPES.map((type) => `${type} ${formatCount(tokens[type])}`).join(', ')}`]),
  ];
}
