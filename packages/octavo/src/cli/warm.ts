/** `octavo warm`: computes prompts ahead into a cache file, or writes down what prompts begin with. */
import type { Engine, WarmPrompt } from '@octavo/engine';
import type { Command } from 'commander';
import { counted } from '../counted.ts';
import { assertCacheFile, readCacheView, withCacheFile } from './cache-file.ts';
import type { CommandContext } from './context.ts';
import { CommandError } from './errors.ts';
import { openLineFile, openLines } from './files.ts';
import { addLifetimeOptions, type LifetimeFlags, lifetimeOptions } from './lifetimes.ts';
import { addModelOptions, type ModelFlags } from './model.ts';
import { addEngineOptions, type EngineFlags, engineOptions } from './options.ts';
import { createProgress, progressKind } from './progress.ts';
import { parseWarmLine } from './warm-line.ts';
import { withEngine } from './with-engine.ts';

interface WarmFlags extends EngineFlags, ModelFlags, LifetimeFlags {
  readonly cacheFile: string;
  readonly pin?: true;
  readonly export?: string;
  readonly json?: true;
}

const EXAMPLES = `
A line of PROMPTS.jsonl has one of "prompt", "ids" and "messages" (with "prefix": true for conversations that go on behind them), and may
have "salt". --export writes such a file: the most frequent beginnings of the last day's prompts, as the cache file remembers them.

Examples:
  octavo warm prompts.jsonl --cache-file shop.cache
  octavo chat --cache-file shop.cache
  octavo warm openings.jsonl --cache-file shop.cache --pin --pin-budget-pages 200
  octavo warm --export learned.jsonl --cache-file shop.cache
`;

export function addWarm(program: Command, context: CommandContext): void {
  const command = program
    .command('warm')
    .description('compute prompts ahead into a cache file')
    .argument('[prompts.jsonl]', 'one prompt a line; - is the standard input')
    .requiredOption('--cache-file <file>', 'where the cache is kept; added to if it is there')
    .option('--pin', 'promise that these prompts are not evicted, as far as the budget goes')
    .option('--export <file>', 'write the most frequent beginnings that the cache file remembers, instead of computing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES);
  addEngineOptions(addLifetimeOptions(addModelOptions(command))).action(
    (prompts: string | undefined, flags: WarmFlags) =>
      flags.export === undefined
        ? warm(prompts, flags, context)
        : exportOpenings(prompts, flags.export, { flags, context }),
  );
}

/** What `--json` prints; pins are counted by what became of them. */
interface WarmSums {
  warmed: number;
  computedTokens: number;
  pinned: number;
  clipped: number;
  refused: number;
}

type Salted = readonly (readonly [salt: string, prompts: readonly WarmPrompt[]])[];

async function warm(path: string | undefined, flags: WarmFlags, context: CommandContext): Promise<void> {
  if (path === undefined) throw new CommandError('MISSING_ARGUMENT', 'Nothing to compute; give a file of prompts.');
  if (flags.pin === true && (flags.pinBudgetPages ?? 0) === 0) {
    throw new CommandError('MISSING_OPTION', '--pin takes pages from a budget; give --pin-budget-pages as well.');
  }
  assertCacheFile(flags);
  const prompts = await readPrompts(path, context);
  const { output } = context;
  const reader = flags.json === true ? 'program' : 'person';
  const options = { ...engineOptions(flags, context.env), ...lifetimeOptions(flags) };
  await withEngine(context, { model: flags, options, reader }, (engine) =>
    withCacheFile(engine, flags, output, async () => {
      const result = await warmAll(engine, prompts, { flags, context });
      if (flags.json === true) output.json(result);
      else output.line(describeWarm(result));
    }),
  );
}

async function readPrompts(path: string, context: CommandContext): Promise<Salted> {
  const lines = await openLines(path, { stdin: context.stdin, signal: context.interrupt.signal });
  const bySalt = new Map<string, WarmPrompt[]>();
  let lineNumber = 0;
  for await (const line of lines) {
    lineNumber++;
    if (line.trim() === '') continue;
    const parsed = parseWarmLine(line);
    if (!parsed.ok)
      throw new CommandError('INVALID_FILE', `Line ${lineNumber} of ${path} is no prompt: ${parsed.reason}.`);
    const prompts = bySalt.get(parsed.salt) ?? [];
    prompts.push(parsed.prompt);
    bySalt.set(parsed.salt, prompts);
  }
  return [...bySalt];
}

async function warmAll(
  engine: Engine,
  lists: Salted,
  { flags, context }: { readonly flags: WarmFlags; readonly context: CommandContext },
): Promise<WarmSums> {
  const progress = createProgress(context.stderr, progressKind(context.stderr, flags.json ? 'program' : 'person'));
  const total = lists.reduce((sum, [, prompts]) => sum + prompts.length, 0);
  const sums = { warmed: 0, computedTokens: 0, pinned: 0, clipped: 0, refused: 0 };
  progress.start('prompts', total);
  try {
    for (const [salt, prompts] of lists) {
      const result = await engine.warm(prompts, {
        salt,
        pin: flags.pin ?? false,
        signal: context.interrupt.signal,
        onProgress: progress.advance,
      });
      sums.warmed += result.warmed;
      sums.computedTokens += result.computedTokens;
      for (const { outcome } of result.pins) sums[outcome === 'granted' ? 'pinned' : outcome] += 1;
    }
    return sums;
  } finally {
    progress.stop();
  }
}

function describeWarm({ warmed, computedTokens, pinned, clipped, refused }: WarmSums): string {
  const pins = pinned + clipped + refused > 0 ? `; ${pinned} pinned, ${clipped} in part, ${refused} refused` : '';
  return `${counted(warmed, 'prompt is', 'prompts are')} warm, ${counted(computedTokens, 'token')} computed${pins}`;
}

async function exportOpenings(
  prompts: string | undefined,
  path: string,
  { flags, context: { output } }: { readonly flags: WarmFlags; readonly context: CommandContext },
): Promise<void> {
  if (prompts !== undefined) {
    throw new CommandError('CONFLICTING_OPTIONS', `--export computes nothing; leave ${prompts} or --export away.`);
  }
  const view = readCacheView(flags.cacheFile);
  const file = await openLineFile(path);
  try {
    for (const { salt, ids, count } of view.openings)
      await file.append({ ids, count, ...(salt === '' ? {} : { salt }) });
  } finally {
    await file.close();
  }
  if (flags.json === true) output.json({ openings: view.openings.length });
  else output.line(`${counted(view.openings.length, 'beginning')} written to ${path}`);
}
