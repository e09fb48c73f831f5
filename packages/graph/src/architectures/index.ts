import type { Architecture } from './architecture.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gptNeo } from './gpt-neo.ts';
import { gptNeox } from './gpt-neox.ts';
import { gpt2 } from './gpt2.ts';
import { granite } from './granite.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { mixtral } from './mixtral.ts';
import { olmo2 } from './olmo2.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { smollm3 } from './smollm3.ts';
import { starcoder2 } from './starcoder2.ts';

/** Every architecture that can be compiled. */
export const architectures: readonly Architecture[] = [
  gemma2,
  gemma3,
  gpt2,
  gptNeo,
  gptNeox,
  granite,
  llama,
  mistral,
  mixtral,
  olmo2,
  phi3,
  qwen2,
  qwen3,
  smollm3,
  starcoder2,
];

/** As `architectures` of config.json names them. */
export const architectureNames: readonly string[] = architectures.map(({ name }) => name);
