/** Options that several commands share: how they are spelled, checked and turned into the engine's options. */
import type { EngineOptions } from '@octavo/engine';
import { cacheFolder, WEIGHT_FORMATS } from '@octavo/graph';
import { type Command, Option } from 'commander';
import { CommandError } from './errors.ts';
import type { Environment } from './output.ts';

/** What the shared options of a command line hold after parsing. */
export interface EngineFlags {
  readonly weights?: NonNullable<EngineOptions['weights']>;
  readonly pages?: number;
  readonly memory?: number;
  readonly deterministic?: boolean;
  readonly spinning?: boolean;
  readonly commitMemory?: NonNullable<EngineOptions['commitMemory']>;
  readonly kvType?: NonNullable<EngineOptions['kvType']>;
  readonly pageSize?: number;
  readonly contextTokens?: number;
  readonly maxSequences?: number;
  readonly tokenBudget?: number;
  readonly promptStepsInTurn?: number;
  readonly threads?: number;
  readonly cacheFolder?: string;
  readonly dropLayers?: number;
  readonly kvHeads?: number;
  readonly kvHeadsBy?: 'mean' | 'first';
  readonly windowTokens?: number;
}

/** Adds the options of the engine to a command. */
export function addEngineOptions(command: Command): Command {
  return command
    .addOption(new Option('--weights <format>', 'how weights are stored').choices(WEIGHT_FORMATS))
    .addOption(new Option('--kv-type <format>', 'how pages hold keys and values').choices(['f32', 'f16', 'int8']))
    .addOption(wholeOption('--pages <n>', 'pages in the pool, the null page included', 2))
    .addOption(
      bytesOption('--memory <size>', 'memory of the whole engine, such as 2GB; instead of --pages').conflicts('pages'),
    )
    .addOption(wholeOption('--page-size <tokens>', 'tokens a page', 1))
    .addOption(wholeOption('--context-tokens <n>', 'longest prompt and completion together', 1))
    .addOption(wholeOption('--max-sequences <n>', 'sequences in one step at most', 1))
    .addOption(wholeOption('--token-budget <n>', 'tokens computed in one step at most', 1))
    .addOption(wholeOption('--prompt-steps-in-turn <n>', 'steps of prompts that streams wait for at most', 1))
    .addOption(wholeOption('--threads <n>', 'threads of the runtime', 1))
    .option('--deterministic', 'the same bits for a request, whatever else runs')
    .option('--no-spinning', 'threads of the runtime sleep at once when they have nothing to do')
    .addOption(
      new Option('--commit-memory <when>', 'when the memory of the pages is taken (default: idle)').choices([
        'idle',
        'open',
        'never',
      ]),
    )
    .addOption(wholeOption('--drop-layers <n>', 'leave out so many of the last layers before the very last', 1))
    .addOption(wholeOption('--kv-heads <n>', 'K/V heads to be left, a divisor of those of the model', 1))
    .addOption(
      new Option('--kv-heads-by <way>', 'what K/V heads that become one are (default: mean)').choices([
        'mean',
        'first',
      ]),
    )
    .addOption(wholeOption('--window-tokens <n>', 'tokens that a row sees at most', 1))
    .option(
      '--cache-folder <dir>',
      'where compiled graphs are kept (default: OCTAVO_CACHE, else the cache folder of the platform)',
    );
}

/** The engine's options from the shared ones. The environment is read here and nowhere below. Pure. */
export function engineOptions(flags: EngineFlags, env: Environment): EngineOptions {
  const { weights, kvType, deterministic, pages, memory, pageSize, contextTokens, maxSequences, tokenBudget } = flags;
  const { promptStepsInTurn, threads, spinning, commitMemory, dropLayers, kvHeads, kvHeadsBy, windowTokens } = flags;
  const ofModel = { weights, kvType, deterministic, contextTokens };
  const trims = defined({ dropLayers, kvHeads, kvHeadsBy, windowTokens });
  const options = {
    // A flag that takes away is true when nobody gave it.
    ...(spinning === false ? { spinning } : {}),
    ...defined({ ...ofModel, pages, memory, pageSize, maxSequences, tokenBudget, promptStepsInTurn }),
    ...defined({ threads, commitMemory }),
    ...(Object.keys(trims).length === 0 ? {} : { trims }),
  };
  return { ...options, cacheFolder: flags.cacheFolder ?? cacheFolder(env) };
}

