export type * from './kv-cache.ts';
export * from './units.ts';
