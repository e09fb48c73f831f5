import { compileModel, type IntegerProbe, integerProbe } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { llama, temporaryFolder } from '../engine.testing.ts';
import { engineConfig } from '../engine-config.ts';
import { openModel } from '../open-model.ts';
import { isExact, multipliesBytesExactly } from './integer-products.ts';

/** A session that adds every two neighbouring products as `keep` says, as processors do it that have no better instruction. */
function sessionOf({ width, matrix }: IntegerProbe, keep: (sum: number) => number): Pick<InferenceSession, 'run'> {
  const outputs = matrix.length / width;
  const run = (feeds: InferenceSession.FeedsType) => {
    const { dims, data } = feeds.x as Tensor;
    const codes = data as Uint8Array;
    const sums = Float32Array.from({ length: (dims[0] as number) * outputs }, (_, index) => {
      const [row, column] = [Math.floor(index / outputs), index % outputs];
      const at = (place: number) => (place < width ? (matrix[place * outputs + column] as number) : 0);
      const code = (place: number) => (place < width ? (codes[row * width + place] as number) : 0);
      let sum = 0;
      for (let place = 0; place < width; place += 2) {
        sum += keep(code(place) * at(place) + code(place + 1) * at(place + 1)) - 128 * (at(place) + at(place + 1));
      }
      return sum;
    });
    return Promise.resolve({ y: new Tensor('float32', sums, [sums.length]) });
  };
  return { run } as Pick<InferenceSession, 'run'>;
}

describe('products of unsigned with signed bytes', () => {
  it('are exact on this processor; the runtime is asked once', async () => {
    const answer = multipliesBytesExactly();
    expect(multipliesBytesExactly()).toBe(answer);
    expect(await answer).toBe(true);
  });

  it('are found exact where sums of two are kept whole, and not where they saturate at 16 bits', async () => {
    const probe = integerProbe();
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
