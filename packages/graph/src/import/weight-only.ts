/**
 * Products whose activations are quantised over the whole batch, rewritten so that only the weights are: DynamicQuantizeLinear takes one
 * scale from all rows of a run, so that a row's K and V would depend on what else is in its step. The weights keep their codes.
 *
 *     x -> DynamicQuantizeLinear -> MatMulInteger(codes) -> Cast -> Mul(scale of x * scale of codes) -> y
 *     x -> MatMulNBits(codes) -> y
 */
import { QUANTIZED_BLOCK } from '../weights/quantize.ts';
import { bytesOf } from './evaluate/evaluation.ts';
import { decode, type Elements } from './evaluate/tensor.ts';
import { elementsOf, type SourceGraph, type SourceNode, type SourceTensor } from './source-graph.ts';

/** The same graph without the products that could be rewritten. Pure: reads no weight before it is packed. */
export function toWeightOnly(graph: SourceGraph): SourceGraph {
  const rewriter = new Rewriter(graph);
  const nodes = graph.nodes.map((node) => rewriter.rewrite(node));
  return { ...graph, nodes, initializers: new Map([...graph.initializers, ...rewriter.made]) };
}

/** A product as it was found. */
interface Product {
  /** What was quantised. */
  readonly x: string;
  readonly codes: SourceTensor;
  readonly zeroPoint: SourceTensor | undefined;
  readonly scale: SourceTensor;
}

class Rewriter {
  readonly made = new Map<string, SourceTensor>();
  readonly #graph: SourceGraph;
  readonly #producers: ReadonlyMap<string, SourceNode>;

  constructor(graph: SourceGraph) {
    this.#graph = graph;
    this.#producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  }

  /** The last node of a product becomes all of it; the others are then read by nobody. */
  rewrite(node: SourceNode): SourceNode {
    const product = node.operator === 'Mul' ? this.#dynamic(node) : this.#fused(node);
    if (product === undefined) return node;
    const [columns, rows] = product.codes.dims as [number, number];
    const [codes, scales, zeroPoints] = this.#pack(product);
    return {
      ...node,
      operator: 'MatMulNBits',
      domain: 'com.microsoft',
      inputs: [product.x, codes, scales, zeroPoints, '', node.operator === 'Mul' ? '' : (node.inputs[4] ?? '')],
      attributes: new Map(
        Object.entries({ K: columns, N: rows, bits: 8, block_size: QUANTIZED_BLOCK, accuracy_level: 4 }).map(
          ([name, int]) => [name, { kind: 'int', int }] as const,
        ),
      ),
    };
  }

  #dynamic(node: SourceNode): Product | undefined {
    for (const [sum, scale] of [node.inputs, [...node.inputs].reverse()]) {
      const cast = this.#producerOf(sum, 'Cast');
      const product = this.#producerOf(cast?.inputs[0], 'MatMulInteger');
      const scales = this.#producerOf(scale, 'Mul');
      const quantize = this.#producerOf(product?.inputs[0], 'DynamicQuantizeLinear');
      if (product === undefined || scales === undefined || quantize === undefined) continue;
      const own = scales.inputs.find((name) => name !== quantize.outputs[1]);
      if (!scales.inputs.includes(quantize.outputs[1] ?? '') || product.inputs[2] !== quantize.outputs[2]) continue;
      return this.#product(quantize.inputs[0], { codes: product.inputs[1], scale: own, zeroPoint: product.inputs[3] });
    }
    return undefined;
  }

