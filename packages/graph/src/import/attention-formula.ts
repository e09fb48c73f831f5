/** Attention by its formula, over random rows, and rows in the layouts that exports have them in. */
import { type Elements, stridesOf, walk } from './evaluate/tensor.ts';
import type { RowsView } from './resolved-attention.ts';
import { elementsOf } from './source-graph.ts';

export interface Identified {
  readonly scale: number;
  readonly window: number | undefined;
  readonly softCap: number | undefined;
}

/** Random rows of one trial. */
export interface Draw {
  readonly rows: number;
  readonly past: number;
  readonly tokens: number;
  readonly kvHeads: number;
  /** [rows, heads, headDim] */
  readonly queries: Elements;
  /** [kvHeads, past, headDim], and new rows [kvHeads, rows, headDim] */
  readonly pastKeys: Elements;
  readonly keys: Elements;
  readonly pastValues: Elements;
  readonly values: Elements;
}

interface Place {
  readonly head: number;
  readonly row: number;
  readonly token: number;
  readonly heads: number;
  readonly headDim: number;
}

/** Where the row of a token is: [array, first element]. */
function rowOf(
  draw: Draw,
  past: Elements,
  fresh: Elements,
  { head, token, heads, headDim }: Omit<Place, 'row'>,
): readonly [Elements, number] {
  const kvHead = Math.floor((head * draw.kvHeads) / heads);
  if (token < draw.past) return [past, (kvHead * draw.past + token) * headDim];
  return [fresh, (kvHead * draw.rows + token - draw.past) * headDim];
}

export function dot(draw: Draw, place: Place): number {
  const [keys, at] = rowOf(draw, draw.pastKeys, draw.keys, place);
  const from = (place.row * place.heads + place.head) * place.headDim;
  let sum = 0;
  for (let i = 0; i < place.headDim; i += 1) sum += (draw.queries[from + i] as number) * (keys[at + i] as number);
  return sum;
}

/** The formula. [rows, heads x headDim] */
export function attend(draw: Draw, of: Identified & { heads: number; headDim: number }): Elements {
  const { heads, headDim, scale, softCap, window = Number.POSITIVE_INFINITY } = of;
  const result = new Float64Array(draw.rows * heads * headDim);
  for (let row = 0; row < draw.rows; row += 1) {
    const own = draw.past + row;
    const first = Math.max(0, own - window + 1);
    for (let head = 0; head < heads; head += 1) {
      const scores = Array.from({ length: own - first + 1 }, (_, index) => {
        const score = scale * dot(draw, { head, row, token: first + index, heads, headDim });
        return softCap === undefined ? score : softCap * Math.tanh(score / softCap);
      });
      const most = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - most));
      const sum = powers.reduce((total, power) => total + power, 0);
      powers.forEach((power, index) => {
        const [values, at] = rowOf(draw, draw.pastValues, draw.values, { head, token: first + index, heads, headDim });
        const to = (row * heads + head) * headDim;
        for (let i = 0; i < headDim; i += 1) {
          result[to + i] = (result[to + i] as number) + (power / sum) * (values[at + i] as number);
        }
      });
    }
  }
  return result;
}

export function extentsOf(view: RowsView, rows: number): number[] {
  return view.dims.map((dim, axis) => (axis === view.row ? rows : (dim as number)));
}

/** Strides of a value, its row axis first. */
function rowsFirst(dims: readonly number[], row: number): { dims: number[]; strides: number[] } {
  const strides = stridesOf(dims);
  const order = [row, ...dims.map((_, axis) => axis).filter((axis) => axis !== row)];
  return { dims: order.map((axis) => dims[axis] as number), strides: order.map((axis) => strides[axis] as number) };
}

export function toRows(elements: Elements, dims: readonly number[], row: number): Elements {
  const view = rowsFirst(dims, row);
  const result = new Float64Array(elementsOf(dims));
  walk(view.dims, [view.strides], (index, [offset]) => {
    result[index] = elements[offset as number] as number;
  });
  return result;
}

export function fromRows(rows: Elements, dims: readonly number[], row: number): Elements {
  const view = rowsFirst(dims, row);
  const result = new Float64Array(elementsOf(dims));
  walk(view.dims, [view.strides], (index, [offset]) => {
    result[offset as number] = rows[index] as number;
  });
  return result;
}

/** Numbers from -1 to 1, the same at every run. */
export function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
