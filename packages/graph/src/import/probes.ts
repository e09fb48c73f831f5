/**
 * The graph evaluated at several sizes: batch 1, S new tokens after P of the past. What is the same at all sizes is a constant; an
 * extent that is S at all of them is the number of rows. So nothing has to be known about how an exporter computes shapes and masks.
 */
import { GraphError } from '../errors.ts';
import type { ElementType } from '../ir/graph.ts';
import { Evaluation, type GivenTensor } from './evaluate/evaluation.ts';
import type { Elements, TensorShape } from './evaluate/tensor.ts';
import type { PastInterface } from './interface.ts';
import type { SourceGraph, SourceNode } from './source-graph.ts';

/** An extent: a number, 'M' new rows, 'P' of the past, 'T' both, or something else that changes with them. */
export type SourceDim = number | 'M' | 'P' | 'T' | '?';

export interface Sizes {
  readonly rows: number;
  readonly past: number;
}

export interface Probe {
  readonly sizes: Sizes;
  readonly evaluation: Evaluation;
}

/** Sizes to evaluate at, the longest last: there windows and switches of long contexts show. */
export type ProbeSizes = (contextTokens: number) => readonly Sizes[];

const longest = (contextTokens: number): Sizes => ({ rows: 1, past: Math.max(23, contextTokens - 1) });

/** Primes and edges: no past, one row, a context that is full. */
export const anySizes: ProbeSizes = (contextTokens) => [
  { rows: 5, past: 11 },
  { rows: 7, past: 4 },
  { rows: 3, past: 19 },
  { rows: 6, past: 0 },
  { rows: 1, past: 13 },
  longest(contextTokens),
];

/**
 * For exports that are made for a whole prompt without a past or one row with it: masks of some of them have no meaning in between. Rows and
 * past of a step over pages are no sizes of a graph any more, so what holds at both ends is enough.
 */
export const promptOrRow: ProbeSizes = (contextTokens) => [
  { rows: 5, past: 0 },
  { rows: 7, past: 0 },
  { rows: 1, past: 13 },
  { rows: 1, past: 6 },
  longest(contextTokens),
];

export class Probes {
  readonly all: readonly Probe[];
  readonly producers: ReadonlyMap<string, SourceNode>;

  /** Throws ONNX_UNSUPPORTED when the graph is too deep to follow. */
  constructor(graph: SourceGraph, names: PastInterface, sizes: readonly Sizes[]) {
    this.producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
    try {
      this.all = sizes.map((of) => ({
        sizes: of,
        evaluation: new Evaluation(graph, this.producers, given(graph, names, of)),
      }));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new GraphError(
        'ONNX_UNSUPPORTED',
        `${graph.file} has shapes that cannot be worked out: export it in a usual layout`,
        { file: graph.file, cause },
      );
    }
  }

  /** undefined: not known at some size, or of another rank at some. */
  shape(name: string): { type: ElementType; dims: readonly SourceDim[] } | undefined {
    const shapes = this.all.map(({ evaluation }) => evaluation.shape(name));
    const [first] = shapes;
    if (first === undefined) return undefined;
    const known: TensorShape[] = [];
    for (const shape of shapes) {
      if (shape === undefined || shape.dims.length !== first.dims.length || shape.type !== first.type) return undefined;
      known.push(shape);
    }
    return {
      type: first.type,
      dims: first.dims.map((_, axis) => this.#dimOf(known.map(({ dims }) => dims[axis] as number))),
    };
  }

  /** Elements that are the same at all sizes; undefined: they differ, or are not known. */
  constant(name: string): Elements | undefined {
    const [first, ...rest] = this.all;
    const elements = (first as Probe).evaluation.elements(name);
    if (elements === undefined) return undefined;
    for (const { evaluation } of rest) {
      const other = evaluation.elements(name);
      if (other?.length !== elements.length || !elements.every((element, index) => Object.is(element, other[index])))
        return undefined;
    }
    return elements;
  }

  /** A list of extents as it is at every size; undefined: not known. */
  dims(name: string): readonly SourceDim[] | undefined {
    const lists = this.all.map(({ evaluation }) => evaluation.elements(name));
    const [first] = lists;
    if (first === undefined || lists.some((list) => list?.length !== first.length)) return undefined;
    return [...first].map((_, index) => this.#dimOf(lists.map((list) => (list as Elements)[index] as number)));
  }

  /** Whether the elements are what `expected` says of every size; the value may have any shape. */
  isEverywhere(name: string, expected: (sizes: Sizes) => readonly number[]): boolean {
    return this.all.every(({ sizes, evaluation }) => {
      const elements = evaluation.elements(name);
      const wanted = expected(sizes);
      return elements?.length === wanted.length && wanted.every((element, index) => elements[index] === element);
    });
  }

  #dimOf(extents: readonly number[]): SourceDim {
    const [first] = extents;
    if (extents.every((extent) => extent === first)) return first as number;
    const follows = (of: (sizes: Sizes) => number) =>
      extents.every((extent, index) => extent === of((this.all[index] as Probe).sizes));
    if (follows(({ rows }) => rows)) return 'M';
    if (follows(({ past }) => past)) return 'P';
    return follows(({ rows, past }) => rows + past) ? 'T' : '?';
  }
}

/** Positions of the new rows. Pure. */
export function positionsOf({ rows, past }: Sizes): number[] {
  return Array.from({ length: rows }, (_, row) => past + row);
}

function given(graph: SourceGraph, names: PastInterface, sizes: Sizes): Map<string, GivenTensor> {
  const { rows, past } = sizes;
  const all = new Map<string, GivenTensor>();
  const integers = (name: string, dims: readonly number[], elements: Elements | undefined) =>
    all.set(name, { type: names.integerTypes[name] ?? 'int64', dims, elements });
  integers(names.tokens, [1, rows], undefined);
  if (names.mask !== undefined) integers(names.mask, [1, past + rows], new Float64Array(past + rows).fill(1));
  if (names.positions !== undefined) integers(names.positions, [1, rows], Float64Array.from(positionsOf(sizes)));
  for (const { pastKey, pastValue } of names.layers) {
    for (const name of [pastKey, pastValue]) {
      all.set(name, { type: names.type, dims: [1, names.kvHeads, past, names.headDim], elements: undefined });
    }
  }
  for (const input of graph.inputs) {
    const value = names.constants[input.name];
    if (value === undefined) continue;
    all.set(input.name, { type: value.type, dims: value.dims, elements: Float64Array.of(value.value) });
  }
  return all;
}
