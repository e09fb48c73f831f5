/** Puts the paged-attention node where the export had attention: rows in its layout, rotation where the export left it to the node. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Dim, ElementType, Value } from '../ir/graph.ts';
import { add, cast, reshape, transpose } from '../ir/operators.ts';
import type { ResolvedAttention, RotationView, RowsView } from './resolved-attention.ts';

export interface PagedRowsSource {
  /** int32 [M] */
  readonly positions: Value;
  /** A value of the export. */
  readonly read: (name: string) => Value;
}

export class PagedRows {
  readonly #graph: GraphBuilder;
  readonly #source: PagedRowsSource;
  #positions: Value | undefined;

  constructor(graph: GraphBuilder, source: PagedRowsSource) {
    this.#graph = graph;
    this.#source = source;
  }

  /** Appends the attention of a layer; gives its output in the layout and type of the export. */
  attend(attention: ResolvedAttention, type: ElementType): Value {
    const { layer, heads, scale, rotation } = attention;
    const { kvHeads, headDim } = this.#headsOf(attention);
    const queries = this.#rotated(this.#rows(attention.queries), rotation, { heads, headDim });
    const keys = this.#rotated(this.#rows(attention.keys), rotation, { heads: kvHeads, headDim });
    const values = this.#rows(attention.values);
    const attended = this.#graph.pagedAttention({
      layer,
      heads,
      kvHeads,
      headDim,
      scale,
      ...(attention.window === undefined ? {} : { window: attention.window }),
      ...(attention.softCap === undefined ? {} : { softcap: attention.softCap }),
      queries,
      keys,
      values,
    });
    return this.#unrolled(attended, attention.output, type);
  }

  #headsOf({ heads, queries, keys }: ResolvedAttention): { kvHeads: number; headDim: number } {
    const headDim = widthOf(queries) / heads;
    return { kvHeads: widthOf(keys) / headDim, headDim };
  }

  /** As float32 [1, M, width]. */
  #rows(view: RowsView): Value {
    const graph = this.#graph;
    let value = this.#source.read(view.name);
    const rank = view.dims.length;
    const order = [view.row, ...Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== view.row)];
    const before = view.dims.slice(0, view.row);
    if (before.some((dim) => dim !== 1)) value = transpose(graph, value, order);
    const all = view.dims.reduce<number>((product, dim) => (dim === 'M' ? product : product * (dim as number)), 1);
    if (rank !== 3 || view.row !== 1) value = reshape(graph, value, { to: [1, -1, all], shape: [1, 'M', all] });
    if (view.columns !== undefined) value = this.#columns(value, view.columns);
    if (view.bias !== undefined) value = this.#biased(value, view.bias);
    return value.type === 'float32' ? value : cast(graph, value, 'float32');
  }

  #columns(value: Value, { first, width }: { first: number; width: number }): Value {
    const graph = this.#graph;
    const inputs = [value, graph.ints([first]), graph.ints([first + width]), graph.ints([-1])];
    return graph.call({ operator: 'Slice', inputs }, value.type, [...value.shape.slice(0, -1), width]);
  }

  #biased(value: Value, { name, first }: { name: string; first: number }): Value {
    const graph = this.#graph;
    const width = value.shape.at(-1) as number;
    const inputs = [this.#source.read(name), graph.ints([first]), graph.ints([first + width]), graph.ints([0])];
    return add(graph, value, graph.call({ operator: 'Slice', inputs }, value.type, [width]));
  }

  #rotated(
    rows: Value,
    rotation: RotationView | undefined,
    { heads, headDim }: { heads: number; headDim: number },
  ): Value {
    if (rotation === undefined) return rows;
    const graph = this.#graph;
    this.#positions ??= reshape(graph, cast(graph, this.#source.positions, 'int64'), { to: [1, -1], shape: [1, 'M'] });
    const [cosines, sines] = [rotation.cosines, rotation.sines].map((name) => {
      const table = this.#source.read(name);
      return table.type === 'float32' ? table : cast(graph, table, 'float32');
    }) as [Value, Value];
    const isPartial = rotation.rotatedDim < headDim;
    const attributes = {
      interleaved: { int: rotation.isInterleaved ? 1 : 0 },
      ...(isPartial ? { rotary_embedding_dim: { int: rotation.rotatedDim }, num_heads: { int: heads } } : {}),
    };
    const inputs = [rows, this.#positions, cosines, sines];
    return graph.call(
      { operator: 'RotaryEmbedding', domain: 'com.microsoft', inputs, attributes },
      'float32',
      rows.shape,
    );
  }

  /** From [1, M, width] to the layout and type of the export. */
  #unrolled(attended: Value, view: RowsView, type: ElementType): Value {
    const graph = this.#graph;
    const typed = attended.type === type ? attended : cast(graph, attended, type);
    const others = view.dims.filter((_, axis) => axis !== view.row) as number[];
    const isFlat = view.dims.length === 3 && view.row === 1 && view.dims[0] === 1;
    if (isFlat) return typed;
    const rowsFirst = reshape(graph, typed, { to: [-1, ...others], shape: ['M', ...others] });
    // Axis `row` of the view is the first here; the others follow in order.
    const order = view.dims.map((_, axis) => (axis === view.row ? 0 : axis < view.row ? axis + 1 : axis));
    const made = order.every((axis, at) => axis === at) ? rowsFirst : transpose(graph, rowsFirst, order);
    return { ...made, shape: view.dims.map((dim): Dim => (typeof dim === 'number' ? dim : 'M')) };
  }
}

function widthOf(view: RowsView): number {
  return (
    view.columns?.width ??
    view.dims.reduce<number>((product, dim) => (dim === 'M' ? product : product * (dim as number)), 1)
  );
}
