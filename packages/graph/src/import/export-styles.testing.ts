/**
 * Small decoders with random weights in the styles of exporters: how shapes, masks, scalings, heads and rotations are written differs from
 * one to the next, and is what an importer has to see through. Used by tests.
 */
import { OnnxWriter } from './onnx-writer.testing.ts';

export const small = { layers: 2, hidden: 32, heads: 4, kvHeads: 2, headDim: 32, vocabulary: 40, context: 64 };

export interface StyleOptions {
  /** How attention is written. */
  readonly attention: (m: ModelWriter, rows: LayerRows) => string;
  readonly kvHeads?: number;
  readonly norm?: (m: ModelWriter, x: string, name: string) => string;
  /** Multiplies by a random matrix [into, out]. */
  readonly project?: (m: ModelWriter, x: string, of: { name: string; into: number; out: number }) => string;
  readonly hasPositions?: boolean;
  /** Learned positions instead of a rotation. */
  readonly learnedPositions?: boolean;
  readonly isHalf?: boolean;
  readonly opset?: number;
  readonly external?: string;
  readonly names?: { readonly past: string; readonly present: string };
  /** Rows of the embedding; default: a Gather of a table. */
  readonly embed?: (m: ModelWriter) => string;
  /** Appended behind the last norm. */
  readonly tail?: (m: ModelWriter, x: string) => string;
}

export interface LayerRows {
  readonly layer: number;
  /** Normalised input [batch, rows, hidden]. */
  readonly x: string;
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

export class ModelWriter {
  readonly w: OnnxWriter;
  readonly options: StyleOptions;
  readonly kvHeads: number;
  readonly mask = 'attention_mask';
  readonly #made = new Map<string, string>();

  constructor(options: StyleOptions) {
    this.options = options;
    this.kvHeads = options.kvHeads ?? small.kvHeads;
    this.w = new OnnxWriter();
  }

  get type() {
    return this.options.isHalf ? ('float16' as const) : ('float32' as const);
  }

  /** A value that is made once, when it is first asked for. */
  once(name: string, make: () => string): string {
    const known = this.#made.get(name) ?? make();
    this.#made.set(name, known);
    return known;
  }

  /** One extent of a value, as a scalar. */
  extent(of: string, axis: number): string {
    return this.w.node('Gather', [this.w.node('Shape', [of]), this.w.ints(axis)], { axis: 0 });
  }

  vector(scalar: string): string {
    return this.w.node('Unsqueeze', [scalar, this.w.ints([0])]);
  }

  get rows(): string {
    return this.once('rows', () => this.extent('input_ids', 1));
  }

  get past(): string {
    return this.once('past', () => this.extent(this.names.past.replace('%s', '0').replace('%k', 'key'), 2));
  }

  get tokens(): string {
    return this.once('tokens', () => this.w.node('Add', [this.past, this.rows]));
  }

  /** [1, rows] */
  get positions(): string {
    if (this.options.hasPositions !== false) return 'position_ids';
    return this.once('positions', () => {
      const all = this.w.node('CumSum', [this.mask, this.w.ints(1)]);
      const less = this.w.node('Sub', [all, this.w.ints(1)]);
      return this.w.node('Slice', [less, this.vector(this.past), this.vector(this.tokens), this.w.ints([1])]);
    });
  }

  get names(): { past: string; present: string } {
    return this.options.names ?? { past: 'past_key_values.%s.%k', present: 'present.%s.%k' };
  }

  project(x: string, of: { name: string; into: number; out: number }): string {
    if (this.options.project !== undefined) return this.options.project(this, x, of);
    return this.w.node('MatMul', [x, this.w.weight(`${of.name}.weight`, [of.into, of.out])]);
  }

  /** [batch, rows, heads x headDim] -> [batch, heads, rows, headDim], the shape computed as torch does. */
  splitHeads(x: string, heads: number): string {
    const { w } = this;
    const shape = w.node(
      'Concat',
      [this.vector(this.extent(x, 0)), this.vector(this.extent(x, 1)), w.ints([heads]), w.ints([small.headDim])],
      { axis: 0 },
    );
    return w.node('Transpose', [w.node('Reshape', [x, shape], this.options.opset === 13 ? {} : { allowzero: 0 })], {
      perm: [0, 2, 1, 3],
    });
  }

