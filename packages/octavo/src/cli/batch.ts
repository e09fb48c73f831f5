/** `octavo batch`: a file of requests in, a file of answers out. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { EngineOptions } from '@octavo/engine';
import { type Command, Option } from 'commander';
import type { BatchAnswer, BatchSummary } from '../batch/serve-batch.ts';
import { serveBatch } from '../batch/serve-batch.ts';
import { type CommandContext, withEngine } from './context.ts';
import { CommandError, describeFailure, fileError } from './errors.ts';
import { addEngineOptions, type EngineFlags, engineOptions, modelFolder, modelOption, wholeOption } from './options.ts';
import { formatCount, isSameFile, type LineFile, openLineFile, roundMs } from './output.ts';
import { createProgress, progressKind } from './progress.ts';

interface BatchFlags extends EngineFlags {
  readonly model?: string;
  readonly concurrency: number;
  readonly sharing: boolean;
  readonly kvCache: boolean;
  readonly out: string;
  readonly json?: true;
}

const EXAMPLES = `
A line of REQUESTS.jsonl has an "id", one of "prompt", "messages" or "ids", and may have "maxTokens", "temperature", "topK", "topP",
"seed", "stop", "ignoreEos", "salt" and "priority". Answers are written in the order in which they are ready; the id tells which is which.
A line that cannot be served is answered with {"id", "error"}, the others go on, and the exit status is 2.

Examples:
  octavo batch requests.jsonl --out answers.jsonl
  octavo batch requests.jsonl --model ./my-model --concurrency 32 --weights q8 --out answers.jsonl --json
  octavo batch requests.jsonl --no-sharing --out answers.jsonl
`;

export function addBatch(program: Command, context: CommandContext): void {
  const command = program
    .command('batch')
    .description('serve a file of requests, many at a time')
    .argument('<requests.jsonl>', 'one request a line')
    .addOption(modelOption())
    .requiredOption('--out <file>', 'where the answers go, one a line')
    .addOption(wholeOption('--concurrency <n>', 'requests in flight', 1).default(16))
    .addOption(new Option('--no-sharing', 'no request reuses pages of another one').conflicts('kvCache'))
    .option('--no-kv-cache', 'keep no keys and values at all: compute the whole sequence again for each token')
    .option('--json', 'print a one-line summary as JSON')
    .addHelpText('after', EXAMPLES);
  addEngineOptions(command).action((requests: string, flags: BatchFlags) => batch(requests, flags, context));
}

/** Both files are opened before the model is: what is wrong with them should not take a load to find out. */
async function batch(requestsPath: string, flags: BatchFlags, context: CommandContext): Promise<void> {
  const requests = await openRequests(requestsPath);
  if (isSameFile(requestsPath, flags.out)) {
    throw new CommandError('CONFLICTING_OPTIONS', `--out is the request file itself (${flags.out}); give another file.`);
  }
  const answers = await openLineFile(flags.out);
  try {
    await serveFile(requests, answers, { flags, context });
  } finally {
    await answers.close();
  }
}

async function serveFile(
  requests: AsyncIterable<string>,
  answers: LineFile,
  { flags, context }: { readonly flags: BatchFlags; readonly context: CommandContext },
): Promise<void> {
  const folder = modelFolder(flags.model);
  const progress = createProgress(context.stderr, progressKind(context.stderr, 'program'));
  const summary = await withEngine(context, { folder, options: batchEngineOptions(flags, context) }, async (engine) => {
    progress.start('requests', 0);
    return serveBatch(engine, requests, {
      concurrency: flags.concurrency,
      signal: context.interrupt.signal,
      now: () => performance.now(),
      describe(error) {
        const { code, message } = describeFailure(error);
        return { code, message };
      },
      async onAnswer(answer) {
        await answers.append(answerFields(answer));
        progress.advance();
      },
    }).finally(() => progress.stop());
  });
  report(summary, flags, context);
}
