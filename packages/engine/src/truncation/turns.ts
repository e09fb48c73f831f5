/** How a long conversation becomes a short one: whole old turns go, the system messages and the last turn stay. */
import type { Message } from '../api.ts';

/** A conversation without its oldest turns. */
export interface ShorterConversation {
  readonly messages: readonly Message[];
  /** Messages that were dropped. */
  readonly droppedMessages: number;
}

/**
 * Drops as few of the oldest turns as make `fits` say yes; a turn is a message of the user and everything up to the next one. The
 * leading system messages and the last turn stay; undefined when even they do not fit. Asks `fits` O(log turns) times. Pure but for that.
 */
export function dropOldTurns(
  messages: readonly Message[],
  fits: (messages: readonly Message[]) => boolean,
): ShorterConversation | undefined {
  const afterSystem = messages.findIndex(({ role }) => role !== 'system');
  const first = afterSystem < 0 ? messages.length : afterSystem;
  const head = messages.slice(0, first);
  const turnStarts = messages.flatMap(({ role }, index) => (role === 'user' && index > first ? [index] : []));
  const without = (turns: number): ShorterConversation => {
    const start = turnStarts[turns - 1] ?? first;
    return { messages: [...head, ...messages.slice(start)], droppedMessages: start - first };
  };
  // The fewest turns that have to go: fewer messages never need more tokens.
  let low = 1;
  let high = turnStarts.length + 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(without(middle).messages)) high = middle;
    else low = middle + 1;
  }
  return low <= turnStarts.length ? without(low) : undefined;
}
