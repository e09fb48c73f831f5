import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as attention from './attention-styles.testing.ts';
import { type StyleOptions, small, writeStyle } from './export-styles.testing.ts';
import { merged } from './merged-export.testing.ts';
import { changed, compile, errorOf, graphOf, plain, write } from './written-export.testing.ts';

describe('an export that is not recognised', () => {
  const mixed: StyleOptions = {
    ...plain,
    tail: (m, x) => m.w.node('Sub', [x, m.w.node('ReduceMax', [x], { axes: [1], keepdims: 1 })]),
  };
  const counted: StyleOptions = {
    ...plain,
    tail: (m, x) => m.w.node('Mul', [x, m.w.node('Cast', [m.tokens], { to: 1 })]),
  };
  const cases: [string, StyleOptions, RegExp][] = [
    [
      'a penalty for distance',
      { attention: attention.distancePenalty },
      /node \/MatMul_\d+ .*expected softmax\(scale x queries x keys, causal\)/,
    ],
    ['no causal mask', { attention: attention.unmasked }, /expected each row to attend to all positions up to its own/],
    ['an operator over all rows', mixed, /node \/ReduceMax_\d+ \(ReduceMax\) .*leaves the rows of the batch apart/],
    ['a value that follows from the length', counted, /node \/\w+ .*not from how many tokens there are/],
  ];
  it.each(cases)(
    'because of %s is run as it is, and the notice names the node and what was expected',
    async (_, options, said) => {
      const model = await compile(write(writeStyle(options).bytes));
      expect(model.past?.mixesRows).toBe(false);
      expect(model.notices).toHaveLength(1);
      expect(model.notices?.[0]).toMatch(said);
      expect(model.shape).toMatchObject({
        layers: 2,
        kvHeads: small.kvHeads,
        headDim: small.headDim,
        vocabulary: small.vocabulary,
      });
    },
  );

  it('and is merged is run a token at a time, since nothing tells that its branch with a past masks several', async () => {
    const model = await compile(write(merged(writeStyle(mixed).bytes)));
    expect(model.past).toMatchObject({ oneRowRuns: true, mixesRows: false });
    expect(model.notices).toEqual([
      expect.stringMatching(/node \/ReduceMax_\d+/),
      expect.stringMatching(/each token of a prompt is a run of its own/),
    ]);
  });

  it('because its activations are quantised over the batch shares nothing', async () => {
    const options: StyleOptions = {
      ...plain,
      tail: (m, x) => {
        m.w.node('DynamicQuantizeLinear', [x], {}, ['xq', 'xs', 'xz']);
        return m.w.node('DequantizeLinear', ['xq', 'xs', 'xz']);
      },
    };
    const model = await compile(write(writeStyle(options).bytes));
    expect(model.past?.mixesRows).toBe(true);
    expect(model.notices?.[1]).toMatch(/nothing is shared between prompts: node \/DynamicQuantizeLinear_\d+/);
  });
});

describe('an export with inputs that choose', () => {
  it('is given what selects all logits', async () => {
    const input = changed((m) => {
      const scalar = structuredClone(graphOf(m).input[0]!);
      scalar.name = 'num_logits_to_keep';
      const { type } = scalar;
      if (type?.value.case === 'tensorType' && type.value.value.shape) type.value.value.shape.dim = [];
      graphOf(m).input.push(scalar);
    });
    expect((await compile(write(input))).past).toBeUndefined();
  });
});

describe('an export whose rotation follows the length', () => {
  it('shares nothing', async () => {
    const dynamic: attention.AttentionStyle = (m, rows) => {
      const { w } = m;
      const made = m.heads(rows);
      const isLong = w.node('Greater', [m.tokens, w.ints(16)]);
      const factor = w.node('Where', [isLong, w.float(0.5), w.float(1)]);
      m.append(rows, { ...made, k: w.node('Mul', [made.k, factor]) });
      const keys = w.node('Transpose', [attention.repeatHeads(m, rows.presentKey)], { perm: [0, 1, 3, 2] });
      const scores = w.node('Add', [w.node('MatMul', [made.q, keys]), attention.additiveMask(m)]);
      const values = attention.repeatHeads(m, rows.presentValue);
      return m.mergeHeads(w.node('MatMul', [w.node('Softmax', [scores], { axis: -1 }), values]));
    };
    const model = await compile(write(writeStyle({ attention: dynamic }).bytes));
    expect(model.past?.mixesRows).toBe(true);
    expect(model.notices?.[1]).toMatch(/node \/Mul_\d+ \(Mul\) makes K and V depend/);
  });
});

