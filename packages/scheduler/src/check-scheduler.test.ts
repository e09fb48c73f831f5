import { createKvCache, type KvCache } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import { INTERNALS } from './internals.ts';
import { drain, range, steps, submit, TinyExecutor, worldOf } from './scheduler.testing.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import type { Sequence } from './sequence.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Busy {
  readonly scheduler: Scheduler;
  readonly decoding: Mutable<Sequence>;
  readonly producing: Mutable<Sequence>;
  readonly parked: Mutable<Sequence>;
  readonly waiting: Mutable<Sequence>;
}

/** One sequence of each kind, between two steps. */
function busy(): Busy {
  const world = worldOf({ maxSequences: 2, tokenBudget: 10, checks: 'none' });
  const ids = [submit(world.scheduler, range(0, 7), { maxTokens: 20 })];
  steps(world, 1);
  for (const prompt of [range(50, 40), range(50, 40), [7]]) ids.push(submit(world.scheduler, prompt));
  steps(world, 2);
  const { book } = world.scheduler[INTERNALS]();
  const [decoding, producing, parked, waiting] = ids.map((id) => book.findLive(id)!);
  return {
    scheduler: world.scheduler,
    decoding: decoding!,
    producing: producing!,
    parked: parked!,
    waiting: waiting!,
  };
}

type Spoil = (busy: Busy) => void;

