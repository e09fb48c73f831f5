import type { Architecture } from './architecture.ts';
import { llama } from './llama.ts';

/** Every architecture that can be compiled. */
export const architectures: readonly Architecture[] = [llama];
