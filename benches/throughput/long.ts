/** One long document and many questions about it. */

import { joined, seededIds } from '../token-ids.ts';
import { independent, type Workload } from './workload.ts';

export interface LongSize {
  readonly documentTokens: number;
  readonly questions: number;
  readonly questionTokens: number;
  readonly newTokens: number;
  /** Questions of the excerpt: without sharing each costs the whole document. */
  readonly excerptQuestions: number;
}

export const longSize: LongSize = {
  documentTokens: 8_000,
  questions: 32,
  questionTokens: 24,
  newTokens: 32,
  excerptQuestions: 2,
};

const IN_FLIGHT = 16;

export function long(size: LongSize, vocabulary: number): Workload {
  const document = seededIds(21, size.documentTokens, vocabulary);
  const about = (questions: number) =>
    `one document of ${size.documentTokens} tokens, ${questions} questions of ${size.questionTokens}, ${size.newTokens} new, ${IN_FLIGHT} at a time`;
  const requests = Array.from({ length: size.questions }, (_, question) => ({
    ids: joined([document, seededIds(5_000 + question, size.questionTokens, vocabulary)]),
    maxTokens: size.newTokens,
  }));
  const excerpt = independent(
    { name: 'long', about: about(size.excerptQuestions) },
    requests.slice(0, size.excerptQuestions),
    IN_FLIGHT,
  );
  return independent({ name: 'long', about: about(size.questions), excerpt }, requests, IN_FLIGHT);
}
