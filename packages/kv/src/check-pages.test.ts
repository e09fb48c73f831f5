import { describe, expect, it } from 'vitest';
import { acquire } from './cache.testing.ts';
import { checkKv } from './check-kv.ts';
import { INTERNALS } from './internals.ts';
import { expectFault, specimen } from './kv-specimen.testing.ts';
import { PAGE_STATES } from './page-pool.ts';
import type { PageId } from './units.ts';

describe('checkKv names law 1', () => {
  it('when a page is in no state', () =>
    expectFault(({ pool }) => {
      pool.states[10] = 9;
    }, 'law 1: page 10 is in state unknown (9), which is none of the four'));

  it('when the null page is allocated', () =>
    expectFault(({ pool }) => {
      pool.states[0] = PAGE_STATES.private;
    }, 'law 1: the null page is private'));

  it('when another page claims to be the null page', () =>
    expectFault(({ pool }) => {
      pool.states[10] = PAGE_STATES.null;
    }, 'law 1: page 10 is in state null, which is none of the four'));

  it('when a kept count is wrong', () =>
    expectFault(({ pool }) => {
      pool.stateCounts[PAGE_STATES.published] = 7;
    }, 'law 1: 6 pages are published, but 7 are counted'));

  it('when a page of the index is not published', () =>
    expectFault(
      ({ pool }) => {
        pool.states[2] = PAGE_STATES.detached;
      },
      expect.stringMatching(/^law 1: page 2 of node \d+ is detached$/),
    ));

  it('when a published page is not in the index', () =>
    expectFault(({ pool }) => {
      pool.states[10] = PAGE_STATES.published;
    }, 'law 1: page 10 is published, but in no node'));
});

describe('checkKv names law 2', () => {
  it('when a page is in the free list twice', () =>
    expectFault(({ pool }) => {
      pool.freeStack[1] = pool.freeStack[0] as number;
    }, 'law 2: page 19 is in the free list twice'));

  it('when a free page is not in the list', () =>
    expectFault(({ pool }) => {
      pool.freeStack[1] = pool.freeStack[0] as number;
    }, 'law 2: free page 18 is not in the free list'));

  it('when a page in the list is in use', () =>
    expectFault(({ pool }) => {
      pool.freeStack[0] = 4;
    }, 'law 2: page 4 is in the free list, but is private'));

  it('when the place of a free page is wrong', () =>
    expectFault(({ pool }) => {
      pool.freeAt[19] = 5;
    }, 'law 2: page 19 is at 0 of the free list, not at 5'));
});

describe('checkKv names law 3', () => {
  it('when a reference count is not the number of holders', () =>
    expectFault(({ pool }) => {
      pool.references[2] = 2;
    }, 'law 3: page 2 has reference count 2, but 1 page tables hold it and 0 transfers read it'));

  it('when nothing holds a page that is in use', () =>
    expectFault(({ pool }) => {
      pool.states[10] = PAGE_STATES.private;
    }, 'law 3: page 10 is private, but nothing holds it'));

  it('when a transfer reads a free page', () => {
    const { cache, parts } = specimen();
    const reader = acquire(cache, 'eeeeff!');
    expect(reader.copies.length).toBe(1);
    const from = reader.copies[0]?.from as PageId;
    parts.pool[INTERNALS]().states[from] = PAGE_STATES.free;
    expect(checkKv(cache)).toContain(`law 3: lease 2 (salt "") is to copy from free page ${from}`);
  });
});
