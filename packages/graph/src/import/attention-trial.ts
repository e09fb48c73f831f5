/** Tries operators out as attention: evaluates them with random numbers and compares with the formula. */
import type { Analysis } from './analysis.ts';
import { attend, type Draw, dot, extentsOf, fromRows, type Identified, lcg, toRows } from './attention-formula.ts';
import { MAX_ELEMENTS } from './evaluate/evaluation.ts';
import type { Elements } from './evaluate/tensor.ts';
import type { PastLayer } from './interface.ts';
import type { Probe } from './probes.ts';
import type { RowsView } from './resolved-attention.ts';
import type { SourceNode } from './source-graph.ts';

export interface TrialNames extends PastLayer {
  readonly keys: string;
  readonly values: string;
  readonly queries: RowsView;
  readonly output: RowsView;
  readonly softmax: SourceNode;
  /** The product of queries and keys. */
  readonly scores: SourceNode;
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
    if (probes.some((probe) => !this.#fits(probe))) return 'heads of a size that a model has';
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

  /** Extents are the file's word: nothing is made by them that no model needs. */
  #fits({ sizes }: Probe): boolean {
    const { kvHeads, headDim } = this.#analysis.names;
    const tokens = sizes.rows + sizes.past;
    const isLast = tokens > 64;
    return (
      this.#heads * sizes.rows * tokens <= MAX_ELEMENTS &&
      (isLast || this.#heads * kvHeads * tokens * headDim <= 1 << 28)
    );
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
