export { ModelsError, type ModelsErrorCode, type ModelsErrorOptions } from './errors.ts';
export { type HubSettings, hubSettings } from './hub/hub-settings.ts';
export type { RetryPolicy } from './hub/retry.ts';
export { resolveModel } from './resolve-model.ts';
export type { HubOrigin, ModelProgress, ResolvedModel, ResolveOptions } from './resolved-model.ts';
