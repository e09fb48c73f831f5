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

/** The export with every Softmax written out, which computes the same and is not recognised. */
async function withoutSoftmax(name: string): Promise<{ folder: string; onnxFile: string }> {
  const graph = createRequire(new URL('../../graph/package.json', import.meta.url));
  const { create, fromBinary, toBinary } = await import(graph.resolve('@bufbuild/protobuf'));
  const onnx = await import(graph.resolve('onnx-buf'));
  const model = fromBinary(onnx.ModelProtoSchema, readFileSync(join(fixtures, name, 'onnx/model.onnx')));
  const node = (opType: string, input: string[], output: string) =>
    create(onnx.NodeProtoSchema, { opType, input, output: [output], name: `${output}/${opType}` });
  model.graph.node = model.graph.node.flatMap((old: { opType: string; input: string[]; output: string[] }) => {
    if (old.opType !== 'Softmax') return [old];
    const [x, out] = [old.input[0] as string, old.output[0] as string];
    const log = node('LogSoftmax', [x], `${out}/log`);
    log.attribute = (old as unknown as { attribute: unknown[] }).attribute as never;
    return [log, node('Exp', [`${out}/log`], out)];
  });
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  copyFileSync(join(fixtures, name, 'config.json'), join(folder, 'config.json'));
  const onnxFile = join(folder, 'model.onnx');
  writeFileSync(onnxFile, toBinary(onnx.ModelProtoSchema, model));
  return { folder, onnxFile };
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
