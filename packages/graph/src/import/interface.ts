/** The inputs and outputs of a language model with a past, by the names that exporters give them. */
import { GraphError } from '../errors.ts';
import type { ElementType } from '../ir/graph.ts';
import type { SourceGraph, SourceValue } from './source-graph.ts';

/** Names of one layer's K and V; `%d` of a template is the layer. */
export interface NameTemplates {
  readonly tokens: string;
  readonly mask: string;
  readonly positions: string;
  readonly pastKey: string;
  readonly pastValue: string;
  readonly logits: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

/** optimum, transformers.js and onnxruntime-genai agree on these unless genai_config.json says otherwise. */
export const usualNames: NameTemplates = {
  tokens: 'input_ids',
  mask: 'attention_mask',
  positions: 'position_ids',
  pastKey: 'past_key_values.%d.key',
  pastValue: 'past_key_values.%d.value',
  logits: 'logits',
  presentKey: 'present.%d.key',
  presentValue: 'present.%d.value',
};

export interface PastLayer {
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

export interface ConstantInput {
  readonly value: number;
  readonly type: 'bool' | 'int64' | 'int32';
  readonly dims: readonly number[];
}

/** Inputs that choose among ways to run: the one with a past (merged decoders of optimum), and logits of all rows (0 of transformers). */
export const choices: ReadonlyMap<string, number> = new Map([
  ['use_cache_branch', 1],
  ['num_logits_to_keep', 0],
  ['logits_to_keep', 0],
]);

export interface PastInterface {
  readonly tokens: string;
  /** Absent: the graph has no such input. */
  readonly mask: string | undefined;
  readonly positions: string | undefined;
  readonly logits: string;
  readonly layers: readonly PastLayer[];
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of past and present: float32 or float16. */
  readonly type: ElementType;
  /** Element types of the integer inputs. */
  readonly integerTypes: Readonly<Record<string, ElementType>>;
  /** Further inputs, each with the value that it is always given. */
  readonly constants: Readonly<Record<string, ConstantInput>>;
}

/** Pure. Throws ONNX_INTERFACE. */
export function readInterface(graph: SourceGraph, names: NameTemplates): PastInterface {
  const inputs = new Map(graph.inputs.map((input) => [input.name, input]));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const missing = (what: string) => fault(graph, `has no ${what}`);
  if (!inputs.has(names.tokens)) throw missing(`input ${names.tokens}`);
  if (!outputs.has(names.logits)) throw missing(`output ${names.logits}`);
  const layers: PastLayer[] = [];
  const at = (template: string, layer: number) => template.replace('%d', String(layer));
  while (inputs.has(at(names.pastKey, layers.length))) {
    const index = layers.length;
    const layer = {
      pastKey: at(names.pastKey, index),
      pastValue: at(names.pastValue, index),
      presentKey: at(names.presentKey, index),
      presentValue: at(names.presentValue, index),
    };
    if (!inputs.has(layer.pastValue)) throw missing(`input ${layer.pastValue}`);
    for (const name of [layer.presentKey, layer.presentValue]) if (!outputs.has(name)) throw missing(`output ${name}`);
    layers.push(layer);
  }
  const [first] = layers;
  if (first === undefined) throw missing(`input ${at(names.pastKey, 0)}`);
  const optional = (name: string) => (inputs.has(name) ? name : undefined);
  const [mask, positions] = [optional(names.mask), optional(names.positions)];
  const known = new Set([
    names.tokens,
    mask,
    positions,
    ...layers.flatMap(({ pastKey, pastValue }) => [pastKey, pastValue]),
  ]);
  const constants = readConstants(graph, known);
  const shape = pastShape(graph, inputs.get(first.pastKey) as SourceValue);
  for (const { pastKey, pastValue } of layers) {
    for (const name of [pastKey, pastValue]) checkSame(graph, inputs.get(name) as SourceValue, shape);
  }
  const integerTypes: Record<string, ElementType> = {};
  for (const name of [names.tokens, mask, positions]) {
    if (name === undefined) continue;
    const type = inputs.get(name)?.type;
    if (type !== 'int64' && type !== 'int32')
      throw fault(graph, `has the input ${name} of another type than int64 and int32`);
    integerTypes[name] = type;
  }
  return { tokens: names.tokens, mask, positions, logits: names.logits, layers, ...shape, integerTypes, constants };
}

function readConstants(graph: SourceGraph, known: ReadonlySet<string | undefined>): Record<string, ConstantInput> {
  const constants: Record<string, ConstantInput> = {};
  for (const { name, type, dims } of graph.inputs) {
    if (known.has(name)) continue;
    const value = choices.get(name);
    if (value === undefined || (type !== 'bool' && type !== 'int64' && type !== 'int32') || (dims?.length ?? 0) > 1) {
      throw fault(graph, `has the input ${name}, which nothing here knows how to fill`);
    }
    constants[name] = { value, type, dims: (dims ?? []).map(() => 1) };
  }
  return constants;
}

type PastShape = Pick<PastInterface, 'kvHeads' | 'headDim' | 'type'>;

function pastShape(graph: SourceGraph, past: SourceValue): PastShape {
  const [, kvHeads, , headDim] = past.dims ?? [];
  const isCount = (dim: unknown): dim is number => typeof dim === 'number' && dim >= 1 && dim <= 1 << 16;
  if (past.dims?.length !== 4 || !isCount(kvHeads) || !isCount(headDim)) {
    throw fault(
      graph,
      `has the input ${past.name} of shape [${past.dims ?? ''}] where [batch, heads, past, head size] with known heads and head size belongs`,
    );
  }
  if (past.type !== 'float32' && past.type !== 'float16') {
    throw fault(graph, `has the input ${past.name} of another type than float32 and float16`);
  }
  return { kvHeads, headDim, type: past.type };
}

function checkSame(graph: SourceGraph, past: SourceValue, wanted: PastShape): void {
  const own = pastShape(graph, past);
  if (own.kvHeads === wanted.kvHeads && own.headDim === wanted.headDim && own.type === wanted.type) return;
  throw fault(
    graph,
    `has the input ${past.name} with ${own.kvHeads} heads of ${own.headDim} where other layers have ${wanted.kvHeads} of ${wanted.headDim}`,
  );
}

function fault(graph: SourceGraph, what: string): GraphError {
  const message = `${graph.file} ${what}: export the model for text generation with a past (inputs past_key_values.N.key, outputs present.N.key and logits)`;
  return new GraphError('ONNX_INTERFACE', message, { file: graph.file });
}
