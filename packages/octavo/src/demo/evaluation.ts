/** When an answer of the shipped model is right, as its card defines it. */
import type { Question } from './workload.ts';

/** What the model says when the description lacks the fact. */
const NOT_STATED = "The description doesn't say.";

/**
 * "Value correct": the answer contains the expected value as a whole, not as part of a longer number or word; or, for a fact that
 * the description lacks, it is the sentence that says so. Pure.
 */
export function isCorrect(answer: string, question: Question): boolean {
  return question.stated ? containsValue(answer, question.expected_value) : answer === NOT_STATED;
}

/** Whether `text` contains `value` as a whole, not as part of a longer number or word. Pure. */
export function containsValue(answer: string, value: string): boolean {
  const literal = value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`(?<![\\w$])(?<!\\d[.,])${literal}(?!\\w)(?![.,]\\d)`).test(answer);
}

/** The value below which `share` of the values lie (nearest rank); 0 for none. Pure. O(n log n). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