describe('an ONNX file is refused', () => {
  const cases: [string, string, () => Uint8Array, RegExp][] = [
    ['when it is empty', 'ONNX_MALFORMED', () => new Uint8Array(), /holds no graph/],
    [
      'when it is no protobuf',
      'ONNX_MALFORMED',
      () => new TextEncoder().encode('<html>not found</html>'),
      /is no ONNX model|holds no graph/,
    ],
    ['when it is cut off', 'ONNX_MALFORMED', () => writeStyle(plain).bytes.slice(0, 5000), /is no ONNX model/],
    [
      'when its opset is too old',
      'ONNX_UNSUPPORTED',
      () =>
        changed((m) =>
          m.opsetImport.forEach((o) => {
            o.version = 9n;
          }),
        ),
      /opset 9: export it with one from 11/,
    ],
    [
      'when a node reads what nothing defines',
      'ONNX_MALFORMED',
      () =>
        changed((m) => {
          graphOf(m).node[5]!.input[0] = 'nowhere';
        }),
      /node .* reads "nowhere"/,
    ],
    [
      'when two nodes define one value',
      'ONNX_MALFORMED',
      () =>
        changed((m) => {
          const nodes = m.graph?.node ?? [];
          (nodes[6] as { output: string[] }).output[0] = nodes[5]?.output[0] as string;
        }),
      /a second time/,
    ],
    [
      'when nodes form a cycle',
      'ONNX_MALFORMED',
      () =>
        changed((m) => {
          const nodes = m.graph?.node ?? [];
          (nodes[5] as { input: string[] }).input[0] = nodes.at(-1)?.output[0] as string;
        }),
      /is part of a cycle/,
    ],
    [
      'when a shape is larger than its data',
      'ONNX_MALFORMED',
      () =>
        changed((m) => {
          graphOf(m).initializer[0]!.dims[0] = 1_000_000_000_000n;
        }),
      /bytes of data where its shape/,
    ],
    [
      'when a shape is negative',
      'ONNX_MALFORMED',
      () =>
        changed((m) => {
          graphOf(m).initializer[0]!.dims[0] = -1n;
        }),
      /has the shape \[-1/,
    ],
    [
      'when it has no past',
      'ONNX_INTERFACE',
      () =>
        changed((m) => {
          const graph = m.graph;
          if (graph) graph.input = graph.input.filter(({ name }) => !name.startsWith('past'));
          for (const node of graph?.node ?? [])
            node.input = node.input.map((name) => (name.startsWith('past') ? '' : name));
        }),
      /has no input past_key_values.0.key/,
    ],
  ];
  it.each(cases)('%s', async (_, code, bytes, said) => {
    const source = write(bytes());
    const error = await errorOf(compile(source));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(said);
    expect(error.message).toContain(source.onnxFile);
  });

  it('when it does not exist, or is a folder', async () => {
    const { folder, onnxFile } = write(writeStyle(plain).bytes);
    expect((await errorOf(compile({ folder, onnxFile: join(folder, 'other.onnx') }))).code).toBe('ONNX_MISSING');
    expect((await errorOf(compile({ folder, onnxFile: dirname(onnxFile) }))).code).toBe('ONNX_MISSING');
  });

  it('when the option weights asks for others than it holds', async () => {
    const error = await errorOf(compile(write(writeStyle(plain).bytes), { weights: 'q4' }));
    expect(error.code).toBe('OPTION_INVALID');
    expect(error.message).toMatch(/holds f32 weights/);
  });
});
