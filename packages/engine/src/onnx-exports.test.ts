import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Engine, EngineOptions, OpenProgress } from './api.ts';
import { completeAll, expectGoldens, expectIdle, type Golden, shopkeeper, temporaryFolder } from './engine.testing.ts';
import { openEngine } from './open-engine.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures', import.meta.url));
const cacheFolder = temporaryFolder();

interface ScoredGolden extends Golden {
  readonly allPositionsArgmax: readonly number[];
}

function goldensOf(folder: string): ScoredGolden[] {
  return (JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as { prompts: ScoredGolden[] }).prompts;
}

async function withExport<Value>(
  source: { folder: string; onnxFile: string },
  options: EngineOptions,
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> {
  const engine = await openEngine(source, { mode: 'in-thread', cacheFolder, verifyPlans: true, ...options });
  try {
    const value = await work(engine);
    await expectIdle(engine);
    return value;
  } finally {
    await engine.close();
  }
}

describe('the export of the shipped model', () => {
  const onnxFile = join(shopkeeper.folder, 'onnx/model.onnx');
  it('gives all golden ids, and takes its prompts as messages', async () => {
    await withExport({ folder: shopkeeper.folder, onnxFile }, {}, async (engine) => {
      expect(shopkeeper.goldens).toHaveLength(20);
      expectGoldens(await completeAll(engine, shopkeeper.goldens), shopkeeper.goldens);
      const { messages, answer } = shopkeeper.goldens[0] as (typeof shopkeeper.goldens)[number];
      expect((await engine.chat({ messages }).result()).text).toBe(answer);
    });
  });
});

type Proto = { graph: { node: ProtoNode[]; input: unknown[]; output: { name: string }[]; initializer: unknown[] } };
type ProtoNode = { opType: string; input: string[]; output: string[]; attribute: unknown[] };

/** The export of a fixture with every Softmax written out, which computes the same and is not recognised; and with what `change` does to it. */
async function withoutSoftmax(
  name: string,
  change: (model: Proto, onnx: OnnxLibrary) => void = () => {},
): Promise<{ folder: string; onnxFile: string }> {
  const graph = createRequire(new URL('../../graph/package.json', import.meta.url));
  const { create, fromBinary, toBinary } = await import(graph.resolve('@bufbuild/protobuf'));
  const schemas = await import(graph.resolve('onnx-buf'));
  const model = fromBinary(schemas.ModelProtoSchema, readFileSync(join(fixtures, name, 'onnx/model.onnx')));
  const make = (schema: string, fields: object) => create(schemas[`${schema}Schema`], fields);
  const node = (opType: string, input: string[], output: string) =>
    make('NodeProto', { opType, input, output: [output], name: `${output}/${opType}` });
  model.graph.node = model.graph.node.flatMap((old: ProtoNode) => {
    if (old.opType !== 'Softmax') return [old];
    const [x, out] = [old.input[0] as string, old.output[0] as string];
    const log = node('LogSoftmax', [x], `${out}/log`);
    log.attribute = old.attribute;
    return [log, node('Exp', [`${out}/log`], out)];
  });
  change(model, { make });
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  copyFileSync(join(fixtures, name, 'config.json'), join(folder, 'config.json'));
  const onnxFile = join(folder, 'model.onnx');
  writeFileSync(onnxFile, toBinary(schemas.ModelProtoSchema, model));
  return { folder, onnxFile };
}

interface OnnxLibrary {
  readonly make: (schema: string, fields: object) => ProtoNode;
}

/** Both branches of the `If` are the same, so nobody but the importer could tell which one runs. */
function merge({ graph }: Proto, { make }: OnnxLibrary): void {
  const output = graph.output.map((value) => ({ ...value, name: `${value.name}/inner` }));
  const names = new Set(graph.output.map(({ name }) => name));
  const inner = (name: string) => (names.has(name) ? `${name}/inner` : name);
  const branch = (name: string, suffix: string) => {
    const own = (value: string) =>
      graph.node.some((node) => node.output.includes(value)) ? inner(value) + suffix : value;
    const node = graph.node.map((old) => ({ ...old, input: old.input.map(own), output: old.output.map(own) }));
    const outputs = output.map((value) => ({ ...value, name: value.name + suffix }));
    return make('AttributeProto', { name, type: 5, g: make('GraphProto', { name, node, output: outputs }) });
  };
  const attribute = [branch('then_branch', ''), branch('else_branch', '/else')];
  graph.node = [make('NodeProto', { opType: 'If', input: ['use_cache_branch'], output: [...names], attribute })];
  const shape = { dim: [{ value: { case: 'dimValue', value: 1n } }] };
  graph.input.push(
    make('ValueInfoProto', {
      name: 'use_cache_branch',
      type: { value: { case: 'tensorType', value: { elemType: 9, shape } } },
    }),
  );
}

/** Logits of the last row alone. */
function lastRowOnly({ graph }: Proto, { make }: OnnxLibrary): void {
  const constant = (name: string, value: bigint) => {
    graph.initializer.push(make('TensorProto', { name, dataType: 7, dims: [1n], int64Data: [value] }));
    return name;
  };
  for (const node of graph.node) node.output = node.output.map((name) => (name === 'logits' ? 'all_logits' : name));
  const input = ['all_logits', constant('from', -1n), constant('to', 2n ** 60n), constant('along', 1n)];
  graph.node.push(make('NodeProto', { opType: 'Slice', name: '/last', input, output: ['logits'] }));
}

describe.each(['gpt2', 'llama'])('an unrecognised %s export', (name) => {
  it('runs as it is, says so once, and still shares prefixes', async () => {
    const goldens = goldensOf(join(fixtures, name));
    const progress: OpenProgress[] = [];
    const options = { pageSize: 4, tokenBudget: 48, onProgress: (entry: OpenProgress) => progress.push(entry) };
    await withExport(await withoutSoftmax(name), options, async (engine) => {
      expect(engine.info.notices).toHaveLength(1);
      expect(engine.info.notices[0]).toMatch(/one sequence at a time .* expected one Softmax over the scores/);
      const told = progress.filter(({ status }) => status === 'notice').map(({ message }) => message);
      expect(told).toEqual(engine.info.notices);
      expectGoldens(await completeAll(engine, goldens), goldens);
      const warm = await completeAll(engine, goldens);
      expectGoldens(warm, goldens);
      expect(warm.at(-1)?.usage.cachedTokens).toBeGreaterThan(100);
      const { ids, allPositionsArgmax } = goldens.at(-1) as ScoredGolden;
      expect((await engine.score({ ids })).argmax).toEqual(allPositionsArgmax);
    });
  });
});

describe.each([
  ['merged', merge],
  ['of the last row alone', lastRowOnly],
])('an unrecognised export, %s,', (_, change) => {
  it('gives the golden ids, cold and warm, and the best id at every position', async () => {
    const goldens = goldensOf(join(fixtures, 'llama'));
    await withExport(await withoutSoftmax('llama', change), { pageSize: 4, tokenBudget: 48 }, async (engine) => {
      expect(engine.info.notices[0]).toMatch(/one sequence at a time/);
      expectGoldens(await completeAll(engine, goldens), goldens);
      expectGoldens(await completeAll(engine, goldens), goldens);
      const { ids, allPositionsArgmax } = goldens.at(-1) as ScoredGolden;
      expect((await engine.score({ ids })).argmax).toEqual(allPositionsArgmax);
    });
  });
});
