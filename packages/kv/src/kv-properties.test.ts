import fc from 'fast-check';
import { describe, it } from 'vitest';
import { INDEXES, PROPERTY_RUNS } from './cache.testing.ts';
import { kvCommands } from './kv-arbitrary.testing.ts';
import { expectCleanEnd } from './kv-commands.testing.ts';
import { DrivenCache, KvModel } from './kv-model.testing.ts';
import { createKvCache } from './paged-kv-cache.ts';

// Tight pools: a sequence alone may need all pages, so refusals and evictions are common.
const POOL = fc.record({ pageSize: fc.integer({ min: 1, max: 4 }), spare: fc.integer({ min: 0, max: 12 }) });
const TIMEOUT_MS = 60_000 + 50 * PROPERTY_RUNS;

function checkLives(indexes: readonly ('radix' | 'linear')[]): void {
  fc.assert(
    fc.property(POOL, kvCommands(), ({ pageSize, spare }, commands) => {
      const pages = 2 + Math.ceil(24 / pageSize) + spare;
      const driven = indexes.map(
        (index) => new DrivenCache(createKvCache({ pages, pageSize, index, ghostEntries: 500 })),
      );
      const model = new KvModel(pageSize);
      fc.modelRun(() => ({ model, real: driven }), commands);
      expectCleanEnd(model, driven);
    }),
    { numRuns: PROPERTY_RUNS },
  );
}

describe.each(INDEXES)('a cache with the %s index, driven at random', (index) => {
  it(
    'keeps every law, reuses the longest common prefix to the token, and leaves no page behind',
    () => {
      checkLives([index]);
    },
    TIMEOUT_MS,
  );
});

describe('the radix index and the naive one, driven alike', () => {
  it(
    'answer alike, evict alike and explain misses alike',
    () => {
      checkLives(['radix', 'linear']);
    },
    TIMEOUT_MS,
  );
});
