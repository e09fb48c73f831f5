import type { Value } from '../ir/graph.ts';
import { cast, concat, gather, reshape } from '../ir/operators.ts';
import { stepInputs, stepOutputs } from '../step-interface.ts';
import type { BuildContext } from './build-context.ts';
import type { DecoderDescription, LayerDescription } from './description.ts';
import { gatedMlp } from './gated-mlp.ts';
import { project, projectOne } from './linear.ts';
import { addAndNorm, type Residual, rmsNorm } from './norm.ts';
import { type RotaryTables, rotaryTables, rotate } from './rotary.ts';
import { floatWeight, storedWeight } from './weights.ts';

interface DecoderState {
  readonly rotary: RotaryTables;
  readonly headRows: Value;
  /** New rows of each layer, [1, M, kvHeads x headDim]. */
  readonly keys: Value[];
  readonly values: Value[];
}

/**
 * Appends the whole model, with one abstract attention node a layer. Checks names and shapes of all weights. Returns the logits of the
 * head rows, [H, vocabulary].
 */
export function buildDecoder(build: BuildContext, decoder: DecoderDescription): Value {
  const { graph } = build;
  const tokens = graph.input(stepInputs.tokens, 'int32', ['M']);
  const positions = graph.input(stepInputs.positions, 'int32', ['M']);
  const headRows = graph.input(stepInputs.headRows, 'int32', ['H']);
  const fullRows = graph.input(stepInputs.fullRows, 'int32', ['F']);
  const rotary = rotaryTables(build, decoder.rope, decoder.shape.contextTokens, positions);
  const state: DecoderState = { rotary, headRows, keys: [], values: [] };
  const embedded = embed(build, tokens, decoder);
  const first = decoder.layers[0]?.attentionNorm ?? decoder.finalNorm;
  let residual: Residual = { sum: embedded, normed: rmsNorm(build, embedded, first) };
  decoder.layers.forEach((_, layer) => {
    residual = buildLayer(build, { decoder, layer, residual, state });
  });
  emitRows(build, decoder, state);
  return emitHead(build, { decoder, hidden: residual.normed, fullRows });
}

function embed(build: BuildContext, tokens: Value, decoder: DecoderDescription): Value {
  const { graph } = build;
  const { tensor, out, in: into } = decoder.embedding;
  // A gather reads few rows, so packed models keep the table as it is stored; only a float32 head needs it in float32 anyway.
  const table =
    build.format === 'f32' ? floatWeight(build, tensor, [out, into]) : storedWeight(build, tensor, [out, into]);
  const row = reshape(graph, tokens, { to: [1, -1], shape: [1, 'M'] });
  const gathered = gather(graph, table, row, 0);
  return table.type === 'float32' ? gathered : cast(graph, gathered, 'float32');
}

interface LayerPlace {
  readonly decoder: DecoderDescription;
  readonly layer: number;
  readonly residual: Residual;
  readonly state: DecoderState;
}

function buildLayer(build: BuildContext, { decoder, layer, residual, state }: LayerPlace): Residual {
  const description = decoder.layers[layer] as LayerDescription;
  const next = decoder.layers[layer + 1];
  let attended = attend(build, { decoder, layer, residual, state });
  let sum = residual.sum;
  if (next === undefined) {
    // Behind the last attention only the rows whose next token is wanted matter: a prefill chunk has one of them.
    attended = gather(build.graph, attended, state.headRows, 1);
    sum = gather(build.graph, sum, state.headRows, 1);
  }
  const output = projectOne(build, attended, description.attention.output);
  const middle = addAndNorm(build, { residual: sum, output }, description.mlpNorm);
  const mlp = gatedMlp(build, middle.normed, description.mlp);
  return addAndNorm(build, { residual: middle.sum, output: mlp }, next?.attentionNorm ?? decoder.finalNorm);
}

function attend(build: BuildContext, { decoder, layer, residual, state }: LayerPlace): Value {
  const { heads, kvHeads, headDim } = decoder.shape;
  const { query, key, value } = (decoder.layers[layer] as LayerDescription).attention;
  const [rawQueries, rawKeys, values] = project(build, residual.normed, [query, key, value]) as [Value, Value, Value];
  const queries = rotate(build, rawQueries, state.rotary);
  const keys = rotate(build, rawKeys, state.rotary);
  state.keys.push(keys);
  state.values.push(values);
  return build.graph.pagedAttention({
    layer,
    heads,
    kvHeads,
    headDim,
    scale: decoder.attentionScale,
    queries,
    keys,
    values,
  });
}

/** Hands out the new K/V rows of all layers. */
function emitRows(build: BuildContext, decoder: DecoderDescription, state: DecoderState): void {
  const { graph } = build;
  const { layers, kvHeads, headDim } = decoder.shape;
  const shape = [layers, 'M', kvHeads, headDim];
  for (const [name, rows] of [
    [stepOutputs.newKeys, state.keys] as const,
    [stepOutputs.newValues, state.values] as const,
  ]) {
    const stacked = concat(graph, rows, { axis: 0, shape: [layers, 'M', kvHeads * headDim] });
    graph.output(reshape(graph, stacked, { to: [layers, -1, kvHeads, headDim], shape }, name));
  }
}

/** Hands out the greedy tokens, and the logits that are asked for. Returns all logits. */
function emitHead(build: BuildContext, head: { decoder: DecoderDescription; hidden: Value; fullRows: Value }): Value {
  const { graph } = build;
  const { vocabulary } = head.decoder.shape;
  const product = projectOne(build, head.hidden, head.decoder.head);
  const logits = reshape(graph, product, { to: [-1, vocabulary], shape: ['H', vocabulary] });
  const attributes = { axis: { int: -1 }, keepdims: { int: 0 } };
  const best = graph.call({ operator: 'ArgMax', inputs: [logits], attributes }, 'int64', ['H']);
  graph.output(cast(graph, best, 'int32', stepOutputs.argmax));
  const call = { operator: 'Gather', inputs: [logits, head.fullRows], attributes: { axis: { int: 0 } } };
  graph.output(graph.call(call, 'float32', ['F', vocabulary], stepOutputs.logits));
  return logits;
}
