import { describe, expect, it } from 'vitest';
import { InFlightPages } from './in-flight-pages.ts';
import { promptDigests } from './prompt-digest.ts';
import { range, request } from './scheduler.testing.ts';
import { Sequence } from './sequence.ts';
import { SingleFlight } from './single-flight.ts';

function sequence(id: number): Sequence {
  return new Sequence(id, request([id]));
}

const anybody = (): boolean => true;

describe('InFlightPages', () => {
  it('finds a page by digest and place, and forgets it when it is removed', () => {
    const pages = new InFlightPages();
    const owner = sequence(1);
    pages.add(77, owner, 3);
    expect(pages.find(77, 3, anybody)).toBe(owner);
    expect(pages.find(77, 2, anybody)).toBeUndefined();
    expect(pages.find(78, 3, anybody)).toBeUndefined();
    pages.remove(77, owner, 3);
    expect(pages.find(77, 3, anybody)).toBeUndefined();
    expect(pages.count).toBe(0);
  });

  it('tells owners with equal digests apart by what is confirmed, not by the digest', () => {
    const pages = new InFlightPages();
    const [first, second] = [sequence(1), sequence(2)];
    pages.add(5, first, 0);
    pages.add(5, second, 0);
    expect(pages.find(5, 0, (owner) => owner === first)).toBe(first);
    expect(pages.find(5, 0, () => false)).toBeUndefined();
    pages.remove(5, second, 0);
    expect(pages.find(5, 0, anybody)).toBe(first);
  });

  it('grows, and uses the places of removed pages again', () => {
    const pages = new InFlightPages();
    const owner = sequence(1);
    for (const round of range(0, 3)) {
      for (const page of range(0, 500)) pages.add(page * 64 + round, owner, page);
      expect(pages.count).toBe(500);
      for (const page of range(0, 500)) expect(pages.find(page * 64 + round, page, anybody)).toBe(owner);
      for (const page of range(0, 500)) pages.remove(page * 64 + round, owner, page);
    }
    expect(pages.count).toBe(0);
  });

  it('ignores the removal of a page that is not there', () => {
    const pages = new InFlightPages();
    pages.add(1, sequence(1), 0);
    pages.remove(1, sequence(2), 0);
    expect(pages.count).toBe(1);
  });
});

describe('promptDigests', () => {
  it('has one digest a full page, equal as long as all tokens before are', () => {
    const left = promptDigests(Uint32Array.from([...range(0, 12), 1]), 13, 4, 'a');
    const right = promptDigests(Uint32Array.from([...range(0, 8), 99, 9, 10, 11]), 12, 4, 'a');
    expect([left.length, right.length]).toEqual([3, 3]);
    expect([...left].map((digest, at) => digest === right[at])).toEqual([true, true, false]);
  });

  it('differs from salt to salt', () => {
    const tokens = Uint32Array.from(range(0, 8));
    expect(promptDigests(tokens, 8, 4, 'a')[0]).not.toBe(promptDigests(tokens, 8, 4, 'b')[0]);
  });
});

describe('SingleFlight', () => {
  it('trusts no digest: a sequence with other tokens but equal digests does not wait', () => {
    const flight = new SingleFlight(4, () => {});
    const [producer, same, other] = [range(0, 8), range(0, 8), range(50, 8)].map(
      (prompt, at) => new Sequence(at + 1, request(prompt)),
    );
    for (const one of [producer!, same!, other!]) flight.enter(one);
    other!.digests.set(producer!.digests);
    flight.produce(producer!);
    expect(flight.tryPark(other!, 0)).toBe(false);
    expect(flight.tryPark(same!, 0)).toBe(true);
    expect(same!.awaitedPage).toBe(1);
  });
});
