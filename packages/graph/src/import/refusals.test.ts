import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileModel } from '../compile-model.ts';
import type { CompiledModel, CompileOptions } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import * as attentionNode from './attention-node-styles.testing.ts';
import * as attention from './attention-styles.testing.ts';
import { type StyleOptions, small, writeStyle } from './export-styles.testing.ts';

let scratch: string;
beforeAll(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'octavo-refusals-')));
});
afterAll(() => rmSync(scratch, { recursive: true }));

const config = { model_type: 'test', max_position_embeddings: small.context, num_attention_heads: small.heads };
let count = 0;

interface Written {
  readonly folder: string;
  readonly onnxFile: string;
}

function write(bytes: Uint8Array, data: Readonly<Record<string, Uint8Array>> = {}, json: object = config): Written {
  count += 1;
  const folder = join(scratch, `model-${count}`);
  const onnxFile = join(folder, 'onnx/model.onnx');
  mkdirSync(dirname(onnxFile), { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(json));
  writeFileSync(onnxFile, bytes);
  for (const [name, part] of Object.entries(data)) writeFileSync(join(dirname(onnxFile), name), part);
  return { folder, onnxFile };
}

function compile(source: Written, options: Partial<CompileOptions> = {}): Promise<CompiledModel> {
  return compileModel(source, { levels: 3, cacheFolder: join(scratch, 'cache'), ...options });
}

async function errorOf(promise: Promise<unknown>): Promise<GraphError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GraphError);
  return error as GraphError;
}

const plain: StyleOptions = { attention: attentionNode.grouped() };

function graphOf(model: ModelProto): GraphProto {
  if (model.graph === undefined) throw new Error('the export has no graph');
  return model.graph;
}

/** A sound export after somebody changed it. */
function changed(change: (model: ModelProto) => void, options: StyleOptions = plain): Uint8Array {
  const model = fromBinary(ModelProtoSchema, writeStyle(options).bytes);
  change(model);
  return toBinary(ModelProtoSchema, model);
}

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

describe('external data', () => {
  const external = { ...plain, external: 'weights.data' };
  const { bytes, data } = writeStyle(external);
  const stored = data?.bytes as Uint8Array;
  const movedTo = (location: string) =>
    changed((model) => {
      for (const { externalData } of model.graph?.initializer ?? []) {
        for (const entry of externalData) if (entry.key === 'location') entry.value = location;
      }
    }, external);

  it('is used where it lies', async () => {
    const model = await compile(write(bytes, { 'weights.data': stored }));
    expect(model.past).toBeUndefined();
    expect(model.weightBytes).toBeGreaterThan(stored.length / 2);
  });

  it('must be there, and long enough', async () => {
    const missing = await errorOf(compile(write(bytes)));
    expect([missing.code, missing.message]).toEqual(['ONNX_DATA_MISSING', expect.stringContaining('weights.data')]);
    const short = await errorOf(compile(write(bytes, { 'weights.data': stored.slice(0, 100) })));
    expect([short.code, short.message]).toEqual(['ONNX_DATA_MISSING', expect.stringContaining('100 bytes')]);
  });

  it.each(['../weights.data', '/etc/passwd', 'a/../../weights.data', 'C:\\weights.data', ''])(
    'must not be outside the folder (%j)',
    async (location) => {
      expect((await errorOf(compile(write(movedTo(location), { 'weights.data': stored })))).code).toBe(
        'ONNX_DATA_OUTSIDE',
      );
    },
  );

  it('must not be a link that leads out of the folder', async () => {
    const source = write(bytes);
    const target = join(scratch, 'elsewhere.data');
    writeFileSync(target, stored);
    symlinkSync(target, join(dirname(source.onnxFile), 'weights.data'));
    expect((await errorOf(compile(source))).code).toBe('ONNX_DATA_OUTSIDE');
  });

  it("may be a link into the blobs of a hub's cache", async () => {
    const snapshot = join(scratch, 'models--org--name/snapshots/abc');
    const blobs = join(scratch, 'models--org--name/blobs');
    mkdirSync(join(snapshot, 'onnx'), { recursive: true });
    mkdirSync(blobs);
    const files = { 'config.json': JSON.stringify(config), 'onnx/model.onnx': bytes, 'onnx/weights.data': stored };
    Object.entries(files).forEach(([name, content], index) => {
      writeFileSync(join(blobs, String(index)), content);
      symlinkSync(join(blobs, String(index)), join(snapshot, name));
    });
    const model = await compile({ folder: snapshot, onnxFile: join(snapshot, 'onnx/model.onnx') });
    expect(model.past).toBeUndefined();
  });
});

describe('a folder of onnxruntime-genai', () => {
  it('is read by its genai_config.json, names of inputs and outputs included', async () => {
    const names = { past: 'cache.%s.%k.in', present: 'cache.%s.%k.out' };
    const source = write(writeStyle({ ...plain, names }).bytes);
    rmSync(join(source.folder, 'config.json'));
    const template = (kind: string, end: string) => `cache.%d.${kind}.${end}`;
    const decoder = {
      inputs: { past_key_names: template('key', 'in'), past_value_names: template('value', 'in') },
      outputs: { present_key_names: template('key', 'out'), present_value_names: template('value', 'out') },
      hidden_size: small.hidden,
    };
    const fields = { context_length: 48, eos_token_id: [3, 5], type: 'llama', decoder };
    writeFileSync(join(source.folder, 'genai_config.json'), JSON.stringify({ model: fields }));
    const model = await compile(source);
    expect(model.past).toBeUndefined();
    expect(model.endIds).toEqual([3, 5]);
    expect(model.shape).toMatchObject({ architecture: 'llama', contextTokens: 48, hidden: small.hidden, layers: 2 });
  });
});
