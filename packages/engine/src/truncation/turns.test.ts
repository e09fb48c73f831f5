import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../api.ts';
import { dropOldTurns } from './turns.ts';

const system = (content: string): Message => ({ role: 'system', content });
const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });
const lettersOf = (messages: readonly Message[]) => messages.reduce((sum, { content }) => sum + content.length, 0);

describe('dropOldTurns', () => {
  const talk = [system('ss'), user('aa'), assistant('bb'), user('cc'), assistant('dd'), user('ee')];

  it('drops the oldest turns whole, and no more of them than it must', () => {
    const shorter = dropOldTurns(talk, (messages) => lettersOf(messages) <= 9);
    expect(shorter).toEqual({ messages: [talk[0], talk[3], talk[4], talk[5]], droppedMessages: 2 });
  });

  it('keeps the system messages and the last turn to the end', () => {
    expect(dropOldTurns(talk, (messages) => messages.length <= 2)).toEqual({
      messages: [talk[0], talk[5]],
      droppedMessages: 4,
    });
  });

  it('gives up when the last turn alone does not fit', () => {
    expect(dropOldTurns(talk, () => false)).toBeUndefined();
    expect(dropOldTurns([user('a')], () => false)).toBeUndefined();
    expect(dropOldTurns([system('a')], () => false)).toBeUndefined();
  });

  it('drops what the assistant says before the first message of the user, as a turn of its own', () => {
    const greeted = [system('s'), assistant('hello'), user('a'), assistant('b'), user('c')];
    expect(dropOldTurns(greeted, (messages) => lettersOf(messages) <= 4)?.messages).toEqual([
      greeted[0],
      greeted[2],
      greeted[3],
      greeted[4],
    ]);
  });

  it('finds the longest ending that fits, like trying them all', () => {
    const turns = fc.array(fc.tuple(fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 })), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(turns, fc.nat({ max: 80 }), (said, limit) => {
        const messages = [system('ss'), ...said.flatMap(([asked, answer]) => [user(asked), assistant(answer)])];
        const endings = said.map((_, turn) => [messages[0] as Message, ...messages.slice(1 + 2 * turn)]).slice(1);
        const expected = endings.find((ending) => lettersOf(ending) <= limit);
        expect(dropOldTurns(messages, (shorter) => lettersOf(shorter) <= limit)?.messages).toEqual(expected);
      }),
    );
  });
});
