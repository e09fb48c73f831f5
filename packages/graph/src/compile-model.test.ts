import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation } from './compare.testing.ts';
import { compileModel } from './compile-model.ts';
import type { CompileOptions } from './compiled-model.ts';
import { readModelShape } from './config/model-folder.ts';
import { writeModel } from './model-folder.testing.ts';
import { GraphSession, makePools, type StepSpec } from './ort.testing.ts';
import { generate, PagedDriver, type TestSequence, type WorkResult } from './paged-driver.testing.ts';
import { stepInputs, stepOutputs } from './step-interface.ts';

interface LlamaGolden {
  readonly prompts: readonly { ids: number[]; greedy: number[]; lastLogits: number[]; allPositionsArgmax: number[] }[];
}

const llama = new URL('../../../test/fixtures/llama', import.meta.url).pathname;
const golden = JSON.parse(readFileSync(join(llama, 'golden.json'), 'utf8')) as LlamaGolden;

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'octavo-graph-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

async function open(folder: string, options: Partial<CompileOptions> = {}): Promise<GraphSession> {
  const model = await compileModel(folder, { levels: 3, cacheFolder: join(scratch, 'cache'), ...options });
  return GraphSession.open(model, { intraOpNumThreads: 1 });
}

describe('the compiled llama fixture', () => {
  let session: GraphSession;
  beforeAll(async () => {
    session = await open(llama);
  });
  afterAll(() => session.close());

  const ways = [
    { pageSize: 16, chunkTokens: 1000 },
    { pageSize: 1, chunkTokens: 7 },
    { pageSize: 4, chunkTokens: 1 },
    { pageSize: 16, chunkTokens: 7, cut: [1, 2] },
    { pageSize: 64, chunkTokens: 33 },
    { pageSize: 4, chunkTokens: 40, cut: [3] },
  ];
  it.each(ways)(
    'meets the goldens with pages of $pageSize tokens and chunks of $chunkTokens (levels cut at $cut)',
    async (way) => {
      const { prompts } = golden;
      expect(prompts).toHaveLength(4);
      for (const prompt of prompts) {
        const driver = new PagedDriver(session, { pages: 160, pageSize: way.pageSize });
        const made = await generate(driver, prompt.ids, { count: 24, ...way });
        expect(made.argmax).toEqual(prompt.allPositionsArgmax);
        expect(made.ids).toEqual(prompt.greedy);
        expect(deviation(made.lastLogits, prompt.lastLogits)).toBeLessThan(1e-5);
      }
    },
  );

  it('gives every row the logits that it has alone, in a step of chunks, decodes, shared and private pages', async () => {
    const [, short, middle, long] = golden.prompts.map(({ ids }) => ids) as [number[], number[], number[], number[]];
    const steps = async (together: boolean): Promise<WorkResult[]> => {
      const driver = new PagedDriver(session, { pages: 80, pageSize: 4 });
      const base = driver.sequence();
      await driver.step([{ sequence: base, tokens: long.slice(0, 24) }]);
      const fork = (sharedPages: number, cut: number[]): TestSequence =>
        driver.sequence({ from: base, sharedPages, cut });
      // Two decode over shared pages and own ones, one decodes over the shared ones alone, one has no past.
      const own = [fork(4, [4]), fork(4, [4])] as const;
      for (const [index, sequence] of own.entries())
        await driver.step([{ sequence, tokens: middle.slice(index * 5, index * 5 + 5) }]);
      const work = [
        { sequence: own[0], tokens: [11] },
        { sequence: fork(4, [4]), tokens: middle.slice(0, 9) },
        { sequence: own[1], tokens: [12] },
        { sequence: driver.sequence(), tokens: [13] },
        { sequence: fork(6, [4, 2]), tokens: short },
        { sequence: driver.sequence(), tokens: middle.slice(0, 3) },
      ];
      if (together) return driver.step(work);
      const results: WorkResult[] = [];
      for (const item of work) results.push(...(await driver.step([item])));
      return results;
    };
    const [batched, alone] = [await steps(true), await steps(false)];
    expect(batched).toHaveLength(6);
    batched.forEach((result, index) => {
      expect(result.argmax).toEqual(alone[index]?.argmax);
      expect(deviation(result.lastLogits, alone[index]?.lastLogits as Float32Array)).toBeLessThan(1e-5);
    });
  });

  it('hands out logits of the rows that are asked for, in their order, and none when none are', async () => {
    const ids = golden.prompts[1]?.ids as number[];
    const rows = ids.map((_, row) => row);
    const pool = { pages: 2, pageSize: 4 };
    const pools = makePools(session.model.shape, pool);
    const step: StepSpec = { tokens: ids, positions: rows, headRows: rows, fullRows: rows, levels: [], chunks: [rows] };
    const all = await session.run(step, pools, pool);
    const some = await session.run({ ...step, headRows: [5, 2, 5], fullRows: [2, 1] }, pools, pool);
    expect([...some.argmax]).toEqual([5, 2, 5].map((row) => all.argmax[row]));
    expect(some.logits.map((logits) => [...logits])).toEqual(
      [5, 2].map((row) => [...(all.logits[row] as Float32Array)]),
    );
    const none = await session.run({ ...step, headRows: [6], fullRows: [] }, pools, pool);
    expect(none.logits).toEqual([]);
    expect([...none.argmax]).toEqual([all.argmax[6]]);
    expect(none.newKeys).toEqual(all.newKeys);
  });

  it('hands out the same new rows without heads, and leaves the last attention out', async () => {
    const ids = golden.prompts[1]?.ids as number[];
    const rows = ids.map((_, row) => row);
    const pool = { pages: 2, pageSize: 4 };
    const pools = makePools(session.model.shape, pool);
    const step = { tokens: ids, positions: rows, fullRows: [0], levels: [], chunks: [rows] };
    const [wanted, without] = [
      await session.run({ ...step, headRows: [0] }, pools, pool),
      await session.run({ ...step, headRows: [] }, pools, pool),
    ];
    expect(without.newKeys).toEqual(wanted.newKeys);
    expect(without.newValues).toEqual(wanted.newValues);
    expect(without.logits[0]).not.toEqual(wanted.logits[0]);
  });

  it('has the inputs and outputs of the step interface and no others', () => {
    const { layers } = session.model.shape;
    const list = (count: number, name: (index: number) => string) =>
      Array.from({ length: count }, (_, index) => name(index));
    const levelNames = [
      stepInputs.levelOn,
      stepInputs.levelRows,
      stepInputs.levelPages,
      stepInputs.levelTokens,
      stepInputs.levelRowAt,
    ];
    const expected = [
      ...[stepInputs.tokens, stepInputs.positions, stepInputs.headsOn, stepInputs.headRows, stepInputs.fullRows],
      ...[stepInputs.sampleOn, stepInputs.sampleRows],
      ...[stepInputs.sampleScales, stepInputs.sampleMasses, stepInputs.sampleFloors],
      ...[stepInputs.chunkOn, stepInputs.chunkRows, stepInputs.chunkRowAt],
      ...levelNames.flatMap((name) => list(3, name)),
      ...list(layers, stepInputs.keyPages),
      ...list(layers, stepInputs.valuePages),
    ];
    expect([...session.inputNames].sort()).toEqual(expected.sort());
    const { newKeyScales, newValueScales, ...others } = stepOutputs;
    expect([newKeyScales, newValueScales].filter((name) => session.outputNames.includes(name))).toEqual([]);
    expect([...session.outputNames].sort()).toEqual(Object.values(others).sort());
  });

  it('is described by what was compiled', async () => {
    const { model } = session;
    expect(model).toMatchObject({ sourceFolder: llama, weights: 'f32', levels: 3, endIds: [2], fromCache: false });
    expect(model.shape).toEqual({
      architecture: 'LlamaForCausalLM',
      layers: 3,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      hidden: 64,
      vocabulary: 192,
      contextTokens: 256,
      windows: [],
      hasFullLayers: true,
    });
    expect(await readModelShape(llama)).toEqual(model.shape);
  });
});

