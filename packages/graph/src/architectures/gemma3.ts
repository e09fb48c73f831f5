/**
 * Gemma 3, text (transformers: Gemma3TextConfig, modeling_gemma3): Gemma 2 with norms of queries and keys, where five of six layers
 * have a window and a rope with another base than the others; only the others' is stretched.
 */
import type { ConfigReader } from '../config/config-reader.ts';
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import { most } from '../config/limits.ts';
import { readRope } from '../config/rope.ts';
import type { Architecture } from './architecture.ts';
import { describeGemmaLayout, readSoftcap } from './gemma-layout.ts';
import { readLlamaNumbers, withQueryKeyNorm } from './llama-layout.ts';
import { rmsNormFromOne } from './parts.ts';

export const gemma3: Architecture = {
  name: 'Gemma3ForCausalLM',
  modelType: 'gemma3_text',
  describe(config) {
    refuseBidirectional(config);
    const common = readLlamaNumbers(config, { contextTokens: 131_072, headDim: 256 });
    const { numbers, epsilon } = common;
    const period = config.countOr('sliding_window_pattern', 6, { most: most.layers });
    const isSliding = (layer: number) => (layer + 1) % period !== 0;
    const windows = readLayerWindows(config, numbers.layers, { window: readWindow(config) ?? 4096, isSliding });
    const local = {
      theta: 'rope_local_base_freq',
      layerType: 'sliding_attention',
      unscaled: !config.has('rope_parameters'),
    };
    const ropes = {
      full: readRope(config, numbers, { defaultTheta: 1_000_000, layerType: 'full_attention' }),
      sliding: readRope(config, numbers, local),
    };
    const scores = readSoftcap(config, 'attn_logit_softcapping');
    const logits = readSoftcap(config, 'final_logit_softcapping');
    return describeGemmaLayout(config, {
      architecture: gemma3.name,
      common,
      windows,
      rope: (layer) => (windows[layer] === undefined ? ropes.full : ropes.sliding),
      softcaps: { ...(scores === undefined ? {} : { scores }), ...(logits === undefined ? {} : { logits }) },
      change: (layer, at) =>
        withQueryKeyNorm(layer, {
          query: rmsNormFromOne({ name: `${at}.self_attn.q_norm`, hidden: numbers.headDim, epsilon }),
          key: rmsNormFromOne({ name: `${at}.self_attn.k_norm`, hidden: numbers.headDim, epsilon }),
        }),
    });
  },
};

function refuseBidirectional(config: ConfigReader): void {
  if (config.flagOr('use_bidirectional_attention', false))
    throw config.fault('use_bidirectional_attention is true, but a model that generates reads backwards only');
}
