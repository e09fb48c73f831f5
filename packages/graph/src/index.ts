export { cacheFolder } from './cache/cache-folder.ts';
export { compileModel } from './compile-model.ts';
export type * from './compiled-model.ts';
export { readModelShape } from './config/model-folder.ts';
export { GraphError, type GraphErrorCode, type GraphErrorDetails } from './errors.ts';
export type { ModelSource } from './model-source.ts';
export * from './step-interface.ts';
