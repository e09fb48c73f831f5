import { defineConfig } from 'vitest/config';

// Forks, not threads: the runtime aborts the process when a thread that runs a session is ended.
// Siblings are taken from their sources, so that a stale build cannot hide a change.
export default defineConfig({
  resolve: { conditions: ['octavo-source'] },
  ssr: { resolve: { conditions: ['octavo-source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
