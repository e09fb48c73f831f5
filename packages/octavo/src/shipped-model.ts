import { fileURLToPath } from 'node:url';

/**
 * Absolute folder of the model that comes with the package: a small shop assistant (`LlamaForCausalLM`, 0.9 million
 * parameters) with its card, its tokenizer, a catalog of 60 products and 300 questions about them. Pure.
 */
export function shippedModel(): string {
  return fileURLToPath(new URL('../model/shopkeeper', import.meta.url));
}
