/**
 * The inputs and outputs of a decoder as the Hugging Face tools export it, where every sequence carries its own keys and values from call
 * to call. B sequences, S new tokens each, P tokens of the past, T = P + S. In the file these are called batch_size, sequence_length,
 * past_sequence_length and total_sequence_length, as others look for them by name.
 *
 * | input | type | shape |
 * |---|---|---|
 * | input_ids | int64 | [B, S] |
 * | attention_mask | int64 | [B, T] 0: padding, which comes before a sequence's first token |
 * | position_ids | int64 | [B, S] |
 * | num_logits_to_keep | int64 | [] logits of so many last tokens; 0: of all |
 * | past_key_values.{i}.key, .value | float32 | [B, kvHeads, P, headDim] |
 *
 * | output | type | shape |
 * |---|---|---|
 * | logits | float32 | [B, kept tokens, vocabulary] |
 * | present.{i}.key, .value | float32 | [B, kvHeads, T, headDim] |
 */
export const contiguousInputs = {
  ids: 'input_ids',
  mask: 'attention_mask',
  positions: 'position_ids',
  keptLogits: 'num_logits_to_keep',
  pastKeys: (layer: number) => `past_key_values.${layer}.key`,
  pastValues: (layer: number) => `past_key_values.${layer}.value`,
} as const;

export const contiguousOutputs = {
  logits: 'logits',
  keys: (layer: number) => `present.${layer}.key`,
  values: (layer: number) => `present.${layer}.value`,
} as const;
