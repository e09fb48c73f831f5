export type * from './api.ts';
export type * from './cache-api.ts';
export { readCacheFile } from './cache-file/cache-tree.ts';
export type * from './cache-file-api.ts';
export type { CachedFrom } from './cached-from.ts';
export type { ContextDetector, SessionPast, SessionTurn } from './context/context-detector.ts';
export { type SimilarityOptions, similarity } from './context/similarity.ts';
export { tagSets } from './context/tag-sets.ts';
export type { ModelParts } from './engine-parts.ts';
export {
  type AnyErrorCode,
  ENGINE_ERROR_CODES,
  EngineError,
  type EngineErrorCode,
  type EngineErrorOptions,
} from './errors.ts';
export { FakeRunner, type FakeRunnerOptions, fakeCompletion, fakeLogits, fakeShape } from './fake-runner.ts';
export type { ModelRunner, RunOutputs } from './model-runner.ts';
export { type OwnRunnerOptions, openEngine, openEngineWith } from './open-engine.ts';
export { machineBytes, PROCESS_BYTES } from './storage/memory-plan.ts';
export type { PageElements } from './storage/page-elements.ts';
export { bytesPerToken, type PageExtent, PageLayout } from './storage/page-layout.ts';
export { type NewRows, PageStore, type PoolColumns } from './storage/page-store.ts';
export type * from './truncation-api.ts';
