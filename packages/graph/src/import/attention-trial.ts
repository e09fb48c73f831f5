/** Tries operators out as attention: evaluates them with random numbers and compares with the formula. */
import type { Analysis } from './analysis.ts';
import type { RowsView } from './attention.ts';
import type { Elements } from './evaluate/tensor.ts';
import { stridesOf, walk } from './evaluate/tensor.ts';
import type { PastLayer } from './interface.ts';
import type { Probe } from './probes.ts';
import { elementsOf, type SourceNode } from './source-graph.ts';

export interface TrialNames extends PastLayer {
  readonly keys: string;
  readonly values: string;
  readonly queries: RowsView;
  readonly output: RowsView;
  readonly softmax: SourceNode;
  /** The product of queries and keys. */
  readonly scores: SourceNode;
}

export interface Identified {
  readonly scale: number;
  readonly window: number | undefined;
  readonly softCap: number | undefined;
}

const CAUSAL = 'each row to attend to all positions up to its own, or to a window that ends with it';
const FORMULA = 'softmax(scale x queries x keys, causal) x values, with no other term';

/** Of float32 constants and roundings in float32 on the way. */
const TOLERANCE = 1e-4;

export class AttentionTrial {
  readonly #analysis: Analysis;
  readonly #names: TrialNames;
  readonly #heads: number;
  readonly #inside: ReadonlySet<SourceNode>;

  constructor(analysis: Analysis, names: TrialNames, of: { heads: number; inside: ReadonlySet<SourceNode> }) {
    this.#analysis = analysis;
    this.#names = names;
    this.#heads = of.heads;
    this.#inside = of.inside;
  }

