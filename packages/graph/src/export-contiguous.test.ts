import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deviation } from './compare.testing.ts';
import { compileModel } from './compile-model.ts';
import { ContiguousSession } from './contiguous/contiguous-session.testing.ts';
import { exportContiguous } from './export-contiguous.ts';
import { referenceLogits } from './llama.testing.ts';
import { writeModel } from './model-folder.testing.ts';
import { GraphSession } from './ort.testing.ts';
import { PagedDriver } from './paged-driver.testing.ts';

interface Golden {
  readonly prompts: readonly { readonly token_ids: number[]; readonly greedy_token_ids: number[] }[];
}

interface FixtureGolden {
  readonly prompts: readonly { readonly ids: number[]; readonly greedy: number[] }[];
}

const shopkeeper = new URL('../../octavo/model/shopkeeper', import.meta.url).pathname;
const { prompts } = JSON.parse(readFileSync(join(shopkeeper, 'golden.json'), 'utf8')) as Golden;
const ids = [3, 17, 42, 8, 8, 31, 0, 49, 25, 12, 6];
const other = [5, 44, 1];

const END = 2;
/** What comes before the end id is the answer; behind it the model makes noise. */
const answerOf = (made: readonly number[]) => made.slice(0, made.indexOf(END)).join();

describe('exportContiguous', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-contiguous-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it.each(['plain', 'fused'] as const)(
    'with %s attention equals a float64 model, whole and in pieces',
    async (attention) => {
      // The fused operator wants heads of a multiple of 8.
      const model = writeModel(join(folder, 'model'), { config: { hidden_size: 32 } });
      const expected = referenceLogits({ ...model, config: { ...model.config, rope_scaling: null } }, ids);
      const session = await ContiguousSession.open(
        await exportContiguous(model.folder, { to: join(folder, 'out'), attention }),
      );
      try {
        const whole = (await session.start([ids], 0)).logits[0] ?? [];
        expect(whole).toHaveLength(ids.length);
        for (const [row, logits] of whole.entries()) expect(deviation(logits, expected[row] ?? [])).toBeLessThan(5e-6);
        const pieces = [await session.start([ids.slice(0, 5)], 1), await session.next([ids.slice(5, 9)], 2)];
        pieces.push(await session.next([ids.slice(9, 10)]), await session.next([ids.slice(10)]));
        const kept = pieces.flatMap(({ logits }) => logits[0] ?? []);
        expect(kept).toHaveLength(5);
        for (const [index, row] of [4, 7, 8, 9, 10].entries()) {
          expect(deviation(kept[index] ?? [], expected[row] ?? [])).toBeLessThan(5e-6);
        }
      } finally {
        await session.close();
      }
    },
  );

  it('runs sequences of different lengths in one batch, with padding in front', async () => {
    const model = writeModel(join(folder, 'model'));
    const known = { ...model, config: { ...model.config, rope_scaling: null } };
    const session = await ContiguousSession.open(await exportContiguous(model.folder, { to: join(folder, 'out') }));
    try {
      const started = await session.start([ids, other], 1);
      const continued = await session.next([[9], [11]]);
      for (const [sequence, prompt] of [ids, other].entries()) {
        const expected = referenceLogits(known, [...prompt, sequence === 0 ? 9 : 11]);
        expect(deviation(started.logits[sequence]?.[0] ?? [], expected.at(-2) ?? [])).toBeLessThan(5e-6);
        expect(deviation(continued.logits[sequence]?.[0] ?? [], expected.at(-1) ?? [])).toBeLessThan(5e-6);
      }
    } finally {
      await session.close();
    }
  });

  it.each([
    ['plain', 'f32'],
    ['fused', 'f32'],
    ['plain', 'q4'],
    ['plain', 'w8a8'],
  ] as const)(
    'answers as the goldens of the shipped model do, with %s attention and %s weights',
    async (attention, weights) => {
      const out = { to: join(folder, 'out'), attention, weights };
      const session = await ContiguousSession.open(await exportContiguous(shopkeeper, out));
      let same = 0;
      for (const { token_ids: prompt, greedy_token_ids: greedy } of prompts) {
        const made: number[] = [];
        let last = (await session.start([prompt], 1)).logits[0]?.[0] as Float32Array;
        while (made.length < greedy.length) {
          made.push(last.indexOf(Math.max(...last)));
          last = (await session.next([[made.at(-1) as number]])).logits[0]?.[0] as Float32Array;
        }
        if (answerOf(made) === answerOf(greedy)) same += 1;
      }
      await session.close();
      expect(prompts).toHaveLength(20);
      if (weights === 'f32') expect(same).toBe(20);
      // As the paged graph: measured 20 of 20, with slack for processors whose integer products round otherwise.
      else expect(same).toBeGreaterThanOrEqual(16);
    },
  );

  it('answers as the paged graph does with w8a8 weights, which round rows of activations', async () => {
    const weights = 'w8a8';
    const options = { levels: 3, cacheFolder: join(folder, 'cache'), weights } as const;
    const paged = await GraphSession.open(await compileModel(shopkeeper, options));
    const stock = await ContiguousSession.open(
      await exportContiguous(shopkeeper, { to: join(folder, 'out'), attention: 'fused', weights }),
    );
    let same = 0;
    for (const { token_ids: prompt, greedy_token_ids: greedy } of prompts) {
      const driver = new PagedDriver(paged, { pages: 40, pageSize: 16 });
      const sequence = driver.sequence();
      const made = { paged: [] as number[], stock: [] as number[] };
      let work = prompt;
      let logits = (await stock.start([prompt], 1)).logits[0]?.[0] as Float32Array;
      while (made.paged.at(-1) !== END && made.paged.length < greedy.length) {
        const [result] = await driver.step([{ sequence, tokens: work }]);
        made.paged.push(result?.argmax.at(-1) as number);
        made.stock.push(logits.indexOf(Math.max(...logits)));
        work = made.paged.slice(-1);
        logits = (await stock.next([made.stock.slice(-1)])).logits[0]?.[0] as Float32Array;
      }
      if (made.stock.join() === made.paged.join()) same += 1;
    }
    await paged.close();
    await stock.close();
    expect(prompts).toHaveLength(20);
    // Measured: 20 of 20. Attention sums in another order, which may move an activation over the border between two codes.
    expect(same).toBeGreaterThanOrEqual(18);
  });

  // Windows and score caps, positions as a table, biases, experts: the same fixtures that paged attention is held to.
  it.each(['gemma2', 'gpt2', 'gpt_neo', 'llama', 'mistral', 'mixtral', 'phi3', 'qwen2', 'qwen3'])(
    'answers as the goldens of %s do',
    async (name) => {
      const model = fileURLToPath(new URL(`../../../test/fixtures/${name}`, import.meta.url));
      const golden = JSON.parse(readFileSync(join(model, 'golden.json'), 'utf8')) as FixtureGolden;
      const session = await ContiguousSession.open(await exportContiguous(model, { to: join(folder, 'out') }));
      try {
        for (const { ids: prompt, greedy } of golden.prompts) {
          let last = (await session.start([prompt], 1)).logits[0]?.[0] as Float32Array;
          const made: number[] = [];
          while (made.length < greedy.length) {
            made.push(last.indexOf(Math.max(...last)));
            last = (await session.next([[made.at(-1) as number]])).logits[0]?.[0] as Float32Array;
          }
          expect(made).toEqual(greedy);
        }
        expect(golden.prompts.length).toBeGreaterThan(0);
      } finally {
        await session.close();
      }
    },
  );

  it('gives the same bits with signed and with unsigned codes', async () => {
    const model = writeModel(join(folder, 'model'));
    const logits: unknown[] = [];
    for (const unsignedCodes of [false, true]) {
      const out = { to: join(folder, `out-${unsignedCodes}`), weights: 'w8a8', unsignedCodes } as const;
      const session = await ContiguousSession.open(await exportContiguous(model.folder, out));
      logits.push((await session.start([ids], 0)).logits[0]);
      await session.close();
    }
    expect(logits[0]).toHaveLength(ids.length);
    expect(logits[1]).toEqual(logits[0]);
  });

  it('refuses another attention by name', async () => {
    const model = writeModel(join(folder, 'model'));
    const exporting = exportContiguous(model.folder, { to: join(folder, 'out'), attention: 'flash' as 'plain' });
    await expect(exporting).rejects.toMatchObject({ code: 'OPTION_INVALID', message: /attention is "flash"/ });
  });
});
