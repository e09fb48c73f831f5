import type { Value } from '../ir/graph.ts';
import { add, multiply, multiplyMatrices, multiplyTransposed, splitLast } from '../ir/operators.ts';
import { QUANTIZED_BLOCK } from '../weights/quantize.ts';
import type { BuildContext } from './build-context.ts';
import type { LinearDescription } from './description.ts';
import { type FactoredRows, type RoundedInput, roundInput } from './rounded-input.ts';
import { floatWeight } from './weights.ts';

/**
 * Projections that read the same input, [1, M, in] -> [1, M, out] each. Packed weights become one matrix for all of them; float32
 * weights stay as they are stored, so that the model's own file can be used in place.
 */
export function project(build: BuildContext, x: Value, projections: readonly LinearDescription[]): Value[] {
  if (build.format === 'f32') return projections.map((projection) => projectFloat(build, x, projection));
  const product =
    build.format === 'w8a8' ? projectIntegers(build, { rows: x }, projections) : projectInBlocks(build, x, projections);
  return projections.length === 1
    ? [product]
    : splitLast(
        build.graph,
        product,
        projections.map(({ out }) => out),
      );
}

/** One projection. */
export function projectOne(build: BuildContext, x: Value, projection: LinearDescription): Value {
  return project(build, x, [projection])[0] as Value;
}

/**
 * Projections of one input, each a matrix of its own, whose rows lack the factors that they have in common. In 8-bit codes that is faster than one
 * matrix and a split: a pass over all outputs less, and another for each of them that never needs its factors. Undefined for other formats, and
 * where there are biases, which have to be added to finished rows.
 */
export function projectApart(
  build: BuildContext,
  x: Value,
  projections: readonly LinearDescription[],
): { readonly outputs: Value[]; readonly factors: Value } | undefined {
  if (build.format !== 'w8a8' || projections.some(({ bias }) => bias !== undefined)) return undefined;
  const rounded = roundInput(build.graph, { rows: x });
  return {
    outputs: projections.map((projection) => multiplyCodes(build, rounded, [projection])),
    factors: rounded.extremes,
  };
}

/** One projection of rows whose factors were left out. */
export function projectFactored(build: BuildContext, x: FactoredRows, projection: LinearDescription): Value {
  if (build.format === 'w8a8') return projectIntegers(build, x, [projection]);
  const { rows, factors } = x;
  return projectOne(build, factors === undefined ? rows : multiply(build.graph, rows, factors), projection);
}

/** One projection in float32, whatever the format that the model's weights are wanted in. */
export function projectFloat(build: BuildContext, x: Value, projection: LinearDescription): Value {
  const { tensor, bias, out } = projection;
  const right = floatWeight(build, tensor, storedShape(projection));
  const shape = [...x.shape.slice(0, -1), out];
  const product =
    projection.stored === 'in-out'
      ? multiplyMatrices(build.graph, { left: x, right, shape })
      : multiplyTransposed(build.graph, { left: x, right, shape });
  return bias === undefined ? product : add(build.graph, product, floatWeight(build, bias, [out]));
}

function storedShape({ out, in: into, stored }: LinearDescription): number[] {
  return stored === 'in-out' ? [into, out] : [out, into];
}

/** What projections of one input make together: one matrix [in, out]. */
interface Stacked {
  readonly into: number;
  readonly out: number;
  readonly tensors: readonly string[];
  readonly transposed: boolean;
}

/** Effect: names and shapes of the tensors are checked. */
function stack(build: BuildContext, projections: readonly LinearDescription[]): Stacked {
  for (const projection of projections) build.weights.expect(projection.tensor, storedShape(projection));
  return {
    into: projections[0]?.in ?? 0,
    out: projections.reduce((sum, projection) => sum + projection.out, 0),
    tensors: projections.map(({ tensor }) => tensor),
    transposed: projections[0]?.stored === 'in-out',
  };
}

function projectInBlocks(build: BuildContext, x: Value, projections: readonly LinearDescription[]): Value {
  const { graph } = build;
  const bits = build.format === 'q4' ? 4 : 8;
  const { into, out, tensors, transposed } = stack(build, projections);
  const blocks = Math.ceil(into / QUANTIZED_BLOCK);
  const name = `${tensors.join('+')}.q${bits}`;
  const codes = graph.weight(
    { name, type: 'uint8', shape: [out, blocks, (QUANTIZED_BLOCK * bits) / 8] },
    { kind: 'quantized', tensors, transposed, bits, part: 'codes' },
  );
  const scales = graph.weight(
    { name: `${name}.scales`, type: 'float32', shape: [out * blocks] },
    { kind: 'quantized', tensors, transposed, bits, part: 'scales' },
  );
  return graph.call(
    {
      operator: 'MatMulNBits',
      domain: 'com.microsoft',
      inputs: [x, codes, scales, null, null, stackedBias(build, projections)],
      attributes: {
        K: { int: into },
        N: { int: out },
        bits: { int: bits },
        block_size: { int: QUANTIZED_BLOCK },
        // 4: activations are rounded to 8 bits per block of a row, so that the products are sums of integers.
        accuracy_level: { int: 4 },
      },
    },
    'float32',
    [...x.shape.slice(0, -1), out],
  );
}

/**
 * Rows of x rounded to 8 bits with one scale each, times a matrix of 8 bits with one scale for each output. Sums are whole numbers, so a row
 * gives the same bits whatever else is in the step.
 */
function projectIntegers(build: BuildContext, x: FactoredRows, projections: readonly LinearDescription[]): Value {
  const { graph } = build;
  const rounded = roundInput(graph, x);
  const product = multiply(graph, multiplyCodes(build, rounded, projections), rounded.extremes);
  const bias = stackedBias(build, projections);
  return bias === null ? product : add(graph, product, bias);
}

/** Products that lack the factors of the rows that were rounded. */
function multiplyCodes(build: BuildContext, rows: RoundedInput, projections: readonly LinearDescription[]): Value {
  const { graph } = build;
  const { into, out, tensors, transposed } = stack(build, projections);
  const unsigned = build.unsignedCodes ?? false;
  const { throughBits } = build;
  const name = `${tensors.join('+')}.w8`;
  const codes = graph.weight(
    { name, type: unsigned ? 'uint8' : 'int8', shape: [into, out] },
    { kind: 'quantized-columns', tensors, transposed, unsigned, throughBits, part: 'codes' },
  );
  const scales = graph.weight(
    { name: `${name}.scales`, type: 'float32', shape: [out] },
    { kind: 'quantized-columns', tensors, transposed, unsigned, throughBits, part: 'scales' },
  );
  return graph.call(
    {
      operator: 'MatMulIntegerToFloat',
      domain: 'com.microsoft',
      inputs: [rows.codes, codes, rows.step, scales, rows.zero, unsigned ? rows.zero : null],
    },
    'float32',
    [...rows.codes.shape.slice(0, -1), out],
  );
}

function stackedBias(build: BuildContext, projections: readonly LinearDescription[]): Value | null {
  const biases = projections.flatMap(({ bias }) => (bias === undefined ? [] : [bias]));
  if (biases.length === 0) return null;
  if (biases.length !== projections.length) throw new Error('projections of one input have all a bias or none');
  for (const { bias, out } of projections) build.weights.expect(bias as string, [out]);
  const out = projections.reduce((sum, projection) => sum + projection.out, 0);
  const value: Value = { name: biases.join('+'), type: 'float32', shape: [out] };
  return build.graph.weight(value, { kind: 'stacked', tensors: biases });
}
