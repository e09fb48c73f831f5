/** Attention as one node, in the styles of onnxruntime's own tools; each returns [batch, rows, heads x headDim]. Used by tests. */
import { type AttentionStyle, additiveMask, repeatHeads } from './attention-styles.testing.ts';
import { type LayerRows, type ModelWriter, small } from './export-styles.testing.ts';
import { tensor } from './onnx-writer.testing.ts';

export interface GroupedOptions {
  readonly isPacked?: boolean;
  readonly window?: number;
  readonly softCap?: number;
  readonly scale?: number;
  readonly isInterleaved?: boolean;
  /** Of the head size, the part of a head that is rotated. */
  readonly rotated?: number;
}

/** GroupQueryAttention with the rotation inside, as onnxruntime-genai writes it. */
export function grouped(options: GroupedOptions = {}): AttentionStyle {
  return (m, rows) => {
    const { w } = m;
    const { heads, headDim, hidden, context } = small;
    const total = m.once('total', () =>
      w.node('Cast', [w.node('Gather', [w.node('Shape', [m.mask]), w.ints(1)], { axis: 0 })], { to: 6 }),
    );
    const lengths = m.once('lengths', () =>
      w.node('Cast', [w.node('Sub', [w.node('ReduceSum', [m.mask, w.ints([1])], { keepdims: 0 }), w.ints([1])])], {
        to: 6,
      }),
    );
    const project = (name: string, count: number) =>
      m.project(rows.x, { name: `layers.${rows.layer}.${name}`, into: hidden, out: count * headDim });
    const three = options.isPacked
      ? [project('qkv', heads + 2 * m.kvHeads), '', '']
      : [project('q', heads), project('k', m.kvHeads), project('v', m.kvHeads)];
    const half = (options.rotated ?? headDim) / 2;
    const tables = ['cos_cache', 'sin_cache'].map((name) =>
      m.once(name, () =>
        w.weight(
          name,
          [context, half],
          Array.from({ length: context * half }, (_, at) => {
            const angle = Math.floor(at / half) * 100 ** (-(at % half) / half);
            return name === 'cos_cache' ? Math.cos(angle) : Math.sin(angle);
          }),
        ),
      ),
    );
    const attributes = {
      num_heads: heads,
      kv_num_heads: m.kvHeads,
      do_rotary: 1,
      rotary_interleaved: options.isInterleaved ? 1 : 0,
      local_window_size: options.window ?? -1,
      ...(options.softCap === undefined ? {} : { softcap: { float: options.softCap } }),
      ...(options.scale === undefined ? {} : { scale: { float: options.scale } }),
    };
    const inputs = [...three, rows.pastKey, rows.pastValue, lengths, total, ...tables];
    return w.node('ms.GroupQueryAttention', inputs, attributes, [
      `/attn_${rows.layer}`,
      rows.presentKey,
      rows.presentValue,
    ]);
  };
}

/** MultiHeadAttention with a bias for all three projections and a mask that is added. */
export const multiHead: AttentionStyle = (m, rows) => {
  const { w } = m;
  const { heads, headDim, hidden } = small;
  const three = ['q', 'k', 'v'].map((name) =>
    m.project(rows.x, { name: `layers.${rows.layer}.${name}`, into: hidden, out: heads * headDim }),
  );
  const bias = w.weight(`layers.${rows.layer}.qkv.bias`, [3 * heads * headDim]);
  const inputs = [...three, bias, '', additiveMask(m), rows.pastKey, rows.pastValue];
  const outputs = [`/attn_${rows.layer}`, rows.presentKey, rows.presentValue];
  return w.node('ms.MultiHeadAttention', inputs, { num_heads: heads }, outputs);
};

/** Keys and values appended to the past and repeated before MultiHeadAttention, as onnxruntime-genai writes it where it cannot group heads. */
export const wholeMultiHead: AttentionStyle = (m, rows) => wholeWith(m, rows, additiveMask(m));

/** The same with a causal mask of new rows alone, which has no meaning for several rows behind a past. */
export const squareMultiHead: AttentionStyle = (m, rows) => wholeWith(m, rows, squareMask(m));

function squareMask(m: ModelWriter): string {
  const { w } = m;
  return m.once('square', () => {
    const least = { value: { tensor: tensor('', 'float32', [1], Float64Array.of(-3.4028234663852886e38)) } };
    const full = w.node(
      'ConstantOfShape',
      [w.node('Concat', [m.vector(m.rows), m.vector(m.rows)], { axis: 0 })],
      least,
    );
    const places = w.node('Range', [w.ints(0), m.rows, w.ints(1)]);
    const behind = w.node('Reshape', [w.node('Add', [places, w.ints(1)]), w.ints([-1, 1])]);
    const square = w.node('Where', [w.node('Less', [places, behind]), w.float(0), full]);
    const wide = w.node('Unsqueeze', [w.node('Unsqueeze', [square, w.ints([0])]), w.ints([1])]);
    const target = w.node('Concat', [w.ints([1]), w.ints([1]), m.vector(m.rows), m.vector(m.tokens)], { axis: 0 });
    return w.node('Tile', [w.node('Expand', [wide, target]), w.ints([1, small.heads, 1, 1])]);
  });
}

function wholeWith(m: ModelWriter, rows: LayerRows, mask: string): string {
  const { w } = m;
  const made = m.heads(rows);
  m.append(rows, made);
  const [keys, values] = [rows.presentKey, rows.presentValue].map((name) => m.mergeHeads(repeatHeads(m, name)));
  return w.node('ms.MultiHeadAttention', [m.mergeHeads(made.q), keys as string, values as string, '', '', mask], {
    num_heads: small.heads,
  });
}

/** Attention of the standard domain with a past of its own. */
export const standard: AttentionStyle = (m, rows) => {
  const { w } = m;
  const { heads, headDim, hidden } = small;
  const project = (name: string, count: number) =>
    m.project(rows.x, { name: `layers.${rows.layer}.${name}`, into: hidden, out: count * headDim });
  const three = [project('q', heads), project('k', m.kvHeads), project('v', m.kvHeads)];
  const inputs = [...three, additiveMask(m), rows.pastKey, rows.pastValue];
  const outputs = [`/attn_${rows.layer}`, rows.presentKey, rows.presentValue];
  return w.node('Attention', inputs, { q_num_heads: heads, kv_num_heads: m.kvHeads }, outputs);
};
