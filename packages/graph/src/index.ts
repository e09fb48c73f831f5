export type * from './compiled-model.ts';
export * from './step-interface.ts';