  mergeHeads(x: string): string {
    const { w } = this;
    return w.node('Reshape', [
      w.node('Transpose', [x], { perm: [0, 2, 1, 3] }),
      w.ints([0, 0, small.heads * small.headDim]),
    ]);
  }

  /** Queries, keys, values as [batch, heads, rows, headDim], rotated unless positions are learned. */
  heads({ layer, x }: LayerRows): { q: string; k: string; v: string } {
    const { hidden, heads, headDim } = small;
    const make = (name: string, count: number) =>
      this.splitHeads(this.project(x, { name: `layers.${layer}.${name}`, into: hidden, out: count * headDim }), count);
    const [q, k, v] = [make('q', heads), make('k', this.kvHeads), make('v', this.kvHeads)] as [string, string, string];
    return this.options.learnedPositions ? { q, k, v } : { q: rotate(this, q), k: rotate(this, k), v };
  }

  append(rows: LayerRows, { k, v }: { k: string; v: string }): void {
    this.w.node('Concat', [rows.pastKey, k], { axis: 2 }, [rows.presentKey]);
    this.w.node('Concat', [rows.pastValue, v], { axis: -2 }, [rows.presentValue]);
  }

  output(rows: LayerRows, attended: string): string {
    const width = small.heads * small.headDim;
    return this.project(attended, { name: `layers.${rows.layer}.o`, into: width, out: small.hidden });
  }
}

/** As torch writes it: angles as a product of matrices, halves rotated with Neg and Concat. */
export function rotate(m: ModelWriter, x: string): string {
  const { w } = m;
  const [cos, sin] = ['Cos', 'Sin'].map((operator) =>
    m.once(operator, () => {
      const column = w.node('Cast', [w.node('Unsqueeze', [m.positions, w.ints([1])])], { to: 1 });
      const angles = w.node('Transpose', [w.node('MatMul', [m.once('frequencies', () => frequencies(w)), column])], {
        perm: [0, 2, 1],
      });
      const table = w.node(operator, [w.node('Concat', [angles, angles], { axis: -1 })]);
      return w.node('Unsqueeze', [m.options.isHalf ? w.node('Cast', [table], { to: 10 }) : table, w.ints([1])]);
    }),
  ) as [string, string];
  const width = m.extent(x, 3);
  const middle = m.vector(w.node('Div', [width, w.ints(2)]));
  const first = w.node('Slice', [x, w.ints([0]), middle, w.ints([3]), w.ints([1])]);
  const second = w.node('Slice', [x, middle, w.ints([Number.MAX_SAFE_INTEGER]), w.ints([3]), w.ints([1])]);
  const turned = w.node('Concat', [w.node('Neg', [second]), first], { axis: -1 });
  return w.node('Add', [w.node('Mul', [x, cos]), w.node('Mul', [turned, sin])]);
}

function frequencies(w: OnnxWriter): string {
  const half = small.headDim / 2;
  const made = Array.from({ length: half }, (_, i) => 100 ** (-i / half));
  return w.weight('inv_freq', [1, half, 1], made, 'float32');
}

/** The root of the mean of squares, written out. */
export function rmsNorm(m: ModelWriter, x: string, name: string): string {
  const { w } = m;
  const wide = m.options.isHalf ? w.node('Cast', [x], { to: 1 }) : x;
  const two = w.node('Constant', [], { value_float: { float: 2 } });
  const mean = w.node('ReduceMean', [w.node('Pow', [wide, two])], { axes: [-1], keepdims: 1 });
  const root = w.node('Sqrt', [w.node('Add', [mean, w.node('Constant', [], { value_float: { float: 1e-5 } })])]);
  const normed = w.node('Div', [wide, root]);
  const typed = m.options.isHalf ? w.node('Cast', [normed], { to: 10 }) : normed;
  return w.node('Mul', [typed, w.weight(name, [small.hidden])]);
}

export function layerNorm(m: ModelWriter, x: string, name: string): string {
  const scale = m.w.weight(`${name}.weight`, [small.hidden]);
  return m.w.node('LayerNormalization', [x, scale, m.w.weight(`${name}.bias`, [small.hidden])], {
    axis: -1,
    epsilon: { float: 1e-5 },
  });
}

/** The whole export. */
export function writeStyle(options: StyleOptions): ReturnType<OnnxWriter['finish']> {
  const m = new ModelWriter(options);
  const { w } = m;
  const { hidden, vocabulary, headDim, layers } = small;
  w.isHalf = options.isHalf === true;
  w.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  w.input(m.mask, 'int64', ['batch_size', 'total_sequence_length']);
  if (options.hasPositions !== false) w.input('position_ids', 'int64', ['batch_size', 'sequence_length']);
  const name = (template: string, layer: number, kind: string) =>
    template.replace('%s', String(layer)).replace('%k', kind);
  for (let layer = 0; layer < layers; layer += 1) {
    for (const kind of ['key', 'value']) {
      w.input(name(m.names.past, layer, kind), m.type, ['batch_size', m.kvHeads, 'past_sequence_length', headDim]);
      w.output(name(m.names.present, layer, kind), m.type, ['batch_size', m.kvHeads, 'total_sequence_length', headDim]);
    }
  }
  const norm = options.norm ?? rmsNorm;
  let x = options.embed?.(m) ?? embed(m);
  if (options.learnedPositions)
    x = w.node('Add', [
      x,
      w.node('Gather', [
        w.weight('wpe.weight', [small.context, hidden], randomTable(small.context * hidden)),
        m.positions,
      ]),
    ]);
  for (let layer = 0; layer < layers; layer += 1) {
    const [pastKey, pastValue] = ['key', 'value'].map((kind) => name(m.names.past, layer, kind)) as [string, string];
    const [presentKey, presentValue] = ['key', 'value'].map((kind) => name(m.names.present, layer, kind)) as [
      string,
      string,
    ];
    const rows = { layer, x: norm(m, x, `layers.${layer}.norm`), pastKey, pastValue, presentKey, presentValue };
    x = w.node('Add', [x, m.output(rows, options.attention(m, rows))]);
    const inner = m.project(norm(m, x, `layers.${layer}.mlp_norm`), {
      name: `layers.${layer}.up`,
      into: hidden,
      out: 48,
    });
    const active = w.node('Mul', [inner, w.node('Sigmoid', [inner])]);
    x = w.node('Add', [x, m.project(active, { name: `layers.${layer}.down`, into: 48, out: hidden })]);
  }
  const last = options.tail?.(m, norm(m, x, 'norm')) ?? norm(m, x, 'norm');
  const head = w.weight('lm_head.weight', [hidden, vocabulary]);
  w.node('MatMul', [last, head], {}, ['logits']);
  w.output('logits', m.type, ['batch_size', 'sequence_length', vocabulary]);
  return w.finish({
    ...(options.opset && { opset: options.opset }),
    ...(options.external && { external: options.external }),
  });
}

function embed({ w }: ModelWriter): string {
  const { vocabulary, hidden } = small;
  const table = w.weight('embed_tokens.weight', [vocabulary, hidden], randomTable(vocabulary * hidden));
  return w.node('Gather', [table, 'input_ids'], { axis: 0 });
}

/** A table of 4-bit codes in blocks of 32 columns. */
export function embedBlocks({ w }: ModelWriter): string {
  const { vocabulary, hidden } = small;
  const codes = Array.from({ length: (vocabulary * hidden) / 2 }, (_, at) => (at * 37 + 11) & 255);
  const scales = Array.from({ length: (vocabulary * hidden) / 32 }, (_, at) => 0.1 + 0.01 * (at % 7));
  const table = w.weight('embed_tokens.weight_Q4', [vocabulary, hidden / 2], codes, 'uint8');
  const inputs = [table, 'input_ids', w.weight('embed_tokens.weight_scales', [vocabulary, hidden / 32], scales)];
  return w.node('ms.GatherBlockQuantized', inputs, { bits: 4, block_size: 32, gather_axis: 0, quantize_axis: 1 });
}

function randomTable(count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.sin(index * 12.9898 + 4.1) * 1.7);
}
