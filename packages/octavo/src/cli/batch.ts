/** `octavo batch`: a file of requests in, a file of answers out. */
import { type EngineOptions, similarity, tagSets } from '@octavo/engine';
import { type Command, Option } from 'commander';
import { type BatchAnswer, type BatchSummary, serveBatch } from '../batch/serve-batch.ts';
import { counted } from '../counted.ts';
import { addCacheFileOption, assertCacheFile, type CacheFileFlags, withCacheFile } from './cache-file.ts';
import type { CommandContext } from './context.ts';
import { CommandError, describeFailure } from './errors.ts';
import { isSameFile, type LineFile, openLineFile, openLines } from './files.ts';
import { addLifetimeOptions, type LifetimeFlags, lifetimeOptions } from './lifetimes.ts';
import { addModelOptions, type ModelFlags } from './model.ts';
import { addEngineOptions, type EngineFlags, engineOptions, wholeOption } from './options.ts';
import { formatCount, formatTable, roundMs, roundTimings } from './output.ts';
import { createProgress, progressKind } from './progress.ts';
import { addSaltQuotaOptions, type SaltQuotaFlags, saltQuotaOptions } from './salt-quota.ts';
import { addTruncationOptions, type TruncationFlags, truncationOptions } from './truncation.ts';
import { withEngine } from './with-engine.ts';

/** Requests in flight when the caller does not say. */
const DEFAULT_CONCURRENCY = 16;

interface BatchFlags extends EngineFlags, ModelFlags, TruncationFlags, CacheFileFlags, LifetimeFlags, SaltQuotaFlags {
  readonly concurrency: number;
  readonly sharing: boolean;
  readonly kvCache: boolean;
  readonly contextDetector?: keyof typeof detectors;
  readonly out: string;
  readonly json?: true;
}

const detectors = { tags: tagSets, similarity } as const;

const EXAMPLES = `
A line of REQUESTS.jsonl has an "id", one of "prompt", "messages" or "ids", and may have "maxTokens", "temperature", "topK", "topP",
"seed", "stop", "ignoreEos", "salt", "priority" and "truncation". Answers are written in the order in which they are ready; the id tells which is which.
A line that cannot be served is answered with {"id", "error"}, the others go on, and the exit status is 2.

Examples:
  octavo batch requests.jsonl --out answers.jsonl
  octavo batch requests.jsonl --model ./my-model --concurrency 32 --weights q8 --out answers.jsonl --json
  octavo batch requests.jsonl --no-sharing --out answers.jsonl
  make-requests | octavo batch - --out answers.jsonl
`;

export function addBatch(program: Command, context: CommandContext): void {
  const command = program
    .command('batch')
    .description('serve a file of requests, many at a time')
    .argument('<requests.jsonl>', 'one request a line; - is the standard input')
    .requiredOption('--out <file>', 'where the answers go, one a line')
    .addOption(wholeOption('--concurrency <n>', 'requests in flight', 1).default(DEFAULT_CONCURRENCY))
    .addOption(new Option('--no-sharing', 'no request reuses pages of another one').conflicts('kvCache'))
    .option('--no-kv-cache', 'keep no keys and values at all: compute the whole sequence again for each token')
    .addOption(
      new Option(
        '--context-detector <kind>',
        'notice when a session goes on to something else, by its tags or by its tokens, and let go of what only it used',
      ).choices(Object.keys(detectors)),
    )
    .option('--json', 'print a one-line summary as JSON')
    .addHelpText('after', EXAMPLES);
  addSaltQuotaOptions(command);
  addEngineOptions(addCacheFileOption(addLifetimeOptions(addTruncationOptions(addModelOptions(command))))).action(
    (requests: string, flags: BatchFlags) => batch(requests, flags, context),
  );
}

