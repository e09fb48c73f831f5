/** A trimmed model is the model whose folder was trimmed by hand. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DecoderDescription } from '../blocks/description.ts';
import { compileModel } from '../compile-model.ts';
import type { CompiledModel, CompileOptions, ModelTrims } from '../compiled-model.ts';
import { type TestModelOptions, type TestTensor, writeModel } from '../model-folder.testing.ts';
import { GraphSession } from '../ort.testing.ts';
import { PagedDriver } from '../paged-driver.testing.ts';
import { mergeHeads } from './merge-heads.ts';

const config = { num_hidden_layers: 4, num_attention_heads: 8, num_key_value_heads: 4, head_dim: 6 };
const tokens = Array.from({ length: 20 }, (_, i) => (7 * i) % 50);
let root: string;
let cacheFolder: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'octavo-trims-'));
  cacheFolder = join(root, 'cache');
});
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;
const model = (options: TestModelOptions = {}) =>
  writeModel(join(root, `m${folders++}`), { ...options, config: { ...config, ...options.config } }).folder;
const compile = (folder: string, options: Partial<CompileOptions> = {}) =>
  compileModel(folder, { levels: 2, cacheFolder, ...options });

async function logitsOf(compiled: CompiledModel): Promise<number[]> {
  const session = await GraphSession.open(compiled);
  const driver = new PagedDriver(session, { pages: 20, pageSize: 4 });
  const sequence = driver.sequence();
  // In two chunks, so that pages are read.
  await driver.step([{ sequence, tokens: tokens.slice(0, 13) }]);
  const [result] = await driver.step([{ sequence, tokens: tokens.slice(13) }]);
  await session.close();
  return Array.from(result?.lastLogits ?? []);
}

/** Rows of heads averaged by hand: [kvHeads x headDim, columns] -> half as many heads. */
function halved({ name, shape, floats }: TestTensor, by: 'mean' | 'first'): TestTensor {
  const [rows = 0, columns = 1] = shape;
  const result = new Float32Array((rows / 2) * columns);
  for (let row = 0; row < rows / 2; row += 1) {
    const old = 2 * Math.floor(row / 6) * 6 + (row % 6);
    for (let column = 0; column < columns; column += 1) {
      const one = floats[old * columns + column] as number;
      const other = floats[(old + 6) * columns + column] as number;
      result[row * columns + column] = by === 'mean' ? (one + other) / 2 : one;
    }
  }
  return { name, shape: [rows / 2, ...shape.slice(1)], floats: result };
}