  /** What the operators compute, or what they should have computed. */
  identify(): Identified | string {
    const probes = this.#analysis.probes.all;
    const first = probes[0] as Probe;
    const scale = this.#scaleAt(first);
    if (scale === undefined) return FORMULA;
    const softCap = this.#softCapAt(first, scale);
    const window = windowOf(this.#maskKey(), () => this.#windowAt(probes.at(-1) as Probe), this.#analysis);
    if (window === undefined) return CAUSAL;
    const found: Identified = { scale, softCap, window: window === Number.POSITIVE_INFINITY ? undefined : window };
    for (const probe of probes.slice(0, -1)) {
      if (!this.#isCausal(probe, window)) return CAUSAL;
      if (!this.#agrees(probe, found)) return FORMULA;
    }
    return found;
  }

  /** From scores so small that a soft cap does nothing. */
  #scaleAt(probe: Probe): number | undefined {
    const draw = this.#draw(probe, 1e-4);
    const scores = this.#compute(probe, draw, this.#names.softmax.inputs[0] as string);
    const best = this.#largestProduct(draw);
    const scale = (scores?.[best.at] ?? Number.NaN) / best.product;
    return Number.isFinite(scale) && scale !== 0 ? Math.fround(scale) : undefined;
  }

  /** From scores so large that a soft cap is all that is left. */
  #softCapAt(probe: Probe, scale: number): number | undefined {
    const draw = this.#draw(probe, 1e4);
    const scores = this.#compute(probe, draw, this.#names.softmax.inputs[0] as string);
    const best = this.#largestProduct(draw);
    const score = scores?.[best.at] ?? Number.NaN;
    return Math.abs(score / (best.product * scale) - 1) < 0.01 ? undefined : Math.fround(Math.abs(score));
  }

  /** The last row's product with itself and its place among the scores: its own position is always attended. */
  #largestProduct(draw: Draw): { product: number; at: number } {
    let best = { product: 0, at: 0 };
    for (let head = 0; head < this.#heads; head += 1) {
      for (let row = 0; row < draw.rows; row += 1) {
        const token = draw.past + row;
        const product = dot(draw, { head, row, token, heads: this.#heads, headDim: this.#headDim });
        if (Math.abs(product) > Math.abs(best.product)) {
          best = { product, at: (head * draw.rows + row) * draw.tokens + token };
        }
      }
    }
    return best;
  }

  get #headDim(): number {
    return this.#analysis.names.headDim;
  }

  /** With scores of zero: what a row attends to is then the mask's alone, and no probability is too small to be seen. */
  #probabilities({ sizes, evaluation }: Probe): Elements | undefined {
    const zeros = new Float64Array(this.#heads * sizes.rows * (sizes.rows + sizes.past));
    const given = new Map([[this.#names.scores.outputs[0] as string, zeros]]);
    return evaluation.computeWith(this.#names.softmax.outputs[0] as string, this.#inside, given);
  }

  /** Layers with the same operators over the same mask have the same window. */
  #maskKey(): string {
    const masks = [...this.#inside].flatMap((node) =>
      node.inputs.filter(
        (name) => this.#analysis.layerOf(name) === undefined && this.#analysis.fact(name).dims.includes('T'),
      ),
    );
    return JSON.stringify([[...this.#inside].map(({ operator }) => operator), masks]);
  }

  /** Infinity: no window; undefined: what the row sees does not end with itself, or has holes. */
  #windowAt(probe: Probe): number | undefined {
    const { rows, past } = probe.sizes;
    const tokens = rows + past;
    const seen = this.#probabilities(probe);
    if (seen?.length !== this.#heads * rows * tokens) return undefined;
    const first = seen.findIndex((probability) => probability > 0);
    for (let at = 0; at < seen.length; at += 1) {
      if ((seen[at] as number) > 0 !== at % tokens >= first) return undefined;
    }
    return first === 0 ? Number.POSITIVE_INFINITY : tokens - first;
  }

  #isCausal(probe: Probe, window: number): boolean {
    const { rows, past } = probe.sizes;
    const tokens = rows + past;
    const seen = this.#probabilities(probe);
    if (seen?.length !== this.#heads * rows * tokens) return false;
    return seen.every((probability, at) => {
      const behind = past + (Math.floor(at / tokens) % rows) - (at % tokens);
      return probability > 0 === (behind >= 0 && behind < window);
    });
  }

  #agrees(probe: Probe, found: Identified): boolean {
    const draw = this.#draw(probe, 1);
    const made = this.#compute(probe, draw, this.#names.output.name);
    if (made === undefined) return false;
    const rows = toRows(made, extentsOf(this.#names.output, draw.rows), this.#names.output.row);
    const wanted = attend(draw, { ...found, heads: this.#heads, headDim: this.#headDim });
    const largest = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    return (
      rows.length === wanted.length &&
      rows.every((x, at) => Math.abs(x - (wanted[at] as number)) <= TOLERANCE * largest)
    );
  }

  #draw(probe: Probe, queryScale: number): Draw {
    const { rows, past } = probe.sizes;
    const { kvHeads, headDim } = this.#analysis.names;
    const random = lcg(rows * 1000 + past);
    const floats = (count: number, scale: number) =>
      Float64Array.from({ length: count }, () => Math.fround(random() * scale));
    const kv = (tokens: number) => floats(kvHeads * tokens * headDim, 1);
    return {
      rows,
      past,
      tokens: rows + past,
      kvHeads,
      queries: floats(rows * this.#heads * headDim, queryScale),
      pastKeys: kv(past),
      keys: kv(rows),
      pastValues: kv(past),
      values: kv(rows),
    };
  }

  #compute(probe: Probe, draw: Draw, target: string): Elements | undefined {
    const { pastKey, pastValue, keys, values, queries } = this.#names;
    const given = new Map<string, Elements>([
      [pastKey, draw.pastKeys],
      [pastValue, draw.pastValues],
      [keys, draw.keys],
      [values, draw.values],
      [queries.name, fromRows(draw.queries, extentsOf(queries, draw.rows), queries.row)],
    ]);
    return probe.evaluation.computeWith(target, this.#inside, given);
  }
}

const windows = new WeakMap<Analysis, Map<string, number | undefined>>();

function windowOf(key: string, find: () => number | undefined, analysis: Analysis): number | undefined {
  const known = windows.get(analysis) ?? new Map<string, number | undefined>();
  windows.set(analysis, known);
  if (!known.has(key)) known.set(key, find());
  return known.get(key);
}

/** Random rows of one trial. */
interface Draw {
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

function dot(draw: Draw, place: Place): number {
  const [keys, at] = rowOf(draw, draw.pastKeys, draw.keys, place);
  const from = (place.row * place.heads + place.head) * place.headDim;
  let sum = 0;
  for (let i = 0; i < place.headDim; i += 1) sum += (draw.queries[from + i] as number) * (keys[at + i] as number);
  return sum;
}

/** The formula. [rows, heads x headDim] */
function attend(draw: Draw, of: Identified & { heads: number; headDim: number }): Elements {
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

function extentsOf(view: RowsView, rows: number): number[] {
  return view.dims.map((dim, axis) => (axis === view.row ? rows : (dim as number)));
}

/** Strides of a value, its row axis first. */
function rowsFirst(dims: readonly number[], row: number): { dims: number[]; strides: number[] } {
  const strides = stridesOf(dims);
  const order = [row, ...dims.map((_, axis) => axis).filter((axis) => axis !== row)];
  return { dims: order.map((axis) => dims[axis] as number), strides: order.map((axis) => strides[axis] as number) };
}

function toRows(elements: Elements, dims: readonly number[], row: number): Elements {
  const view = rowsFirst(dims, row);
  const result = new Float64Array(elementsOf(dims));
  walk(view.dims, [view.strides], (index, [offset]) => {
    result[index] = elements[offset as number] as number;
  });
  return result;
}

function fromRows(rows: Elements, dims: readonly number[], row: number): Elements {
  const view = rowsFirst(dims, row);
  const result = new Float64Array(elementsOf(dims));
  walk(view.dims, [view.strides], (index, [offset]) => {
    result[offset as number] = rows[index] as number;
  });
  return result;
}

/** Numbers from -1 to 1, the same at every run. */
function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
