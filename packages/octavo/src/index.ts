export type * from '@octavo/engine';
export {
  ENGINE_ERROR_CODES,
  EngineError,
  FakeRunner,
  openEngine,
  openEngineWith,
  PageLayout,
  PageStore,
  readCacheFile,
  similarity,
  tagSets,
} from '@octavo/engine';
export type * from '@octavo/graph';
export { cacheFolder, compileModel, GraphError, readModelShape } from '@octavo/graph';
export type * from '@octavo/kv';
export { checkKv, createKvCache, fullPagesIn, InvariantBroken, KvError, NULL_PAGE, pagesFor } from '@octavo/kv';
export type * from '@octavo/models';
export { hubSettings, ModelsError, resolveModel } from '@octavo/models';
export type * from '@octavo/scheduler';
export {
  checkPlan,
  checkScheduler,
  createScheduler,
  LEVEL_COUNT,
  RecomputeScheduler,
  SchedulerError,
} from '@octavo/scheduler';
export type * from '@octavo/text';
export { openText, TextError } from '@octavo/text';
export { drawTree } from './cli/cache-tree.ts';
export { shippedModel } from './shipped-model.ts';
