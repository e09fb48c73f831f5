import type { Value } from '../ir/graph.ts';
import { add, cast, gather, multiply, reshape } from '../ir/operators.ts';
import { stepInputs } from '../step-interface.ts';
import { attention } from './attention.ts';
import type { BuildContext } from './build-context.ts';
import type {
  DecoderDescription,
  LayerDescription,
  LinearDescription,
  NormDescription,
  RopeDescription,
} from './description.ts';
import { emitHead } from './head.ts';
import { projectOne } from './linear.ts';
import { mlp } from './mlp.ts';
import { addAndNorm, normalize, type Residual } from './norm.ts';
import { type RotaryTables, rotaryTables } from './rotary.ts';
import { floatWeight, storedWeight } from './weights.ts';

interface DecoderState {
  readonly rotary: ReadonlyMap<RopeDescription, RotaryTables>;
  readonly headRows: Value;
}

/**
 * Appends the whole model, with one abstract attention node a layer. Checks names and shapes of all weights. `ropeContextTokens` is the
 * context setting that ropes which follow it are fixed for. Returns what appends the logits of all head rows, [H, vocabulary].
 */
export function buildDecoder(build: BuildContext, decoder: DecoderDescription, ropeContextTokens: number): () => Value {
  const { graph } = build;
  const tokens = graph.input(stepInputs.tokens, 'int32', ['M']);
  const positions = graph.input(stepInputs.positions, 'int32', ['M']);
  const headRows = graph.input(stepInputs.headRows, 'int32', ['H']);
  const fullRows = graph.input(stepInputs.fullRows, 'int32', ['F']);
  const { contextTokens } = decoder.shape;
  const ropes = ropesOf(decoder);
  const rotary = rotaryTables(build, { ropes, positions, contextTokens, ropeContextTokens });
  const state: DecoderState = { rotary, headRows };
  const sum = embed(build, decoder, { tokens, positions });
  const firstNorm = decoder.layers[0]?.attentionNorm;
  let residual: Residual = { sum, normed: normalize(build, sum, firstNorm) };
  decoder.layers.forEach((_, layer) => {
    residual = buildLayer(build, { decoder, layer, residual, state });
  });
  return emitHead(build, { decoder, hidden: residual.normed, fullRows });
}

/** Distinct ropes of a model, in order of their first layer. Pure. */
export function ropesOf({ layers }: DecoderDescription): RopeDescription[] {
  return [...new Set(layers.flatMap(({ attention: { rope } }) => (rope === undefined ? [] : [rope])))];
}

function embed(build: BuildContext, decoder: DecoderDescription, step: { tokens: Value; positions: Value }): Value {
  const { graph } = build;
  const { embedding, embeddingScale = 1, positions } = decoder;
  const rows = rowsOf(build, embedding, step.tokens);
  const scaled = embeddingScale === 1 ? rows : multiply(graph, rows, graph.floats([embeddingScale], [1]));
  return positions === undefined ? scaled : add(graph, scaled, rowsOf(build, positions, step.positions));
}

/** [1, M, width]: a row of a table for each index. */
function rowsOf(build: BuildContext, { tensor, out, in: into }: LinearDescription, indexes: Value): Value {
  const { graph } = build;
  // A gather reads few rows, so packed models keep the table as it is stored; only a float32 head needs it in float32 anyway.
  const table =
    build.format === 'f32' ? floatWeight(build, tensor, [out, into]) : storedWeight(build, tensor, [out, into]);
  const row = reshape(graph, indexes, { to: [1, -1], shape: [1, 'M'] });
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
  const { shape, layers, finalNorm } = decoder;
  const description = layers[layer] as LayerDescription;
  const { rope } = description.attention;
  const rotary = rope && state.rotary.get(rope);
  const attended = attention(build, residual.normed, { ...shape, layer, description: description.attention, rotary });
  const isLast = layer === layers.length - 1;
  const nextNorm = isLast ? finalNorm : layers[layer + 1]?.attentionNorm;
  // Behind the last attention only the rows whose next token is wanted matter: a prefill chunk has one of them.
  const wanted = (x: Value) => (isLast ? gather(build.graph, x, state.headRows, 1) : x);
  const branches: Branches = { description, sum: wanted(residual.sum), attended: wanted(attended), nextNorm };
  return description.parallel === true ? addBoth(build, branches) : addInTurn(build, branches);
}

interface Branches {
  readonly description: LayerDescription;
  /** The residual. */
  readonly sum: Value;
  readonly attended: Value;
  readonly nextNorm: NormDescription | undefined;
}

function addInTurn(build: BuildContext, { description, sum, attended, nextNorm }: Branches): Residual {
  const { attentionOutputNorm, mlpOutputNorm } = description;
  const output = finish(
    build,
    projectOne(build, attended, description.attention.output),
    description,
    attentionOutputNorm,
  );
  const middle = addAndNorm(build, { residual: sum, output }, description.mlpNorm);
  const mixed = finish(build, mlp(build, middle.normed, description.mlp), description, mlpOutputNorm);
  return addAndNorm(build, { residual: middle.sum, output: mixed }, nextNorm);
}

function addBoth(build: BuildContext, { description, sum, attended, nextNorm }: Branches): Residual {
  const { attentionOutputNorm, mlpNorm, mlpOutputNorm } = description;
  const output = finish(
    build,
    projectOne(build, attended, description.attention.output),
    description,
    attentionOutputNorm,
  );
  const mixed = finish(build, mlp(build, normalize(build, sum, mlpNorm), description.mlp), description, mlpOutputNorm);
  return addAndNorm(build, { residual: sum, output: add(build.graph, output, mixed) }, nextNorm);
}

/** What a branch adds to the residual. */
function finish(
  build: BuildContext,
  output: Value,
  { branchScale = 1 }: LayerDescription,
  norm: NormDescription | undefined,
): Value {
  const normed = normalize(build, output, norm);
  return branchScale === 1 ? normed : multiply(build.graph, normed, build.graph.floats([branchScale], [1]));
}
