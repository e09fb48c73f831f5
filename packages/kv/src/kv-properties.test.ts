import fc from 'fast-check';
import { describe, it } from 'vitest';
import { INDEXES, PROPERTY_RUNS } from './cache.testing.ts';
import { kvCommands, type Lives } from './kv-arbitrary.testing.ts';
import { expectCleanEnd } from './kv-commands.testing.ts';
import { DrivenCache, KvModel } from './kv-model.testing.ts';
import { createKvCache } from './paged-kv-cache.ts';

// Tight pools: a sequence alone may need all pages, so refusals and evictions are common.
const POOL = fc.record({ pageSize: fc.integer({ min: 1, max: 4 }), spare: fc.integer({ min: 0, max: 12 }) });
const TIMEOUT_MS = 60_000 + 50 * PROPERTY_RUNS;

// Checking every law after every command takes the time: what the lifetimes runs cover anyway is run less often without them.
const RUNS = {
  plain: Math.ceil(PROPERTY_RUNS / 4),
  timely: Math.ceil(PROPERTY_RUNS / 2),
  late: PROPERTY_RUNS,
} as const;

function checkLives(lives: Lives, indexes: readonly ('radix' | 'linear')[]): void {
  fc.assert(
    fc.property(POOL, kvCommands(lives), ({ pageSize, spare }, commands) => {
      const pages = 2 + Math.ceil(24 / pageSize) + spare;
      const model = new KvModel(pageSize);
      const clock = () => model.nowMs;
      const pinBudgetPages = Math.floor(pages / 4);
      const lifetimes = lives === 'plain' ? {} : { sessionIdleMs: 500 };
      const driven = indexes.map(
        (index) =>
          new DrivenCache(
            createKvCache({ pages, pageSize, index, clock, pinBudgetPages, lifetimes, ghostEntries: 500 }),
          ),
      );
      fc.modelRun(() => ({ model, real: driven }), commands);
      expectCleanEnd(model, driven);
    }),
    { numRuns: RUNS[lives] },
  );
}

describe.each(INDEXES)('a cache with the %s index, driven at random', (index) => {
  it(
    'keeps every law, reuses the longest common prefix to the token, and leaves no page behind',
    () => {
      checkLives('plain', [index]);
    },
    TIMEOUT_MS,
  );
});

describe('a cache whose entries end by request and by time, driven at random', () => {
  it(
    'keeps every law and every pin, finds what is claimed and nothing else, also where expiry is late',
    () => {
      checkLives('late', ['radix']);
    },
    TIMEOUT_MS,
  );
});

describe('the radix index and the naive one, driven alike', () => {
  it(
    'answer alike, evict alike and explain misses alike',
    () => {
      checkLives('timely', ['radix', 'linear']);
    },
    TIMEOUT_MS,
  );
});
