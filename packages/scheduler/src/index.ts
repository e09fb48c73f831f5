export type * from './step-plan.ts';
export { LEVEL_COUNT } from './step-plan.ts';
export type * from './step-source.ts';
