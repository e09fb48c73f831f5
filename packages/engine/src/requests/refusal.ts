import type { SequenceRequest, SubmitResult } from '@octavo/scheduler';
import { EngineError } from '../errors.ts';

/** What a refusal of the scheduler means to a caller, with its numbers. Pure. */
export function refusal(refused: Extract<SubmitResult, { readonly ok: false }>, request: SequenceRequest): EngineError {
  const { needed, available } = refused;
  if (refused.reason === 'queue-full') {
    return new EngineError(
      'QUEUE_FULL',
      `As many sequences wait already as may (${available}): try again later, or open with a larger maxWaiting.`,
      {
        details: { waiting: available, maxWaiting: available },
      },
    );
  }
  const { prompt, maxTokens } = request;
  return new EngineError(
    'PROMPT_OVER_POOL',
    `Prompt and completion of ${prompt.length} + ${maxTokens} tokens need ${needed} pages, and a sequence can have ${available}: shorten it, lower maxTokens, or open with more pages.`,
    { details: { neededPages: needed, availablePages: available, promptTokens: prompt.length, maxTokens } },
  );
}