describe('compileModel', () => {
  it('takes the lowest id when logits tie', async () => {
    const flat = writeModel(join(scratch, 'flat'), {
      edit: (tensors) =>
        tensors.map((tensor) =>
          tensor.name === 'lm_head.weight' ? { ...tensor, floats: tensor.floats.fill(0.5) } : tensor,
        ),
    });
    const session = await open(flat.folder);
    const made = await generate(new PagedDriver(session, { pages: 2, pageSize: 4 }), [3], { count: 1 });
    await session.close();
    expect(made.ids).toEqual([0]);
  });

  it('reads positions up to the last of the context, and makes tables for no more', async () => {
    const model = writeModel(join(scratch, 'context'));
    const session = await open(model.folder, { contextTokens: 6 });
    expect(session.model.shape.contextTokens).toBe(6);
    const made = await generate(new PagedDriver(session, { pages: 4, pageSize: 2 }), [3, 1, 4, 1, 5, 9], { count: 1 });
    expect(made.ids).toHaveLength(1);
    const pool = { pages: 1, pageSize: 1 };
    const beyond: StepSpec = { tokens: [1], positions: [6], headRows: [0], fullRows: [], levels: [], chunks: [] };
    await expect(session.run(beyond, makePools(session.model.shape, pool), pool)).rejects.toThrow(/position/i);
    await session.close();
  });

  it('tells how far it is, ending with ready', async () => {
    const model = writeModel(join(scratch, 'progress'), { dtype: 'BF16' });
    const seen: { status: string; loaded: number; total: number }[] = [];
    await compileModel(model.folder, {
      levels: 1,
      cacheFolder: join(scratch, 'progress-cache'),
      onProgress: (step) => seen.push(step),
    });
    expect(seen[0]?.status).toBe('read');
    const packed = seen.filter(({ status }) => status === 'pack');
    expect(packed.at(-1)).toEqual({ status: 'pack', loaded: packed[0]?.total, total: packed[0]?.total });
    expect(packed.every(({ loaded }, index) => loaded > (packed[index - 1]?.loaded ?? 0))).toBe(true);
    expect(seen.at(-1)).toEqual({ status: 'ready', loaded: 1, total: 1 });
  });

  const options: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ['no levels', { levels: 0 }, /levels is 0/],
    ['too many levels', { levels: 99 }, /levels is 99/],
    ['half a level', { levels: 1.5 }, /levels is 1.5/],
    ['an unknown weight format', { weights: 'q2' }, /weights is "q2": give f32, q8, q4/],
    ['a context beyond the model', { contextTokens: 257 }, /contextTokens is 257: give 1 to the model's 256/],
    ['no context', { contextTokens: 0 }, /contextTokens is 0/],
    ['an unknown option', { level: 3 }, /level is unknown: give weights, kvType, deterministic, levels,/],
    ['codes that are neither', { unsignedCodes: 'no' }, /unsignedCodes is "no": give true or false/],
    ['no cache folder', { cacheFolder: '' }, /cacheFolder is ""/],
  ];
  it.each(options)('refuses %s', async (_, given, message) => {
    const compiling = compileModel(llama, { levels: 1, cacheFolder: scratch, ...given } as CompileOptions);
    await expect(compiling).rejects.toMatchObject({ code: 'OPTION_INVALID', message: expect.stringMatching(message) });
  });

  it.each(['q4', 'w8a8', 'q4+w8a8'] as const)(
    'refuses to quantise to %s what is not finite, and names the tensor',
    async (weights) => {
      const name = 'model.layers.1.mlp.up_proj.weight';
      const model = writeModel(join(scratch, `nan-${weights}`), {
        edit: (tensors) =>
          tensors.map((tensor) =>
            tensor.name === name ? { ...tensor, floats: tensor.floats.with(30, Number.NaN) } : tensor,
          ),
      });
      const cacheFolder = join(scratch, 'nan-cache');
      const compiling = compileModel(model.folder, { levels: 1, cacheFolder, weights });
      await expect(compiling).rejects.toMatchObject({
        code: 'TENSOR_NOT_FINITE',
        tensor: name,
        message: expect.stringMatching(/in row 1:/),
      });
    },
  );

  it.each(['q8', 'q4', 'w8a8'] as const)('quantises biases, uneven widths and shards to %s', async (weights) => {
    const config = { attention_bias: true, mlp_bias: true, tie_word_embeddings: true };
    const model = writeModel(join(scratch, `biased-${weights}`), { dtype: 'BF16', config, shards: 3 });
    const [exact, packed] = [await open(model.folder), await open(model.folder, { weights })];
    const prompt = [3, 17, 42, 8, 31, 25];
    const made = await Promise.all(
      [exact, packed].map((session) =>
        generate(new PagedDriver(session, { pages: 4, pageSize: 4 }), prompt, { count: 1 }),
      ),
    );
    await exact.close();
    await packed.close();
    const gap = deviation(made[1]?.lastLogits as Float32Array, made[0]?.lastLogits as Float32Array);
    expect(gap).toBeLessThan(weights === 'q4' ? 0.5 : 0.05);
    expect(gap).toBeGreaterThan(0);
  });

  it('gives the same bits with signed and with unsigned codes, under another name; other formats are what they are', async () => {
    const config = { attention_bias: true, tie_word_embeddings: true };
    const { folder } = writeModel(join(scratch, 'unsigned'), { config });
    const answers: number[][] = [];
    for (const unsignedCodes of [false, true]) {
      const session = await open(folder, { weights: 'w8a8', unsignedCodes });
      const driver = new PagedDriver(session, { pages: 4, pageSize: 4 });
      const { ids, lastLogits } = await generate(driver, [3, 17, 42, 8, 31, 25], { count: 4 });
      await session.close();
      answers.push([...ids, ...lastLogits]);
    }
    expect(answers[0]).toHaveLength(4 + 50);
    expect(answers[1]).toEqual(answers[0]);
    const namesOf = async (weights: 'w8a8' | 'q8') => {
      const compile = (unsignedCodes: boolean) =>
        compileModel(folder, { levels: 1, cacheFolder: join(scratch, 'cache'), weights, unsignedCodes });
      return new Set([(await compile(false)).fingerprint, (await compile(true)).fingerprint]).size;
    };
    expect(await namesOf('w8a8')).toBe(2);
    expect(await namesOf('q8')).toBe(1);
  });
});
