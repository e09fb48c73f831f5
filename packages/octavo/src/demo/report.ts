/** What the demo tells: both runs side by side, whether they gave the same answers, and three conversations. */
import type { Message } from '@octavo/engine';
import type { DemoRun, RunNumbers } from './serve-questions.ts';
import type { Question, Workload } from './workload.ts';

export interface SampleConversation {
  readonly id: string;
  /** Name of the product. */
  readonly product: string;
  /** The customer's and the assistant's turns so far; the product description (the system message) is left out. */
  readonly messages: readonly Message[];
  readonly answer: string;
  readonly expected: string;
  readonly isCorrect: boolean;
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

export interface DemoReport {
  readonly products: number;
  readonly questions: number;
  readonly customers: number;
  readonly sharingOff: RunNumbers;
  readonly sharingOn: RunNumbers;
  readonly sameAnswers: boolean;
  /** Ids of questions that the two runs answered differently. */
  readonly differing: readonly string[];
  /** Ids of questions whose answer (of the run with sharing) is wrong. */
  readonly wrong: readonly string[];
  /** From the run with sharing. */
  readonly conversations: readonly SampleConversation[];
}

/** Pure. */
export function makeReport(
  workload: Workload,
  questions: readonly Question[],
  runs: { readonly customers: number; readonly off: DemoRun; readonly on: DemoRun },
): DemoReport {
  const { customers, off, on } = runs;
  const idsWhere = (test: (id: string) => boolean): readonly string[] =>
    questions
      .map(({ id }) => id)
      .filter(test)
      .sort();
  const differing = idsWhere((id) => off.answers.get(id)?.text !== on.answers.get(id)?.text);
  return {
    products: new Set(questions.map(({ product }) => product)).size,
    questions: questions.length,
    customers,
    sharingOff: off.numbers,
    sharingOn: on.numbers,
    sameAnswers: differing.length === 0,
    differing,
    wrong: idsWhere((id) => on.answers.get(id)?.isCorrect === false),
    conversations: pickSamples(workload.questions.filter((question) => on.answers.has(question.id))).map((question) =>
      sampleOf(question, workload, on),
    ),
  };
}

/** A first question, a follow-up, and one about a fact that the description lacks: of each the first about another product, whatever was answered. Pure. */
function pickSamples(questions: readonly Question[]): readonly Question[] {
  const kinds: readonly ((question: Question) => boolean)[] = [
    ({ stated, turn }) => stated && turn === 1,
    ({ stated, turn }) => stated && turn > 1,
    ({ stated }) => !stated,
  ];
  const samples: Question[] = [];
  for (const isKind of kinds) {
    const sample = questions.find(
      (question) => isKind(question) && samples.every(({ product }) => product !== question.product),
    );
    if (sample !== undefined) samples.push(sample);
  }
  return samples;
}

function sampleOf(question: Question, workload: Workload, run: DemoRun): SampleConversation {
  const answer = run.answers.get(question.id)!;
  return {
    id: question.id,
    product: workload.products.find(({ id }) => id === question.product)?.name ?? question.product,
    messages: question.messages.filter(({ role }) => role !== 'system'),
    answer: answer.text,
    expected: question.expected_answer,
    isCorrect: answer.isCorrect,
    promptTokens: answer.usage.promptTokens,
    cachedTokens: answer.usage.cachedTokens,
  };
}
