/**
 * When the most probable tokens are all that a sampler needs. A wish says what would be enough, in terms that a graph can check; what it gets is either enough or
 * comes with the whole row, so a draw is the same as from all logits.
 *
 * Penalties are taken off in the sampler. Those that only lower scores cannot lift a token above the candidates; so while fewer tokens can be penalised than there
 * are candidates to spare, the best of what is left is among them.
 */
import type { TokenHistory } from './penalties.ts';
import { hasPenalties, type ResolvedSampling } from './resolve-sampling.ts';

export interface CandidateWish {
  /** 1 / temperature. */
  readonly scale: number;
  /** Share of all probability that the candidates have to hold; 0: whatever they hold is enough. */
  readonly mass: number;
  /** Or the weight, relative to the most probable token, that the last of them has to be below. */
  readonly floor: number;
}

/** More than all probability: only the floor can make the candidates enough. */
const NEVER = 2;

/** Undefined: all logits are needed. `count`: candidates that the graph hands out. Pure. */
export function candidateWish(
  sampling: ResolvedSampling,
  count: number,
  history: Pick<TokenHistory, 'tokenCount' | 'promptTokens'>,
): CandidateWish | undefined {
  const penalised = penalisedTokens(sampling, history);
  const { temperature, topK, topP, minP } = sampling;
  if (temperature === 0) return penalised < count ? { scale: 1, mass: 0, floor: 0 } : undefined;
  const scale = 1 / temperature;
  if (topK > 0 && topK + penalised <= count) return { scale, mass: 0, floor: 0 };
  if (topK > 0 || penalised > 0) return undefined;
  if (topP < 1) return { scale, mass: topP, floor: minP };
  return minP > 0 ? { scale, mass: NEVER, floor: minP } : undefined;
}

/** Tokens whose scores penalties may lower; Infinity when they may raise some. */
function penalisedTokens(
  sampling: ResolvedSampling,
  { tokenCount, promptTokens }: Pick<TokenHistory, 'tokenCount' | 'promptTokens'>,
): number {
  if (!hasPenalties(sampling)) return 0;
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = sampling;
  if (repetitionPenalty < 1 || presencePenalty < 0 || frequencyPenalty < 0) return Number.POSITIVE_INFINITY;
  return repetitionPenalty === 1 ? tokenCount - promptTokens : tokenCount;
}
