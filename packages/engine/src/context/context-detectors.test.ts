import { describe, expect, it } from 'vitest';
import type { SessionTurn } from './context-detector.ts';
import { SessionMemory } from './session-memory.ts';
import { overlap, similarity } from './similarity.ts';
import { tagSets } from './tag-sets.ts';

/** Numbers of a generator of their own: no run of one occurs in another. */
function topic(seed: number, count: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state % 30_000;
  });
}

function turn(next: Partial<SessionTurn>, before: Partial<SessionTurn['previous']>): SessionTurn {
  return {
    session: 's',
    salt: '',
    ids: new Uint32Array(),
    tags: [],
    previous: { ids: new Uint32Array(), tags: [], ...before },
    ...next,
  };
}

describe('the detector of tag sets', () => {
  it('says that the context changed when a tag of before is gone, and not when one came', () => {
    const changed = tagSets();
    expect(changed(turn({ tags: ['repo:shop'] }, { tags: ['repo:billing'] }))).toBe(true);
    expect(changed(turn({ tags: [] }, { tags: ['repo:billing'] }))).toBe(true);
    expect(changed(turn({ tags: ['b', 'a', 'c'] }, { tags: ['a', 'b'] }))).toBe(false);
    expect(changed(turn({}, {}))).toBe(false);
  });
});

describe('the detector of similarity', () => {
  const system = topic(1, 100);
  const billing = topic(2, 600);
  const shop = topic(3, 600);
  const asked = (ids: number[], before: number[]) =>
    turn({ ids: Uint32Array.from(ids) }, { ids: Uint32Array.from(before) });

  it('takes a conversation that goes on for the same context, also when it was truncated', () => {
    const changed = similarity();
    expect(changed(asked([...system, ...billing, ...topic(4, 50)], [...system, ...billing]))).toBe(false);
    expect(changed(asked([...system, ...billing.slice(400), ...topic(4, 50)], [...system, ...billing]))).toBe(false);
  });

  it('notices another code base behind the same system prompt', () => {
    expect(similarity()(asked([...system, ...shop], [...system, ...billing]))).toBe(true);
  });

  it('goes by the threshold: 100 of 700 tokens in common are a seventh', () => {
    const one = Uint32Array.from([...system, ...shop]);
    const other = Uint32Array.from([...system, ...billing]);
    expect(overlap(one, other, 4)).toBeCloseTo(97 / 697, 3);
    expect(similarity({ threshold: 0.1 })(asked([...one], [...other]))).toBe(false);
    expect(similarity({ threshold: 0.2 })(asked([...one], [...other]))).toBe(true);
  });

  it('says nothing about prompts that are too short to tell', () => {
    expect(similarity()(asked([1, 2, 3], [7, 8, 9, 10, 11]))).toBe(false);
  });

  it('refuses absurd options', () => {
    expect(() => similarity({ threshold: 2 })).toThrow('threshold is 2: give a number from 0 to 1.');
    expect(() => similarity({ shingleTokens: 0 })).toThrow('shingleTokens is 0: give an integer of at least 1.');
  });
});

describe('the memory of sessions', () => {
  const said = (...ids: number[]) => ({ ids: Uint32Array.from(ids), tags: ['t'] });

  it('gives the turn before, apart for each salt and session', () => {
    const memory = new SessionMemory();
    expect(memory.next({ salt: '', session: 'a' }, said(1))).toBeUndefined();
    expect(memory.next({ salt: 'x', session: 'a' }, said(2))).toBeUndefined();
    expect(memory.next({ salt: '', session: 'b' }, said(3))).toBeUndefined();
    expect(memory.next({ salt: '', session: 'a' }, said(4))).toEqual(said(1));
    expect(memory.next({ salt: '', session: 'a' }, said(5))).toEqual(said(4));
  });

  it('keeps the last 4,096 tokens of a session, and a thousand sessions', () => {
    const memory = new SessionMemory();
    memory.next({ salt: '', session: 'long' }, said(...Array.from({ length: 5000 }, (_, i) => i)));
    const past = memory.next({ salt: '', session: 'long' }, said(1));
    expect(past?.ids.length).toBe(4096);
    expect(past?.ids[0]).toBe(5000 - 4096);
    for (let n = 0; n < 1000; n += 1) memory.next({ salt: '', session: `s${n}` }, said(n));
    expect(memory.next({ salt: '', session: 'long' }, said(1))).toBeUndefined();
    expect(memory.next({ salt: '', session: 's500' }, said(1))).toEqual(said(500));
  });
});
