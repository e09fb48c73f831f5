/** ONNX exports with a golden fixture: `goldens.test.ts` runs them, docs/models.md lists them. */
export interface ExportCase {
  /** As in `architectures` of config.json. */
  readonly architecture: string;
  /** Folder under test/fixtures; the export is its onnx/model.onnx. */
  readonly fixture: string;
  /** How attention is written in it. */
  readonly attention: string;
  readonly weights: 'f32' | 'q4';
}

export const exportCases: readonly ExportCase[] = [
  { architecture: 'GPT2LMHeadModel', fixture: 'gpt2', attention: 'plain operators', weights: 'f32' },
  { architecture: 'LlamaForCausalLM', fixture: 'llama', attention: 'plain operators', weights: 'f32' },
  { architecture: 'LlamaForCausalLM', fixture: 'llama-gqa-q4', attention: 'GroupQueryAttention', weights: 'q4' },
  { architecture: 'Qwen2ForCausalLM', fixture: 'qwen2', attention: 'plain operators', weights: 'f32' },
];
