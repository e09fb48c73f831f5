/** What callers say about truncation, checked and filled in. Runs in the caller's thread; functions stay there. */

import { type CheckTable, checkOptions, integerIn, isAnything, oneOf } from '../checks.ts';
import { EngineError } from '../errors.ts';
import type { TruncateFunction, Truncation, TruncationOptions } from '../truncation-api.ts';

/** What the host is told: plain values. `caller`: it asks back, and the caller answers with another prompt. */
export interface TruncationRule {
  readonly policy: 'refuse' | 'head-and-tail' | 'turns' | 'caller';
  /** Absent: what context, pool and completion leave. */
  readonly limitTokens?: number;
  /** Absent: the system messages, else a quarter of the limit. */
  readonly headTokens?: number;
  readonly whileGenerating: 'stop' | 'slide';
}

export interface ResolvedTruncation {
  readonly rule: TruncationRule;
  /** There with policy `caller`. */
  readonly truncate?: TruncateFunction;
}

export const REFUSE: ResolvedTruncation = { rule: { policy: 'refuse', whileGenerating: 'stop' } };

const checks: CheckTable<TruncationOptions> = {
  policy: isAnything,
  limitTokens: integerIn(1),
  headTokens: integerIn(0),
  whileGenerating: oneOf('stop', 'slide'),
};
const isPolicy = oneOf('refuse', 'head-and-tail', 'turns');

/** Throws UNKNOWN_OPTION, INVALID_OPTION. Pure. */
export function resolveTruncation(where: string, truncation: Truncation | undefined): ResolvedTruncation | undefined {
  if (truncation === undefined) return undefined;
  const options: TruncationOptions =
    typeof truncation === 'string' || typeof truncation === 'function' ? { policy: truncation } : truncation;
  checkOptions(`truncation of ${where}`, options, checks);
  const { policy = 'refuse', limitTokens, headTokens, whileGenerating = 'stop' } = options;
  const wanted = typeof policy === 'function' ? undefined : isPolicy(policy);
  if (wanted !== undefined) {
    throw new EngineError(
      'INVALID_OPTION',
      `truncation of ${where} is ${String(policy)}: give ${wanted} or a function.`,
      {
        details: { option: 'truncation' },
      },
    );
  }
  const limits = {
    ...(limitTokens === undefined ? {} : { limitTokens }),
    ...(headTokens === undefined ? {} : { headTokens }),
    whileGenerating,
  };
  return typeof policy === 'function'
    ? { rule: { policy: 'caller', ...limits }, truncate: policy }
    : { rule: { policy, ...limits } };
}
