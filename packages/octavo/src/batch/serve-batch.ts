/** Serves request lines, N at a time, and counts. Knows neither files nor terminals. */
import type { Engine, GenerateResult } from '@octavo/engine';
import { eachInFlight } from '../in-flight.ts';
import { type LineId, parseRequestLine } from './request-line.ts';

/** One line of the output file. */
export type BatchAnswer =
  | {
      readonly id: LineId;
      readonly ids: readonly number[];
      /** Absent for a model without a tokenizer. */
      readonly text?: string;
      readonly finishReason: GenerateResult['finishReason'];
      readonly usage: GenerateResult['usage'];
      readonly timings: BatchTimings;
      /** There when tokens were drawn, so that the line can be repeated. */
      readonly seed?: number;
    }
  | { readonly id: LineId | null; readonly error: { readonly code: string; readonly message: string } };

export interface BatchTimings {
  /** Since the batch began. */
  readonly submittedMs: number;
  /** The rest: since submission. */
  readonly queueMs: number;
  readonly ttftMs: number;
  readonly totalMs: number;
}

/** Sums over the requests that were answered; `failed` counts the others. */
export interface BatchSummary {
  readonly requests: number;
  readonly failed: number;
  /** First submission to last answer; loading the model is not in it. */
  readonly wallMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** The same by where it came from. */
  readonly cachedFrom: GenerateResult['usage']['cachedFrom'];
  readonly computedTokens: number;
  readonly recomputedTokens: number;
  readonly completionTokens: number;
  readonly preemptions: number;
  readonly peakPages: number;
}

export interface BatchOptions {
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Code and sentence of what a request threw. */
  readonly describe: (error: unknown) => { readonly code: string; readonly message: string };
  /** Called in order of completion; a call may begin before the last one has ended. */
  readonly onAnswer: (answer: BatchAnswer) => Promise<void>;
}

/**
 * Serves every line; blank lines are skipped, bad ones answered with an error while the others go on.
 * Throws the signal's reason when it is aborted (answers so far were handed out), and what `onAnswer` throws.
 */
export async function serveBatch(
  engine: Engine,
  lines: AsyncIterable<string> | Iterable<string>,
  options: BatchOptions,
): Promise<BatchSummary> {
  const sums = newSums();
  const beganMs = options.now();
  const answerLine = lineAnswerer(engine, beganMs, options);
  await eachInFlight(numbered(lines), options.concurrency, async (line) => {
    const answer = await answerLine(line);
    addAnswer(sums, answer);
    await options.onAnswer(answer);
  });
  options.signal.throwIfAborted();
  const wallMs = options.now() - beganMs;
  return { ...sums, wallMs, peakPages: (await engine.stats()).peakPages };
}

interface NumberedLine {
  readonly line: string;
  /** From 1, blank lines counted. */
  readonly lineNumber: number;
}

/** Answers lines of one batch: remembers their ids. Rejects only with the reason of the aborted signal. */
function lineAnswerer(
  engine: Engine,
  beganMs: number,
  { signal, now, describe }: BatchOptions,
): (line: NumberedLine) => Promise<BatchAnswer> {
  const seen = new Set<LineId>();
  return async ({ line, lineNumber }) => {
    const parsed = parseRequestLine(line);
    if (!parsed.ok) return lineError(parsed.id, 'INVALID_LINE', `Line ${lineNumber}: ${parsed.reason}.`);
    const { id, request } = parsed;
    if (seen.has(id)) return duplicateId(id, lineNumber);
    seen.add(id);
    const submittedMs = now() - beganMs;
    try {
      const withSignal = { ...request, signal };
      const generation = 'messages' in withSignal ? engine.chat(withSignal) : engine.generate(withSignal);
      return answerOf(id, await generation.result(), { submittedMs, drawn: (request.temperature ?? 0) > 0 });
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = describe(error);
      return lineError(id, code, message);
    }
  };
}

function duplicateId(id: LineId, lineNumber: number): BatchAnswer {
  const message = `Line ${lineNumber}: an earlier line has the id ${JSON.stringify(id)}; give each line its own.`;
  return lineError(id, 'DUPLICATE_ID', message);
}

function lineError(id: LineId | null, code: string, message: string): BatchAnswer {
  return { id, error: { code, message } };
}

async function* numbered(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<NumberedLine> {
  let lineNumber = 0;
  for await (const line of lines) {
    lineNumber++;
    if (line.trim() !== '') yield { line, lineNumber };
  }
}

function answerOf(
  id: LineId,
  result: GenerateResult,
  request: { readonly submittedMs: number; readonly drawn: boolean },
): BatchAnswer {
  const { ids, text, finishReason, usage, timings } = result;
  const { queueMs, ttftMs, totalMs } = timings;
  return {
    id,
    ids,
    ...(text === undefined ? {} : { text }),
    finishReason,
    usage,
    timings: { submittedMs: request.submittedMs, queueMs, ttftMs, totalMs },
    ...(request.drawn ? { seed: result.seed } : {}),
  };
}

type Sums = { -readonly [Name in Exclude<keyof BatchSummary, 'wallMs' | 'peakPages' | 'cachedFrom'>]: number } & {
  readonly cachedFrom: { memory: number; file: number };
};

function newSums(): Sums {
  return {
    requests: 0,
    failed: 0,
    promptTokens: 0,
    cachedTokens: 0,
    cachedFrom: { memory: 0, file: 0 },
    computedTokens: 0,
    recomputedTokens: 0,
    completionTokens: 0,
    preemptions: 0,
  };
}

function addAnswer(sums: Sums, answer: BatchAnswer): void {
  sums.requests++;
  if ('error' in answer) {
    sums.failed++;
    return;
  }
  const { usage } = answer;
  sums.promptTokens += usage.promptTokens;
  sums.cachedTokens += usage.cachedTokens;
  sums.cachedFrom.memory += usage.cachedFrom.memory;
  sums.cachedFrom.file += usage.cachedFrom.file;
  sums.computedTokens += usage.computedTokens;
  sums.recomputedTokens += usage.recomputedTokens;
  sums.completionTokens += usage.completionTokens;
  sums.preemptions += usage.preemptions;
}
