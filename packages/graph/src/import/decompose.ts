/**
 * Attention operators that take all keys and values, written out as plain operators, so that they are recognised by what they compute:
 * MultiHeadAttention of com.microsoft without a past of its own, and Attention of the standard domain (opset 23). The operators are never run:
 * attention over pages takes their place, or the export is run as it was.
 */
import { encode } from './evaluate/tensor.ts';
import { floatOf, intOf, type SourceAttribute, type SourceGraph, type SourceNode } from './source-graph.ts';

/** Pure. */
export function decomposeAttention(graph: SourceGraph): SourceGraph {
  return { ...graph, nodes: graph.nodes.flatMap((node) => new Decomposition(node).nodes() ?? [node]) };
}

const isPresent = (name: string | undefined): name is string => name !== undefined && name !== '';

class Decomposition {
  readonly #node: SourceNode;
  readonly #made: SourceNode[] = [];

  constructor(node: SourceNode) {
    this.#node = node;
  }

  /** undefined: nothing to write out. */
  nodes(): SourceNode[] | undefined {
    const { operator, domain, inputs } = this.#node;
    if (operator === 'Attention' && domain === '') return this.#standard();
    const isWhole =
      operator === 'MultiHeadAttention' && !isPresent(inputs[6]) && !isPresent(inputs[3]) && !isPresent(inputs[4]);
    return isWhole ? this.#multiHead() : undefined;
  }

  #multiHead(): SourceNode[] | undefined {
    const [query = '', key = '', value = '', , , mask = ''] = this.#node.inputs;
    const heads = intOf(this.#node, 'num_heads', 0);
    if (!isPresent(key) || !isPresent(value) || intOf(this.#node, 'unidirectional', 0) !== 0) return undefined;
    const split = (x: string) => this.#transposed(this.#reshaped(x, [0, 0, heads, -1]), [0, 2, 1, 3]);
    const attended = this.#attend({ query: split(query), key: split(key), value: split(value), mask, groups: 1 });
    this.#merge(attended);
    return this.#made;
  }

  #standard(): SourceNode[] | undefined {
    const [query = '', key = '', value = '', mask = '', pastKey = '', pastValue = ''] = this.#node.inputs;
    const [, presentKey = '', presentValue = ''] = this.#node.outputs;
    const [heads, kvHeads] = [intOf(this.#node, 'q_num_heads', 0), intOf(this.#node, 'kv_num_heads', 0)];
    // Without heads the rows are [batch, heads, rows, head size] already, and how many heads there are is not said.
    if (
      heads === 0 ||
      kvHeads === 0 ||
      intOf(this.#node, 'is_causal', 0) !== 0 ||
      floatOf(this.#node, 'softcap', 0) !== 0
    )
      return undefined;
    const split = (x: string, count: number) => this.#transposed(this.#reshaped(x, [0, 0, count, -1]), [0, 2, 1, 3]);
    const append = (past: string, x: string, present: string) => {
      if (!isPresent(past)) return x;
      return this.#add(
        'Concat',
        [past, x],
        { axis: { kind: 'int', int: 2 } },
        isPresent(present) ? present : undefined,
      );
    };
    const keys = append(pastKey, split(key, kvHeads), presentKey);
    const values = append(pastValue, split(value, kvHeads), presentValue);
    this.#merge(this.#attend({ query: split(query, heads), key: keys, value: values, mask, groups: heads / kvHeads }));
    return this.#made;
  }

  #attend(of: { query: string; key: string; value: string; mask: string; groups: number }): string {
    const { query, mask, groups } = of;
    const [keys, values] = [of.key, of.value].map((x) => this.#repeated(x, groups)) as [string, string];
    const product = this.#add('MatMul', [query, this.#transposed(keys, [0, 1, 3, 2])]);
    const scores = this.#add('Mul', [product, this.#scale(query)]);
    const masked = isPresent(mask) ? this.#add('Add', [scores, mask]) : scores;
    return this.#add('MatMul', [this.#add('Softmax', [masked], { axis: { kind: 'int', int: -1 } }), values]);
  }

  /** As the operator has it, else the root of the head size. */
  #scale(query: string): string {
    const given = floatOf(this.#node, 'scale', 0);
    if (given !== 0) return this.#constant('float32', [], [given]);
    const width = this.#add('Slice', [this.#add('Shape', [query]), this.#ints([3]), this.#ints([4])]);
    const root = this.#add('Sqrt', [this.#add('Cast', [width], { to: { kind: 'int', int: 1 } })]);
    return this.#add('Reciprocal', [root]);
  }

  #repeated(x: string, groups: number): string {
    if (groups === 1) return x;
    const wide = this.#add('Expand', [this.#add('Unsqueeze', [x, this.#ints([2])]), this.#ints([1, 1, groups, 1, 1])]);
    const dims = this.#add('Shape', [x]);
    const heads = this.#add('Mul', [
      this.#add('Slice', [dims, this.#ints([1]), this.#ints([2])]),
      this.#ints([groups]),
    ]);
    const rest = this.#add('Slice', [dims, this.#ints([2]), this.#ints([4])]);
    return this.#add('Reshape', [
      wide,
      this.#add('Concat', [this.#ints([1]), heads, rest], { axis: { kind: 'int', int: 0 } }),
    ]);
  }

  /** Heads side by side again, under the name of the operator's output. */
  #merge(attended: string): void {
    this.#add('Reshape', [this.#transposed(attended, [0, 2, 1, 3]), this.#ints([0, 0, -1])], {}, this.#node.outputs[0]);
  }

  #transposed(x: string, perm: readonly number[]): string {
    return this.#add('Transpose', [x], { perm: { kind: 'ints', ints: perm } });
  }

  #reshaped(x: string, dims: readonly number[]): string {
    return this.#add('Reshape', [x, this.#ints(dims)]);
  }

  #ints(values: readonly number[]): string {
    return this.#constant('int64', [values.length], values);
  }

  #constant(type: 'int64' | 'float32', dims: readonly number[], values: readonly number[]): string {
    const bytes = encode(type, Float64Array.from(values));
    const tensor = { name: '', type, dims, byteLength: bytes.length, place: { bytes, file: undefined, offset: 0 } };
    return this.#add('Constant', [], { value: { kind: 'tensor', tensor } });
  }

  #add(
    operator: string,
    inputs: readonly string[],
    attributes: Record<string, SourceAttribute> = {},
    output?: string,
  ): string {
    const name = output ?? `${this.#node.outputs[0]}:written-out:${this.#made.length}`;
    const { label } = this.#node;
    this.#made.push({
      label,
      operator,
      domain: '',
      inputs,
      outputs: [name],
      attributes: new Map(Object.entries(attributes)),
    });
    return name;
  }
}
