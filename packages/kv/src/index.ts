export { checkKv } from './check-kv.ts';
export { InvariantBroken, KvError, type KvErrorCode } from './errors.ts';
export { type InspectedNode, type InspectedPage, inspectKv, type KvInspection } from './inspect-kv.ts';
export type * from './kv-cache.ts';
export type * from './lifetimes.ts';
export { PagePool, type PageState } from './page-pool.ts';
export { createKvCache } from './paged-kv-cache.ts';
export * from './units.ts';
