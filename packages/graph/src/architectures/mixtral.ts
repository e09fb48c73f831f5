/**
 * Mixtral (transformers: MixtralConfig, modeling_mixtral): Mistral whose MLP is a mixture of experts.
 *
 *     shares = softmax(router(x));  best = the num_experts_per_tok largest;  y = sum of best (share / sum of best shares) * expert(x)
 *     expert(x) = w2(silu(w1(x)) * w3(x))
 */
import { readActivation } from '../config/activation.ts';
import type { ConfigReader } from '../config/config-reader.ts';
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import { most } from '../config/limits.ts';
import type { Architecture } from './architecture.ts';
import { describeLlamaLayout, readLlamaNumbers } from './llama-layout.ts';
import { eachLayer, gatedMlp, linear, readIntermediate } from './parts.ts';

export const mixtral: Architecture = {
  name: 'MixtralForCausalLM',
  modelType: 'mixtral',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 131_072, epsilon: 1e-5 });
    const rule = { window: readWindow(config), isSliding: () => true };
    const windows = readLayerWindows(config, common.numbers.layers, rule);
    const { hidden } = common.numbers;
    const { experts, chosen } = readExperts(config, common.numbers.layers);
    const activation = readActivation(config, 'hidden_act', 'silu');
    const intermediate = readIntermediate(config);
    const names = ['w1', 'w3', 'w2'] as const;
    return describeLlamaLayout(config, {
      architecture: mixtral.name,
      ...common,
      windows,
      change: (layer, at) => ({
        ...layer,
        mlp: {
          kind: 'experts',
          router: linear({ name: `${at}.block_sparse_moe.gate`, out: experts, in: hidden }),
          chosen,
          experts: eachLayer(experts, (expert) =>
            gatedMlp(`${at}.block_sparse_moe.experts.${expert}`, { hidden, intermediate, activation, names }),
          ),
        },
      }),
    });
  },
};

function readExperts(config: ConfigReader, layers: number): { readonly experts: number; readonly chosen: number } {
  const experts = config.countOr('num_local_experts', 8, { most: most.experts });
  if (experts * layers > most.expertsInAll)
    throw config.fault(
      `num_local_experts (${experts}) times num_hidden_layers (${layers}) is above ${most.expertsInAll}`,
    );
  return { experts, chosen: config.countOr('num_experts_per_tok', 2, { most: experts }) };
}
