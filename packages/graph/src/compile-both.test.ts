/** One format of weights, two graphs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { deviation } from './compare.testing.ts';
import { compileModel } from './compile-model.ts';
import type { CompileOptions } from './compiled-model.ts';
import { writeModel } from './model-folder.testing.ts';
import { GraphSession } from './ort.testing.ts';
import { generate, PagedDriver } from './paged-driver.testing.ts';

const llama = new URL('../../../test/fixtures/llama', import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), 'octavo-both-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('weights q4+w8a8', () => {
  it('make two graphs: that of q4, and one whose 8-bit codes are of the same matrices', async () => {
    const { folder } = writeModel(join(scratch, 'both'), {
      config: { attention_bias: true, tie_word_embeddings: true },
    });
    const statuses: string[] = [];
    const options = { levels: 3, cacheFolder: join(scratch, 'cache') };
    const onProgress: CompileOptions['onProgress'] = ({ status }) => statuses.push(status);
    const both = await compileModel(folder, { ...options, weights: 'q4+w8a8', onProgress });
    expect(statuses.filter((status) => status === 'ready')).toHaveLength(1);
    expect(statuses.at(-1)).toBe('ready');
    const [few, codes] = await Promise.all(
      (['q4', 'w8a8'] as const).map((weights) => compileModel(folder, { ...options, weights })),
    );
    expect(both).toMatchObject({ weights: 'q4+w8a8', graphFile: few?.graphFile, fromCache: false });
    expect(both.weightBytes).toBeGreaterThan(few?.weightBytes ?? 0);
    expect(new Set([both.fingerprint, few?.fingerprint, codes?.fingerprint]).size).toBe(3);
    const again = await compileModel(folder, { ...options, weights: 'q4+w8a8' });
    expect(again).toEqual({ ...both, fromCache: true });
    const graphFiles = [few?.graphFile, both.manyRowsFile, codes?.graphFile] as string[];
    const logits: Float32Array[] = [];
    for (const graphFile of graphFiles) {
      const session = await GraphSession.open({ ...both, graphFile }, { intraOpNumThreads: 1 });
      const driver = new PagedDriver(session, { pages: 4, pageSize: 4 });
      logits.push((await generate(driver, [3, 17, 42, 8, 31, 25], { count: 1 })).lastLogits);
      await session.close();
    }
    const [ofFew, ofMany, ofCodes] = logits as [Float32Array, Float32Array, Float32Array];
    // The codes differ from the 4 bits by what 8 bits cost; from those of the model itself by what 4 bits cost.
    expect(deviation(ofMany, ofFew)).toBeLessThan(0.05);
    expect(deviation(ofMany, ofCodes)).toBeGreaterThan(2 * deviation(ofMany, ofFew));
  });

  it('refuse deterministic runs, where a row depends on how many there are', async () => {
    const options = { levels: 1, cacheFolder: scratch, weights: 'q4+w8a8', deterministic: true } as const;
    await expect(compileModel(llama, options)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(/give weights q4 or w8a8/),
    });
  });
});
