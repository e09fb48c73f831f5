import { compileModel, type IntegerProbe, type IntegerProbeProduct, integerProbe } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { llama, temporaryFolder } from '../engine.testing.ts';
import { engineConfig } from '../engine-config.ts';
import { openModel } from '../open-model.ts';
import { isExact, multipliesBytesExactly } from './integer-products.ts';

/** A session that adds every two neighbouring products as `keep` says, as processors do it that have no better instruction. */
function sessionOf(probe: IntegerProbe, keep: (sum: number) => number) {
  const run = (feeds: Record<string, { readonly dims: readonly number[] }>) => {
    const found = probe.runs.find(({ rowCount }) => Object.values(feeds).every(({ dims }) => dims[0] === rowCount));
    const outputs = (found?.products ?? []).map((product) => [product.output, sumsOf(product, keep)] as const);
    return Promise.resolve(Object.fromEntries(outputs));
  };
  return { run };
}

function sumsOf({ codes, width, matrix, expected }: IntegerProbeProduct, keep: (sum: number) => number) {
  const outputs = matrix.length / width;
  const sums = expected.map((_, index) => {
    const [row, column] = [Math.floor(index / outputs), index % outputs];
    const at = (place: number) => (place < width ? (matrix[place * outputs + column] as number) : 0);
    let sum = 0;
    for (let place = 0; place < width; place += 2) {
      const [first = 0, second = 0] = codes.subarray(row * width + place, row * width + place + 2);
      sum += keep(first * at(place) + second * at(place + 1)) - 128 * (at(place) + at(place + 1));
    }
    return sum;
  });
  return new Tensor('float32', sums, [sums.length]);
}

describe('products of unsigned with signed bytes', () => {
  it('are exact on this processor; the runtime is asked once', async () => {
    const answer = multipliesBytesExactly();
    expect(multipliesBytesExactly()).toBe(answer);
    expect(await answer).toBe(true);
  });

  it('are found exact where sums of two are kept whole, and not where they saturate at 16 bits', async () => {
    const probe = await integerProbe();
    expect(
      await isExact(
        probe,
        sessionOf(probe, (sum) => sum),
      ),
    ).toBe(true);
    const saturate = (sum: number) => Math.max(-32768, Math.min(32767, sum));
    expect(await isExact(probe, sessionOf(probe, saturate))).toBe(false);
  });

  it.each([true, false])('being exact (%s) or not decides which graph a model is opened with', async (exact) => {
    const cacheFolder = temporaryFolder();
    const config = engineConfig({ weights: 'w8a8', cacheFolder, pages: 4, commitMemory: 'never' });
    const parts = await openModel({
      model: { folder: llama.folder },
      config,
      onProgress: () => {},
      isExact: () => Promise.resolve(exact),
    });
    await parts.runner.dispose();
    const compile = (unsignedCodes: boolean) =>
      compileModel(llama.folder, { weights: 'w8a8', unsignedCodes, levels: LEVEL_COUNT, cacheFolder });
    expect(await compile(!exact)).toMatchObject({ fromCache: true });
    expect(await compile(exact)).toMatchObject({ fromCache: false });
  });
});
