import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HeadShape } from '../attention.testing.ts';
import { randomFloats } from '../compare.testing.ts';
import { lowerPagedAttention } from '../lowering/paged-attention.ts';
import { windowsOf } from '../lowering/step-inputs.ts';
import { emitOnnx } from '../onnx/emit.ts';
import { attentionFeeds, type OrtTensor, ort, type StepSpec } from '../ort.testing.ts';
import { stepInputs } from '../step-interface.ts';
import { GraphBuilder } from './builder.ts';
import type { Dim, Graph, GraphNode, OperatorNode, Value } from './graph.ts';
import { reshape } from './operators.ts';

const fullShape: HeadShape = { heads: 6, kvHeads: 2, headDim: 4 };
const LEVELS = 2;
const pool = { pages: 7, pageSize: 3 };

function attentionGraph(shape: HeadShape): Graph {
  const { heads, kvHeads, headDim } = shape;
  const graph = GraphBuilder.create();
  const input = (name: string, count: number) => graph.input(name, 'float32', [1, 'M', count * headDim]);
  const rows = { queries: input('queries', heads), keys: input('keys', kvHeads), values: input('values', kvHeads) };
  const attended = graph.pagedAttention({ layer: 0, ...shape, scale: 1, ...rows });
  graph.output(reshape(graph, attended, { to: [-1, heads * headDim], shape: ['M', heads * headDim] }, 'attended'));
  return lowerPagedAttention(graph, { levels: LEVELS });
}

/** The nodes with one side of each `If` put in its place, so that what lies in branches can be looked at. */
function inlined(nodes: readonly GraphNode[], takesYes: (condition: Value) => boolean): OperatorNode[] {
  return nodes.flatMap((node) => {
    if (node.kind !== 'operator') throw new Error('a node was not lowered');
    if (node.operator !== 'If') return [node];
    const side = node.attributes[takesYes(node.inputs[0] as Value) ? 'then_branch' : 'else_branch'];
    if (side === undefined || !('branch' in side)) throw new Error('an If without branches');
    const rename = (index: number): OperatorNode => ({
      kind: 'operator',
      operator: 'Identity',
      domain: '',
      inputs: [side.branch.outputs[index] as Value],
      outputs: [node.outputs[index] as Value],
      attributes: {},
    });
    return [...inlined(side.branch.nodes, takesYes), ...side.branch.outputs.map((_, index) => rename(index))];
  });
}

/** The number that a dimension stands for: names, products and sums of names and numbers. */
function evaluate(dim: Dim, known: Readonly<Record<string, number>>): number {
  if (typeof dim === 'number') return dim;
  const value = (text: string) => known[text] ?? Number(text);
  return dim
    .split('+')
    .map((term) => term.split('*').reduce((product, factor) => product * value(factor), 1))
    .reduce((sum, term) => sum + term, 0);
}

describe('shapes of the intermediate representation', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-shapes-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs a step with every value of the graph handed out. */
  async function runAll(
    step: StepSpec,
    path: 'single row' | 'parts',
    shape: HeadShape,
  ): Promise<{ values: Value[]; outputs: Record<string, OrtTensor> }> {
    const graph = attentionGraph(shape);
    const flags = new Set(graph.inputs.map(({ name }) => name));
    const isSingleRow = (condition: Value) => condition.name.startsWith('And') === (path === 'single row');
    const nodes = inlined(graph.nodes, (condition) => flags.has(condition.name) || isSingleRow(condition));
    const values = nodes.flatMap(({ outputs }) => outputs.filter((value) => value !== null));
    const file = join(folder, 'all.onnx');
    // No shapes on the outputs: the runtime works them out for itself.
    const outputs = values.map((value) => ({ ...value, shape: value.shape.map((_, axis) => `${value.name}:${axis}`) }));
    writeFileSync(file, emitOnnx({ ...graph, nodes, outputs }, new Map()));
    const session = await ort.InferenceSession.create(file, {
      intraOpNumThreads: 1,
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: 3,
    });
    const rows = (count: number) => randomFloats(step.tokens.length * count * shape.headDim, count);
    const floats = (count: number) =>
      new ort.Tensor('float32', rows(count), [1, step.tokens.length, count * shape.headDim]);
    const elements = shape.kvHeads * pool.pages * pool.pageSize * shape.headDim;
    const pools = [{ keys: randomFloats(elements, 1), values: randomFloats(elements, 2) }];
    const feeds = attentionFeeds({ levels: LEVELS, ...shape, ...windowsOf([shape]) }, step, { pools, pool });
    const given = { queries: floats(shape.heads), keys: floats(shape.kvHeads), values: floats(shape.kvHeads) };
    const positions = shape.window !== undefined && {
      [stepInputs.positions]: new ort.Tensor('int32', Int32Array.from(step.positions), [step.positions.length]),
    };
    const made = await session.run({ ...feeds, ...given, ...positions });
    await session.release();
    return { values, outputs: made };
  }

  const many: StepSpec = {
    tokens: [0, 0, 0, 0, 0],
    positions: [7, 8, 9, 4, 5],
    headRows: [],
    fullRows: [],
    levels: [
      [
        { rows: [0, 1, 2], pages: [1, 2], tokens: 5 },
        { rows: [3], pages: [3], tokens: 1 },
      ],
      [
        { rows: [2, 3], pages: [4, 5, 6, 1], tokens: 12 },
        { rows: [0], pages: [2], tokens: 3 },
        { rows: [4], pages: [1], tokens: 2 },
      ],
    ],
    chunks: [
      [0, 1, 2],
      [3, 4],
    ],
  };
  const one: StepSpec = {
    ...many,
    tokens: [0],
    positions: [9],
    levels: [[{ rows: [0], pages: [4, 2], tokens: 4 }]],
    chunks: [],
  };
  // A row without a group at a level is given one that reads nothing: one group more than listed above.
  const cases = [
    { path: 'parts', step: many, known: { M: 5, G0: 3, R0: 3, P0: 2, G1: 4, R1: 2, P1: 4, C: 2, T: 3, g: 3 } },
    { path: 'single row', step: one, known: { M: 1, G0: 1, R0: 1, P0: 2, G1: 1, R1: 1, P1: 1, C: 1, T: 1, g: 3 } },
  ] as const;
  const windowed = { ...fullShape, window: 6, softcap: 3 };
  const all = cases.flatMap((one) => [
    { ...one, layer: 'that reads the whole past', shape: fullShape },
    { ...one, layer: 'with a window and a cap', shape: windowed },
  ]);
  it.each(all)('are those that a step has (path: $path, a layer $layer)', async ({ path, step, known, shape }) => {
    const { values, outputs } = await runAll(step, path, shape);
    expect(values.length).toBeGreaterThan(30);
    const wrong = values
      .map((value) => ({
        name: value.name,
        said: value.shape.map((dim) => evaluate(dim, { ...known, P0w0: known.P0, P1w0: known.P1, ...pool })),
        made: outputs[value.name]?.dims as number[],
      }))
      .filter(({ said, made }) => said.join() !== made.join());
    // What stands in for tables of the other path has one element, whatever its description.
    expect(wrong.filter(({ made }) => made.join() !== '1')).toEqual([]);
  });
});
