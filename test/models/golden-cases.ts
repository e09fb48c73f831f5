/** Architectures with a golden fixture: `goldens.test.ts` runs them, docs/models.md lists them. */
export interface GoldenCase {
  /** As in `architectures` of config.json. */
  readonly architecture: string;
  /** Folder under test/fixtures. */
  readonly fixture: string;
  /** How its safetensors are stored. */
  readonly stored: 'F32' | 'F16' | 'BF16';
}

export const goldenCases: readonly GoldenCase[] = [
  { architecture: 'Gemma2ForCausalLM', fixture: 'gemma2', stored: 'F32' },
  { architecture: 'GPT2LMHeadModel', fixture: 'gpt2', stored: 'F32' },
  { architecture: 'GPTNeoForCausalLM', fixture: 'gpt_neo', stored: 'F32' },
  { architecture: 'LlamaForCausalLM', fixture: 'llama', stored: 'F32' },
  { architecture: 'MistralForCausalLM', fixture: 'mistral', stored: 'BF16' },
  { architecture: 'MixtralForCausalLM', fixture: 'mixtral', stored: 'F32' },
  { architecture: 'Phi3ForCausalLM', fixture: 'phi3', stored: 'F16' },
  { architecture: 'Qwen2ForCausalLM', fixture: 'qwen2', stored: 'F32' },
  { architecture: 'Qwen3ForCausalLM', fixture: 'qwen3', stored: 'F32' },
];
