import { describe } from 'vitest';
import { describeVariants } from './contract/tokens.testing.ts';
import { shopkeeper, temporaryFolder } from './engine.testing.ts';
import { describeEngineContract } from './engine-contract.testing.ts';
import { openEngine } from './open-engine.ts';

describeEngineContract('in-thread');

describe('an engine, whatever its options', () => {
  const cacheFolder = temporaryFolder();
  describeVariants((options = {}, folder = shopkeeper.folder) =>
    openEngine(folder, { mode: 'in-thread', cacheFolder, ...options }),
  );
});
