/**
 * Gemma 2 (transformers: Gemma2Config, modeling_gemma2): even layers have a window; scores and logits are capped.
 */
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import type { Architecture } from './architecture.ts';
import { describeGemmaLayout, readSoftcap } from './gemma-layout.ts';
import { readLlamaNumbers } from './llama-layout.ts';

export const gemma2: Architecture = {
  name: 'Gemma2ForCausalLM',
  modelType: 'gemma2',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 8192, headDim: 256 });
    const rule = { window: readWindow(config), isSliding: (layer: number) => layer % 2 === 0 };
    const scores = readSoftcap(config, 'attn_logit_softcapping');
    const logits = readSoftcap(config, 'final_logit_softcapping');
    return describeGemmaLayout(config, {
      architecture: gemma2.name,
      common,
      windows: readLayerWindows(config, common.numbers.layers, rule),
      softcaps: { ...(scores === undefined ? {} : { scores }), ...(logits === undefined ? {} : { logits }) },
    });
  },
};
