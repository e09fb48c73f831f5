/**
 * A graph at one size of its inputs: the extents of every value, and elements where they follow from extents, masks, positions and
 * constants. Extents are worked out at once, elements when they are asked for, within a budget that the file's size justifies.
 */
import { readSync } from 'node:fs';
import type { SourceGraph, SourceNode, SourceTensor } from '../source-graph.ts';
import { elementsOf } from '../source-graph.ts';
import { operatorOf } from './index.ts';
import { decode, type Elements, type TensorShape } from './tensor.ts';

export interface GivenTensor extends TensorShape {
  /** undefined: nobody knows, as for tokens and past keys. */
  readonly elements: Elements | undefined;
}

/** Nodes that elements are followed back through, at most: no mask is made in more. */
const MAX_DEPTH = 400;
/** Elements of one value, at most: the causal buffer of a context of 2,048, or a mask row over a long one. */
export const MAX_ELEMENTS = 1 << 22;
/** Elements kept for each byte of the export: masks of a long context are worth more than the nodes that make them. */
const ELEMENTS_A_BYTE = 64;

/** What an evaluation is over: its elements are shared with evaluations of parts of the graph. */
export interface EvaluationParent {
  elements(name: string): Elements | undefined;
  shape(name: string): TensorShape | undefined;
}

export class Evaluation implements EvaluationParent {
  readonly #graph: SourceGraph;
  readonly #producers: ReadonlyMap<string, SourceNode>;
  readonly #given: ReadonlyMap<string, GivenTensor>;
  readonly #shapes = new Map<string, TensorShape>();
  readonly #elements = new Map<string, Elements | undefined>();
  #budget: number;
  #depth = 0;

  constructor(graph: SourceGraph, producers: ReadonlyMap<string, SourceNode>, given: ReadonlyMap<string, GivenTensor>) {
    this.#graph = graph;
    this.#producers = producers;
    this.#given = given;
    this.#budget = MAX_ELEMENTS + ELEMENTS_A_BYTE * graph.files.reduce((sum, file) => sum + file.bytes, 0);
    for (const [name, tensor] of given) this.#shapes.set(name, tensor);
    for (const [name, { type, dims }] of graph.initializers) this.#shapes.set(name, { type, dims });
    for (const node of graph.nodes) this.#infer(node);
  }

  /** undefined: not known. */
  shape(name: string): TensorShape | undefined {
    return this.#shapes.get(name);
  }

  /** undefined: not known, or too much. */
  elements(name: string): Elements | undefined {
    if (this.#elements.has(name)) return this.#elements.get(name);
    const shape = this.#shapes.get(name);
    const count = shape === undefined ? Number.POSITIVE_INFINITY : elementsOf(shape.dims);
    // Not remembered as unknown when it is merely too deep: asked from nearer, it may be known.
    if (this.#depth >= MAX_DEPTH || count > MAX_ELEMENTS || count > this.#budget) return undefined;
    this.#depth += 1;
    const made = this.#make(name);
    this.#depth -= 1;
    if (made !== undefined) this.#budget -= made.length;
    this.#elements.set(name, made);
    return made;
  }

  /**
   * Elements of `target` as they follow from other elements for some values, computed through the nodes of `through` alone; all else
   * is as in this evaluation.
   */
  computeWith(
    target: string,
    through: ReadonlySet<SourceNode>,
    values: ReadonlyMap<string, Elements>,
  ): Elements | undefined {
    const known = new Map<string, Elements | undefined>(values);
    const pull = (name: string, depth: number): Elements | undefined => {
      if (known.has(name)) return known.get(name);
      const node = this.#producers.get(name);
      if (node === undefined || !through.has(node)) return this.elements(name);
      if (depth > MAX_DEPTH) return undefined;
      this.#compute(node, (input) => pull(input, depth + 1))?.forEach((elements, index) => {
        known.set(node.outputs[index] as string, elements);
      });
      return known.get(name);
    };
    return pull(target, 0);
  }

  #infer(node: SourceNode): void {
    const inferred = operatorOf(node)?.infer({
      node,
      opset: this.#graph.opset,
      inputs: node.inputs.map((name) => this.#shapes.get(name)),
      elements: (input) => this.elements(node.inputs[input] ?? ''),
    });
    node.outputs.forEach((name, index) => {
      const shape = inferred?.[index];
      if (shape !== undefined && name !== '') this.#shapes.set(name, shape);
    });
  }

  #make(name: string): Elements | undefined {
    const given = this.#given.get(name);
    if (given !== undefined) return given.elements;
    const initializer = this.#graph.initializers.get(name);
    if (initializer !== undefined) return decode(initializer.type, bytesOf(initializer));
    const node = this.#producers.get(name);
    const made = node && this.#compute(node, (input) => this.elements(input));
    return made?.[node?.outputs.indexOf(name) ?? -1];
  }

  #compute(
    node: SourceNode,
    pull: (name: string) => Elements | undefined,
  ): readonly (Elements | undefined)[] | undefined {
    const operator = operatorOf(node);
    if (operator?.compute === undefined) return undefined;
    const outputs = node.outputs.map((name) => this.#shapes.get(name));
    const inputs = node.inputs.map((name) => this.#shapes.get(name));
    if (outputs[0] === undefined || elementsOf(outputs[0].dims) > MAX_ELEMENTS) return undefined;
    // Extents alone decide what these give; their input may hold anything.
    const needsElements = node.operator !== 'Shape' && node.operator !== 'Size';
    const elements = node.inputs.map((name) => (needsElements && name !== '' ? pull(name) : undefined));
    const isKnown = !needsElements || node.inputs.every((name, index) => name === '' || elements[index] !== undefined);
    return isKnown ? operator.compute({ node, opset: this.#graph.opset, inputs, elements, outputs }) : undefined;
  }
}

/** All bytes of a tensor. */
export function bytesOf({ place, byteLength, name }: SourceTensor): Uint8Array {
  if (place.bytes !== undefined) return place.bytes;
  if (place.make !== undefined) return place.make();
  const bytes = new Uint8Array(byteLength);
  let done = 0;
  while (done < byteLength) {
    const read = readSync(place.file?.reader.fd ?? -1, bytes, done, byteLength - done, place.offset + done);
    if (read === 0) throw new Error(`the file of tensor ${name} ended while it was read`);
    done += read;
  }
  return bytes;
}