/** Both files are opened before the model is: what is wrong with them should not take a load to find out. */
async function batch(requestsPath: string, flags: BatchFlags, context: CommandContext): Promise<void> {
  if (isSameFile(requestsPath, flags.out)) {
    throw new CommandError(
      'CONFLICTING_OPTIONS',
      `--out is the request file itself (${flags.out}); give another file.`,
    );
  }
  assertCacheFile(flags);
  const requests = await openLines(requestsPath, { stdin: context.stdin, signal: context.interrupt.signal });
  let answers: LineFile | undefined;
  try {
    answers = await openLineFile(flags.out);
    const summary = await serveFile(requests, answers, { flags, context });
    report(summary, flags, context);
  } finally {
    requests.close();
    await answers?.close();
  }
}

interface BatchRun {
  readonly flags: BatchFlags;
  readonly context: CommandContext;
}

async function serveFile(requests: AsyncIterable<string>, answers: LineFile, run: BatchRun): Promise<BatchSummary> {
  const { flags, context } = run;
  const { interrupt, output, stderr } = context;
  const reader = flags.json === true ? ('program' as const) : ('person' as const);
  const call = { model: flags, options: batchEngineOptions(flags, context), reader };
  const progress = createProgress(stderr, progressKind(stderr, 'program'));
  let answered = 0;
  return withEngine(context, call, (engine) =>
    withCacheFile(engine, flags, output, async () => {
      progress.start('requests');
      try {
        return await serveBatch(engine, requests, {
          concurrency: flags.concurrency,
          signal: interrupt.signal,
          now: () => performance.now(),
          describe: describeFailure,
          async onAnswer(answer) {
            await answers.append(withRoundedTimings(answer));
            answered++;
            progress.advance();
          },
        });
      } finally {
        progress.stop();
        if (interrupt.signal.aborted)
          output.note(`interrupted: ${counted(answered, 'answer is', 'answers are')} in ${flags.out}`);
      }
    }),
  );
}

/** As many sequences and places in the queue as there are requests in flight: none of them is refused or held up by a default. */
function batchEngineOptions(flags: BatchFlags, context: CommandContext): EngineOptions {
  const { concurrency, sharing, kvCache, contextDetector } = flags;
  return {
    maxSequences: Math.max(DEFAULT_CONCURRENCY, concurrency),
    maxWaiting: concurrency,
    sharing,
    kvCache,
    ...(contextDetector && { contextDetector: detectors[contextDetector]() }),
    ...engineOptions(flags, context.env),
    ...truncationOptions(flags),
    ...lifetimeOptions(flags),
    ...saltQuotaOptions(flags),
  };
}

function withRoundedTimings(answer: BatchAnswer): BatchAnswer {
  return 'error' in answer ? answer : { ...answer, timings: roundTimings(answer.timings) };
}

/** Effect: prints the summary. Throws REQUESTS_FAILED when a line was answered with an error. */
function report(summary: BatchSummary, flags: BatchFlags, { output }: CommandContext): void {
  if (flags.json === true) output.json({ ...summary, wallMs: roundMs(summary.wallMs) });
  else output.line(describeSummary(summary));
  if (summary.failed > 0) {
    throw new CommandError(
      'REQUESTS_FAILED',
      `${summary.failed} of ${counted(summary.requests, 'request')} failed; read their "error" in ${flags.out}.`,
    );
  }
}

/** A short table for a person. Pure. */
function describeSummary(summary: BatchSummary): string {
  const { requests, failed, wallMs, promptTokens, cachedTokens, computedTokens, completionTokens, peakPages } = summary;
  const { file } = summary.cachedFrom;
  return formatTable([
    ['requests', `${formatCount(requests - failed)} of ${formatCount(requests)}`],
    ['time', `${(wallMs / 1000).toFixed(2)} s`],
    ['prompt tokens', formatCount(promptTokens)],
    ['cached tokens', formatCount(cachedTokens)],
    ...(file === 0 ? [] : [['  from the file', formatCount(file)] as const]),
    ['computed tokens', formatCount(computedTokens)],
    ['completion tokens', formatCount(completionTokens)],
    ['peak pages', formatCount(peakPages)],
  ]);
}