describe('a trimmed model', () => {
  it('without some layers is the model that never had them', async () => {
    const trimmed = await compile(model(), { trims: { dropLayers: [1, 2] } });
    const byHand = model({
      config: { num_hidden_layers: 2 },
      edit: () =>
        // Random numbers go by the tensor's place, so all four layers are made and two are taken.
        [...tensorsOfFour()].flatMap((tensor) => {
          const [, layer] = /layers\.(\d)\./.exec(tensor.name) ?? [];
          if (layer === '1' || layer === '2') return [];
          return [{ ...tensor, name: tensor.name.replace('layers.3.', 'layers.1.') }];
        }),
    });
    expect(await logitsOf(trimmed)).toEqual(await logitsOf(await compile(byHand)));
    expect(trimmed.shape.layers).toBe(2);
    expect(trimmed.untrimmed?.layers).toBe(4);
    const byCount = await compile(model(), { trims: { dropLayers: 2 } });
    expect(byCount.shape.layers).toBe(2);
    expect(await logitsOf(byCount)).toEqual(await logitsOf(trimmed));
  });

  it.each(['mean', 'first'] as const)('with half the K/V heads has the %s of its neighbours', async (by) => {
    const biased = { attention_bias: true };
    for (const format of ['f32', 'q8', 'w8a8'] as const) {
      const trims: ModelTrims = { kvHeads: 2, kvHeadsBy: by };
      const trimmed = await compile(model({ config: biased }), { trims, weights: format });
      const edit = (tensors: TestTensor[]) =>
        tensors.map((tensor) => (/[kv]_proj/.test(tensor.name) ? halved(tensor, by) : tensor));
      const byHand = writeModel(join(root, `m${folders++}`), { config: { ...config, ...biased }, edit });
      const fewer = { ...byHand.config, num_key_value_heads: 2 };
      writeFileSync(join(byHand.folder, 'config.json'), JSON.stringify(fewer));
      expect(await logitsOf(trimmed)).toEqual(await logitsOf(await compile(byHand.folder, { weights: format })));
      expect(trimmed.shape.kvHeads).toBe(2);
    }
  });

  it('with a window is the model of the same weights that has it', async () => {
    const trimmed = await compile(model(), { trims: { windowTokens: 5 } });
    const windowed = { architectures: ['MistralForCausalLM'], model_type: 'mistral', sliding_window: 5 };
    expect(await logitsOf(trimmed)).toEqual(await logitsOf(await compile(model({ config: windowed }))));
    expect(await logitsOf(trimmed)).not.toEqual(await logitsOf(await compile(model())));
    expect(trimmed.shape.windows).toEqual([5]);
  });

  it('is another model: another fingerprint for each trim, and found again', async () => {
    const folder = model();
    const trims: readonly (ModelTrims | undefined)[] = [
      undefined,
      { dropLayers: 1 },
      { kvHeads: 2 },
      { kvHeads: 2, kvHeadsBy: 'first' },
      { windowTokens: 5 },
    ];
    const names = new Set<string>();
    for (const trim of trims) {
      const options = trim ? { trims: trim } : {};
      names.add((await compile(folder, options)).fingerprint);
      expect((await compile(folder, options)).fromCache).toBe(true);
    }
    expect(names.size).toBe(5);
    // What says nothing changes nothing.
    const same = await compile(folder, { trims: { dropLayers: 0, kvHeads: 4 } });
    expect(names.has(same.fingerprint)).toBe(true);
    expect(same.untrimmed).toBeUndefined();
    expect(readdirSync(cacheFolder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('cannot be kept in a file, and says so', async () => {
    writeFileSync(join(root, 'file'), '');
    const refused = compile(model(), { trims: { kvHeads: 2 }, cacheFolder: join(root, 'file') });
    await expect(refused).rejects.toMatchObject({ code: 'CACHE_UNWRITABLE' });
  });

  it.each<[object, RegExp]>([
    [{ dropLayers: 4 }, /dropLayers is 4: give a number up to 3, or some of the layers 0 to 3/],
    [{ dropLayers: -1 }, /dropLayers is -1/],
    [{ dropLayers: [7] }, /dropLayers is \[7\]/],
    [{ dropLayers: 0.5 }, /dropLayers is 0.5/],
    [{ kvHeads: 3 }, /kvHeads is 3: give a divisor of the model's 4/],
    [{ kvHeads: 0 }, /kvHeads is 0/],
    [{ kvHeadsBy: 'sum' }, /give mean or first/],
    [{ windowTokens: 0 }, /windowTokens is 0/],
    [{ layers: 2 }, /trims.layers is unknown: give dropLayers, kvHeads, kvHeadsBy, windowTokens/],
  ])('is refused with %j', async (trims, message) => {
    const folder = model();
    await expect(compile(folder, { trims })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(message),
    });
  });
});

/** The tensors of the model with four layers. */
function tensorsOfFour(): TestTensor[] {
  let made: TestTensor[] = [];
  model({ edit: (tensors) => (made = tensors) });
  return made;
}

describe('merging heads of fused projections', () => {
  const shape = { heads: 4, kvHeads: 2, headDim: 2 };
  const trims = { dropped: [], kvHeads: 1, kvHeadsBy: 'mean', windowTokens: Number.POSITIVE_INFINITY } as const;

  function rowsOf(rows: 'by-kind' | 'by-head', heads: typeof shape): (readonly (readonly number[])[])[] {
    const out = (heads.heads + 2 * heads.kvHeads) * heads.headDim;
    const linear = { tensor: 'qkv', bias: 'qkv.b', out, in: 8 };
    const layer = { attention: { input: { kind: 'fused', linear, rows } } };
    const description = { shape: heads, layers: [layer] } as unknown as DecoderDescription;
    const { tensors } = mergeHeads(description, trims);
    expect(tensors.map(({ from }) => from)).toEqual(['qkv', 'qkv.b', 'qkv', 'qkv.b', 'qkv', 'qkv.b']);
    return tensors.filter(({ from }) => from === 'qkv').map((tensor) => tensor.rows);
  }

  it('takes queries as they are, and keys and values from behind them', () => {
    const [query, key, value] = rowsOf('by-kind', shape);
    expect(query).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((row) => [row]));
    expect(key).toEqual([
      [8, 10],
      [9, 11],
    ]);
    expect(value).toEqual([
      [12, 14],
      [13, 15],
    ]);
  });

  it('takes them out of each head in turn', () => {
    const [query, key, value] = rowsOf('by-head', { ...shape, heads: 2 });
    expect(query).toEqual([[0], [1], [6], [7]]);
    expect(key).toEqual([
      [2, 8],
      [3, 9],
    ]);
    expect(value).toEqual([
      [4, 10],
      [5, 11],
    ]);
  });
});