  /** As the runtime's own optimiser writes it: one node for all. */
  #fused(node: SourceNode): Product | undefined {
    if (node.operator !== 'DynamicQuantizeMatMul') return undefined;
    const [x, codes, scale, zeroPoint] = node.inputs;
    return this.#product(x, { codes, scale, zeroPoint });
  }

  #product(
    x: string | undefined,
    names: { codes: string | undefined; scale: string | undefined; zeroPoint: string | undefined },
  ): Product | undefined {
    const [codes, scale, zeroPoint] = [names.codes, names.scale, names.zeroPoint].map((name) =>
      this.#graph.initializers.get(name ?? ''),
    );
    if (x === undefined || codes === undefined || scale?.type !== 'float32' || codes.dims.length !== 2)
      return undefined;
    if ((codes.type !== 'int8' && codes.type !== 'uint8') || (names.zeroPoint && zeroPoint === undefined))
      return undefined;
    const columns = codes.dims[1] as number;
    const isSound = (tensor: SourceTensor) => elementsOf(tensor.dims) === 1 || elementsOf(tensor.dims) === columns;
    return isSound(scale) && (zeroPoint === undefined || isSound(zeroPoint))
      ? { x, codes, scale, zeroPoint }
      : undefined;
  }

  #producerOf(name: string | undefined, operator: string): SourceNode | undefined {
    const node = name === undefined ? undefined : this.#producers.get(name);
    return node?.operator === operator ? node : undefined;
  }

  /** Names of codes [N, blocks, block], scales and zero points [N x blocks], made when they are packed. */
  #pack(product: Product): readonly [string, string, string] {
    const { codes } = product;
    const [inner, outer] = codes.dims as [number, number];
    const blocks = Math.ceil(inner / QUANTIZED_BLOCK);
    const name = `${codes.name}:weight-only:${product.scale.name}`;
    const tensor = (part: string, of: Pick<SourceTensor, 'type' | 'dims' | 'byteLength'>, make: () => Uint8Array) => {
      this.made.set(`${name}.${part}`, {
        name: `${name}.${part}`,
        ...of,
        place: { bytes: undefined, file: undefined, offset: 0, make },
      });
      return `${name}.${part}`;
    };
    const count = outer * blocks;
    return [
      tensor(
        'codes',
        { type: 'uint8', dims: [outer, blocks, QUANTIZED_BLOCK], byteLength: count * QUANTIZED_BLOCK },
        () => turnedCodes(product, blocks),
      ),
      tensor('scales', { type: 'float32', dims: [count], byteLength: count * 4 }, () => {
        const scales = eachBlock(decode('float32', bytesOf(product.scale)), outer, blocks);
        return new Uint8Array(Float32Array.from(scales).buffer);
      }),
      tensor('zero_points', { type: 'uint8', dims: [count], byteLength: count }, () =>
        Uint8Array.from(eachBlock(zeroPointsOf(product), outer, blocks)),
      ),
    ];
  }
}

/** Codes of 8 bits are unsigned there: those with a sign move by 128. */
function shiftOf({ type }: SourceTensor): number {
  return type === 'int8' ? 128 : 0;
}

function zeroPointsOf({ codes, zeroPoint }: Product): Elements {
  const own = zeroPoint === undefined ? Float64Array.of(0) : decode(zeroPoint.type, bytesOf(zeroPoint));
  return own.map((point) => point + shiftOf(codes));
}

/** One value for all columns, or one a column, repeated for each block of a column. */
function eachBlock(values: Elements, outer: number, blocks: number): Elements {
  return Float64Array.from(
    { length: outer * blocks },
    (_, at) => values[values.length === 1 ? 0 : Math.floor(at / blocks)] as number,
  );
}

/** From [inner, outer] to [outer, blocks, block]; what pads the last block stands for 0. */
function turnedCodes(product: Product, blocks: number): Uint8Array {
  const [inner, outer] = product.codes.dims as [number, number];
  const codes = bytesOf(product.codes);
  const points = zeroPointsOf(product);
  const run = blocks * QUANTIZED_BLOCK;
  const turned = new Uint8Array(outer * run);
  const shift = shiftOf(product.codes);
  for (let column = 0; column < outer; column += 1) {
    const at = column * run;
    // A byte with a sign read as one without is off by 256, which the byte that is written drops again.
    for (let k = 0; k < inner; k += 1) turned[at + k] = (codes[k * outer + column] as number) + shift;
    turned.fill(points[points.length === 1 ? 0 : column] as number, at + inner, at + run);
  }
  return turned;
}
