import { defineConfig } from 'vitest/config';

const report = process.env.OCTAVO_TEST_REPORT;

// Forks, not threads: the runtime aborts the process when a thread that runs a session is ended.
// Siblings are taken from their sources, so that a stale build cannot hide a change.
export default defineConfig({
  resolve: { conditions: ['octavo-source'] },
  ssr: { resolve: { conditions: ['octavo-source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'benches/{*,*/*}.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Tests that open sessions of their own must not report to the runtime's maker.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', 'json'] : ['default'],
    ...(report ? { outputFile: { json: report } } : {}),
  },
});
