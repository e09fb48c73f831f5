/** One run of the demo: customers ask, an engine answers, and what it took is added up. */
import type { Engine, Timings, Usage } from '@octavo/engine';
import { eachInFlight } from '../in-flight.ts';
import { isCorrect, percentile } from './evaluation.ts';
import type { Question } from './workload.ts';

export interface Answer {
  readonly text: string;
  readonly isCorrect: boolean;
  readonly usage: Usage;
  readonly timings: Timings;
}

/** The row of one run in the demo's table. */
export interface RunNumbers {
  readonly questions: number;
  readonly correctAnswers: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly computedTokens: number;
  readonly completionTokens: number;
  /** cachedTokens / promptTokens */
  readonly hitRate: number;
  readonly ttftMs: { readonly p50: number; readonly p95: number };
  /** First question to last answer; loading the model is not in it. */
  readonly wallMs: number;
  readonly outputTokensPerSecond: number;
  /** Pages that running sequences held at most, shared ones counted once; what is merely kept for later prompts does not count. */
  readonly peakPages: number;
}

export interface DemoRun {
  readonly numbers: RunNumbers;
  /** By question id. */
  readonly answers: ReadonlyMap<string, Answer>;
}

export interface ServeOptions {
  /** Customers at a time; each asks its next question when it has the answer to the last one. */
  readonly customers: number;
  readonly signal: AbortSignal;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  readonly onAnswer: () => void;
}

/** Throws the signal's reason when it is aborted. */
export async function serveQuestions(
  engine: Engine,
  questions: readonly Question[],
  options: ServeOptions,
): Promise<DemoRun> {
  await warmUp(engine, questions, options.signal);
  const answers = new Map<string, Answer>();
  const beganMs = options.now();
  await eachInFlight(questions, options.customers, async (question) => {
    const result = await engine.chat({ messages: question.messages, signal: options.signal }).result();
    const text = result.text ?? '';
    answers.set(question.id, {
      text,
      isCorrect: isCorrect(text, question),
      usage: result.usage,
      timings: result.timings,
    });
    options.onAnswer();
  });
  const wallMs = options.now() - beganMs;
  const { peakPages } = await engine.stats();
  return { numbers: numbersOf([...answers.values()], { wallMs, peakPages }), answers };
}

/** Questions asked before the clock starts, and how many of them at a time: fewer than in the run, so that they set no peak of pages. */
const WARM_UP = { questions: 8, customers: 4 };

/** The first steps of an engine allocate and compile; both runs are spared that, and neither finds pages of it. */
async function warmUp(engine: Engine, questions: readonly Question[], signal: AbortSignal): Promise<void> {
  await eachInFlight(questions.slice(0, WARM_UP.questions), WARM_UP.customers, async ({ messages }) => {
    await engine.chat({ messages, cache: 'bypass', signal }).result();
  });
}

function numbersOf(
  answers: readonly Answer[],
  measured: { readonly wallMs: number; readonly peakPages: number },
): RunNumbers {
  const sum = (pick: (answer: Answer) => number): number => answers.reduce((total, answer) => total + pick(answer), 0);
  const promptTokens = sum(({ usage }) => usage.promptTokens);
  const cachedTokens = sum(({ usage }) => usage.cachedTokens);
  const completionTokens = sum(({ usage }) => usage.completionTokens);
  const waits = answers.map(({ timings }) => timings.ttftMs);
  return {
    questions: answers.length,
    correctAnswers: answers.filter((answer) => answer.isCorrect).length,
    promptTokens,
    cachedTokens,
    computedTokens: sum(({ usage }) => usage.computedTokens),
    completionTokens,
    hitRate: promptTokens === 0 ? 0 : cachedTokens / promptTokens,
    ttftMs: { p50: percentile(waits, 0.5), p95: percentile(waits, 0.95) },
    wallMs: measured.wallMs,
    outputTokensPerSecond: (completionTokens * 1000) / measured.wallMs,
    peakPages: measured.peakPages,
  };
}
