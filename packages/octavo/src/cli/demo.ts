/** `octavo demo`: the shipped model serves a shop, once without sharing and once with it. */
import { availableParallelism, cpus } from 'node:os';
import type { EngineOptions } from '@octavo/engine';
import type { Command } from 'commander';
import { counted } from '../counted.ts';
import { type DemoReport, makeReport, type SampleConversation } from '../demo/report.ts';
import { type DemoRun, type RunNumbers, serveQuestions } from '../demo/serve-questions.ts';
import { inArrivalOrder, type Question, readWorkload } from '../demo/workload.ts';
import { shippedModel } from '../shipped-model.ts';
import type { CommandContext } from './context.ts';
import { CommandError } from './errors.ts';
import { addEngineOptions, type EngineFlags, engineOptions, wholeOption } from './options.ts';
import { formatCount, formatTable, type Output, roundMs } from './output.ts';
import { createProgress, type Progress, progressKind } from './progress.ts';
import { withEngine } from './with-engine.ts';

interface DemoFlags extends EngineFlags {
  readonly questions?: number;
  readonly customers: number;
  readonly json?: true;
}

/** Both runs use the same pool: room for the whole catalog and every conversation about it, so that nothing is evicted. */
const DEMO_PAGES = 4096;
const ARRIVAL_SEED = 1;

const EXAMPLES = `
Examples:
  octavo demo
  octavo demo --questions 60 --customers 4 --weights q8
  octavo demo --json > demo.json
`;

export function addDemo(program: Command, context: CommandContext): void {
  const command = program
    .command('demo')
    .description('serve 300 questions about 60 products with the shipped model, without sharing and with it')
    .addOption(wholeOption('--questions <n>', 'ask only the first n of them (default: all)', 1))
    .addOption(wholeOption('--customers <n>', 'customers at a time', 1).default(16))
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES);
  addEngineOptions(command).action((flags: DemoFlags) => demo(flags, context));
}

async function demo(flags: DemoFlags, context: CommandContext): Promise<void> {
  const { output, stderr } = context;
  const workload = await readWorkload(shippedModel());
  const questions = inArrivalOrder(workload.questions, ARRIVAL_SEED).slice(0, flags.questions);
  const progress = createProgress(stderr, progressKind(stderr, flags.json === true ? 'program' : 'person'));
  const serve = { questions, flags, context, progress };
  const off = await serveOnce({ label: 'sharing off', sharing: false }, serve);
  const on = await serveOnce({ label: 'sharing on ', sharing: true }, serve);
  const report = makeReport(workload, questions, { customers: flags.customers, off, on });
  if (flags.json === true) output.json(reportFields(report));
  else printReport(report, output);
  if (!report.sameAnswers) {
    throw new CommandError(
      'ANSWERS_DIFFER',
      `${counted(report.differing.length, 'question was', 'questions were')} answered differently with sharing; please report ${report.differing.join(', ')}.`,
    );
  }
}

interface ServeContext {
  readonly questions: readonly Question[];
  readonly flags: DemoFlags;
  readonly context: CommandContext;
  readonly progress: Progress;
}

async function serveOnce(
  run: { readonly label: string; readonly sharing: boolean },
  { questions, flags, context, progress }: ServeContext,
): Promise<DemoRun> {
  const options: EngineOptions = {
    pages: DEMO_PAGES,
    maxSequences: flags.customers,
    ...engineOptions(flags, context.env),
    sharing: run.sharing,
  };
  return withEngine(context, { model: { model: shippedModel() }, options, reader: 'program' }, async (engine) => {
    progress.start(run.label, questions.length);
    try {
      return await serveQuestions(engine, questions, {
        customers: flags.customers,
        signal: context.interrupt.signal,
        now: () => performance.now(),
        onAnswer: progress.advance,
      });
    } finally {
      progress.stop();
    }
  });
}

/** The report as `--json` prints it, with the machine that it was made on. */
function reportFields(report: DemoReport): object {
  return {
    ...report,
    sharingOff: roundNumbers(report.sharingOff),
    sharingOn: roundNumbers(report.sharingOn),
    machine: { processor: cpus()[0]?.model ?? 'unknown', threads: availableParallelism(), node: process.version },
  };
}

function roundNumbers(numbers: RunNumbers): RunNumbers {
  const { hitRate, ttftMs, wallMs, outputTokensPerSecond } = numbers;
  return {
    ...numbers,
    hitRate: Number(hitRate.toFixed(4)),
    ttftMs: { p50: roundMs(ttftMs.p50), p95: roundMs(ttftMs.p95) },
    wallMs: roundMs(wallMs),
    outputTokensPerSecond: Number(outputTokensPerSecond.toFixed(1)),
  };
}

function printReport(report: DemoReport, output: Output): void {
  const { colors } = output;
  const { questions, products, customers } = report;
  output.line(
    `\n${counted(questions, 'question')} about ${counted(products, 'product')}, ${counted(customers, 'customer')} at a time\n`,
  );
  output.line(formatDemoTable(report));
  output.line(
    report.sameAnswers
      ? `\n${colors.green('Both runs gave the same answers, word for word.')}`
      : `\n${colors.red(`${counted(report.differing.length, 'answer differs', 'answers differ')} between the runs.`)}`,
  );
  for (const conversation of report.conversations) output.line(`\n${formatConversation(conversation, output)}`);
}

/** The two runs side by side. Pure. */
function formatDemoTable({ sharingOff, sharingOn }: DemoReport): string {
  const rows: readonly (readonly [string, (numbers: RunNumbers) => string])[] = [
    ['correct answers', ({ correctAnswers, questions }) => `${correctAnswers} of ${questions}`],
    ['prompt tokens', ({ promptTokens }) => formatCount(promptTokens)],
    ['computed tokens', ({ computedTokens }) => formatCount(computedTokens)],
    ['hit rate', ({ hitRate }) => `${(100 * hitRate).toFixed(1)} %`],
    ['time to first token, p50', ({ ttftMs }) => `${ttftMs.p50.toFixed(1)} ms`],
    ['time to first token, p95', ({ ttftMs }) => `${ttftMs.p95.toFixed(1)} ms`],
    ['output tokens a second', ({ outputTokensPerSecond }) => formatCount(outputTokensPerSecond)],
    ['peak pages', ({ peakPages }) => formatCount(peakPages)],
    ['time', ({ wallMs }) => `${(wallMs / 1000).toFixed(2)} s`],
  ];
  return formatTable([
    ['', 'sharing off', 'sharing on'],
    ...rows.map(([name, format]) => [name, format(sharingOff), format(sharingOn)]),
  ]);
}

function formatConversation(sample: SampleConversation, { colors }: Output): string {
  const turns = [...sample.messages, { role: 'assistant', content: sample.answer }];
  const reuse = `${sample.cachedTokens} of ${sample.promptTokens} prompt tokens were cached`;
  return [
    colors.bold(sample.product) + colors.dim(`  (${reuse})`),
    ...turns.map(({ role, content }) => `  ${(role === 'user' ? 'customer' : 'assistant').padEnd(9)}  ${content}`),
    ...(sample.isCorrect ? [] : [colors.red(`  expected   ${sample.expected}`)]),
  ].join('\n');
}
