/** What an open engine promises, whatever thread it runs in: one suite, passed by both modes. */
import { describe } from 'vitest';
import type { EngineOptions } from './api.ts';
import { describeAborts } from './contract/aborts.testing.ts';
import { describeCache } from './contract/cache.testing.ts';
import { describeCacheFiles } from './contract/cache-files.testing.ts';
import { describeErrors } from './contract/errors.testing.ts';
import { describeLifecycle } from './contract/lifecycle.testing.ts';
import { describeScoring } from './contract/scoring.testing.ts';
import { describeStreams } from './contract/streams.testing.ts';
import { describeTokens } from './contract/tokens.testing.ts';
import { describeTruncation } from './contract/truncation.testing.ts';
import { type OpenModel, shopkeeper, temporaryFolder } from './engine.testing.ts';
import { openEngine } from './open-engine.ts';

export function describeEngineContract(mode: NonNullable<EngineOptions['mode']>): void {
  const cacheFolder = temporaryFolder();
  const open: OpenModel = (options = {}, folder = shopkeeper.folder) =>
    openEngine(folder, { mode, cacheFolder, ...options });
  describe(`an engine in ${mode} mode`, () => {
    describeTokens(open);
    describe('streaming', () => describeStreams(open));
    describeAborts(open);
    describeScoring(open);
    describe('a prompt over its limit', () => describeTruncation(open));
    describe('the cache', () => describeCache(open));
    describe('a cache file', () => describeCacheFiles(open));
    describeErrors(open);
    describeLifecycle(open);
  });
}