/** Options with a value, without the ones that were not given. */
export type Defined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

/** Leaves out the fields that hold `undefined`, so that defaults below apply. Pure. */
export function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<Fields>;
}

/** An option whose value is a whole number of at least `minimum`. */
export function wholeOption(flags: string, description: string, minimum: number): Option {
  const option = new Option(flags, description);
  return option.argParser((text) => {
    if (/^\d+$/.test(text) && Number(text) >= minimum && Number.isSafeInteger(Number(text))) return Number(text);
    throw new CommandError(
      'INVALID_OPTION',
      `${option.long} is ${JSON.stringify(text)}; give a whole number of at least ${minimum}.`,
    );
  });
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** An option whose value is a count of bytes with a unit: `500MB`, `1.5 GiB`. */
export function bytesOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.argParser((text) => {
    const [, count = '', unit = 'B'] = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?$/i.exec(text.trim()) ?? [];
    const bytes =
      count === '' ? Number.NaN : Math.round(Number(count) * (BYTE_UNITS[unit.toUpperCase()] ?? Number.NaN));
    if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
    throw new CommandError(
      'INVALID_OPTION',
      `${option.long} is ${JSON.stringify(text)}; give a size with a unit, such as 500MB, 2GB or 1.5GiB.`,
    );
  });
}

const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };

/** Milliseconds of a time with its unit: `500ms`, `1.5h`; undefined when it is none. Pure. */
export function durationMs(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  const milliseconds = Math.round(Number(count) * (TIME_UNITS[unit] ?? Number.NaN));
  return Number.isSafeInteger(milliseconds) && milliseconds > 0 ? milliseconds : undefined;
}

/** An option whose value is a time with a unit. */
export function durationOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.argParser((text) => {
    const milliseconds = durationMs(text);
    if (milliseconds !== undefined) return milliseconds;
    throw new CommandError(
      'INVALID_OPTION',
      `${option.long} is ${JSON.stringify(text)}; give a time with a unit, such as 90s, 30m, 24h or 7d.`,
    );
  });
}

/** An option whose value is a number in [minimum, maximum]. */
export function numberOption(flags: string, description: string, range: { minimum: number; maximum: number }): Option {
  const option = new Option(flags, description);
  return option.argParser((text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= range.minimum && value <= range.maximum && Number.isFinite(value)) return value;
    const limit = Number.isFinite(range.maximum)
      ? `from ${range.minimum} to ${range.maximum}`
      : `of at least ${range.minimum}`;
    throw new CommandError('INVALID_OPTION', `${option.long} is ${JSON.stringify(text)}; give a number ${limit}.`);
  });
}

/** `--ids 1,2,3`: token ids, separated by commas. Which ids exist is the model's matter. */
export function idsOption(): Option {
  return new Option('--ids <ids>', 'token ids instead of text, separated by commas').argParser((text) => {
    const parts = text.trim() === '' ? [] : text.split(',').map((part) => part.trim());
    const wrong = parts.find((part) => !/^-?\d+$/.test(part));
    if (wrong === undefined) return parts.map(Number);
    throw new CommandError(
      'INVALID_OPTION',
      `--ids has ${JSON.stringify(wrong)}; give whole numbers separated by commas, such as 1,2,3.`,
    );
  });
}

/** Exactly one of two options has to be given. Throws MISSING_OPTION or CONFLICTING_OPTIONS. */
export function requireOne(first: { flag: string; value: unknown }, second: { flag: string; value: unknown }): void {
  if (first.value === undefined && second.value === undefined) {
    throw new CommandError('MISSING_OPTION', `Nothing to work on; give ${first.flag} or ${second.flag}.`);
  }
  if (first.value !== undefined && second.value !== undefined) {
    throw new CommandError(
      'CONFLICTING_OPTIONS',
      `${first.flag} and ${second.flag} exclude each other; give one of them.`,
    );
  }
}