describe('checkScheduler', () => {
  it('finds nothing wrong with a scheduler that has sequences of every state', () => {
    const { scheduler, decoding, producing, parked, waiting } = busy();
    expect(checkScheduler(scheduler)).toEqual([]);
    expect([decoding, producing, parked, waiting].map(({ state }) => state)).toEqual([
      'running',
      'running',
      'parked',
      'waiting',
    ]);
  });

  it.each<[string, Spoil, RegExp]>([
    [
      'an ended sequence that is kept',
      ({ waiting }) => (waiting.state = 'ended'),
      /law 10: sequence 4 \(ended\) is among the live/,
    ],
    [
      'a running sequence without a lease',
      ({ decoding }) => (decoding.lease = undefined),
      /law 10: sequence 1 .* lease disagree/,
    ],
    [
      'a waiting sequence with a lease',
      ({ waiting, decoding }) => (waiting.lease = decoding.lease),
      /law 10: sequence 4 .* lease disagree/,
    ],
    ['more tokens than storage', ({ decoding }) => (decoding.tokenCount = 27), /sequence 1 .* has 27 of 27 tokens/],
    [
      'more computed tokens than tokens',
      ({ decoding }) => (decoding.computedTokens = 99),
      /99 computed and 0 scheduled of 10 tokens/,
    ],
    ['tokens scheduled between steps', ({ decoding }) => (decoding.scheduledTokens = 1), /is scheduled between steps/],
    [
      'computed tokens that were never reached',
      ({ decoding }) => (decoding.reachedTokens = 2),
      /reached 2, computed 9/,
    ],
    [
      'a token that was neither cached nor computed',
      ({ producing }) => (producing.firstRunTokens -= 1),
      /0 cached \+ 17 computed, not 18/,
    ],
    [
      'an abort that nobody carried out',
      ({ decoding }) => (decoding.abortRequested = true),
      /law 10: sequence 1 .* awaits its abort/,
    ],
    [
      'a parked sequence that is not counted',
      ({ scheduler }) => (scheduler[INTERNALS]().admission.parkedCount = 0),
      /1 parked, not 0/,
    ],
    [
      'a queued sequence that is not queued',
      ({ scheduler, waiting }) => scheduler[INTERNALS]().admission.queue.remove(waiting),
      /1 wait, 0 queue/,
    ],
    [
      'a queued sequence that runs',
      ({ scheduler, decoding }) => scheduler[INTERNALS]().admission.queue.push(decoding),
      /sequence 1 is queued and running/,
    ],
    ['a wrong place in the queue', ({ waiting }) => (waiting.queuePlace = 3), /queued at another place/],
  ])('finds %s', (_, spoil, message) => {
    const state = busy();
    spoil(state);
    expect(checkScheduler(state.scheduler).join('\n')).toMatch(message);
  });

  it('finds a queue that is out of order', () => {
    const state = busy();
    const urgent = submit(state.scheduler, [9]);
    (state.scheduler[INTERNALS]().book.findLive(urgent) as Mutable<Sequence>).priority = 9;
    expect(checkScheduler(state.scheduler).join('\n')).toMatch(/sequence 5 is more urgent than the first/);
  });

  it.each<[string, Spoil, RegExp]>([
    ['a seat for two', ({ decoding, producing }) => (producing.seat = decoding.seat), /seat \d is taken twice/],
    ['running sequences out of order', ({ producing }) => (producing.admission = 0), /sequence 2 runs out of order/],
    [
      'a sequence that was preempted too often',
      ({ decoding }) => (decoding.preemptions = 4),
      /law 10: sequence 1 was preempted 4 times/,
    ],
    [
      'a running sequence that says it waits',
      ({ decoding }) => (decoding.state = 'waiting'),
      /sequence 1 is waiting among the running/,
    ],
    [
      'a table that is too short',
      ({ producing }) => {
        producing.computedTokens = 30;
        producing.reachedTokens = 30;
      },
      /law 7: sequence 2 has 5 pages for 30 tokens, not 8/,
    ],
    [
      'a table that is too long',
      ({ producing }) => (producing.computedTokens = 2),
      /law 7: sequence 2 has 5 pages for 2 tokens, not 1/,
    ],
    [
      'an old view of a table',
      ({ decoding }) => (decoding.pageTable = decoding.pageTable.slice()),
      /law 7: sequence 1 looks at an old page table/,
    ],
    [
      'a shared page that is not complete',
      ({ producing }) => (producing.computedTokens = 9),
      /law 6: sequence 2 shares 4 pages with 9 computed tokens/,
    ],
    [
      'a private page in two tables',
      ({ decoding, producing }) => {
        producing.pageTable[4] = decoding.pageTable[2]!;
      },
      /law 6: private page \d+ is in two page tables/,
    ],
    [
      'a page that is private and shared',
      ({ decoding, producing }) => {
        producing.pageTable[4] = decoding.pageTable[0]!;
      },
      /law 6: page \d+ is private and shared/,
    ],
    [
      'a table that points at a free page, by the cache’s own check',
      ({ decoding }) => {
        decoding.pageTable[2] = 60;
      },
      /law 6: .*60/,
    ],
  ])('finds %s', (_, spoil, message) => {
    const state = busy();
    spoil(state);
    expect(checkScheduler(state.scheduler).join('\n')).toMatch(message);
  });

  it.each<[string, Spoil, RegExp]>([
    [
      'a waiter of another salt',
      ({ parked }) => (parked.salt = 'other'),
      /law 12: sequence 3 waits for 2 of another salt or mode/,
    ],
    ['a waiter that bypasses', ({ parked }) => (parked.mode = 'bypass'), /law 12: sequence 3 waits for 2/],
    [
      'a page that will not come',
      ({ parked }) => (parked.awaitedPage = 0),
      /law 10: sequence 3 waits for page 0, which will not come/,
    ],
    [
      'a waiter that its producer does not know',
      ({ producing }) => {
        producing.waiters.length = 0;
      },
      /1 are parked, 0 are waited for/,
    ],
    [
      'a parked sequence without producer',
      ({ parked }) => (parked.producer = undefined),
      /sequence 3 is parked, and its producer says otherwise/,
    ],
    [
      'somebody who waits for a waiting one',
      ({ waiting, parked }) => waiting.waiters.push(parked as Sequence),
      /sequence 4 is waiting and waited for/,
    ],
    [
      'pages in flight that nobody produces',
      ({ producing }) => (producing.firstInFlight = 9),
      /6 pages are in flight, not 1/,
    ],
  ])('finds %s', (_, spoil, message) => {
    const state = busy();
    spoil(state);
    expect(checkScheduler(state.scheduler).join('\n')).toMatch(message);
  });

  it('proves the plan in flight', () => {
    const { scheduler } = busy();
    const plan = scheduler.plan()!;
    expect(checkScheduler(scheduler)).toEqual([]);
    plan.slots[1] = plan.slots[0]!;
    expect(checkScheduler(scheduler).join('\n')).toMatch(/law 8/);
  });

  it('does without the cache’s own check when the cache is of another make', () => {
    const own = createKvCache({ pages: 20, pageSize: 4 });
    // A proxy of its methods: not an object that the package made.
    const foreign = new Proxy({} as KvCache, {
      get: (_, name) => {
        const value: unknown = Reflect.get(own, name, own);
        return typeof value === 'function' ? value.bind(own) : value;
      },
    });
    const scheduler = createScheduler({ kv: foreign, maxSequences: 2, tokenBudget: 8, maxWaiting: 8 });
    submit(scheduler, range(0, 9));
    expect(drain(scheduler, new TinyExecutor({ pages: 20, pageSize: 4, alphabet: 9 })).size).toBe(1);
    expect(checkScheduler(scheduler)).toEqual([]);
  });
});
