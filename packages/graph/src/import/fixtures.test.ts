import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation } from '../compare.testing.ts';
import { compileModel } from '../compile-model.ts';
import { GraphSession } from '../ort.testing.ts';
import { generate, PagedDriver } from '../paged-driver.testing.ts';

interface Golden {
  readonly prompts: readonly { ids: number[]; greedy: number[]; lastLogits: number[]; allPositionsArgmax: number[] }[];
}

const fixtures = new URL('../../../../test/fixtures', import.meta.url).pathname;

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'octavo-import-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

describe.each(['gpt2', 'llama', 'qwen2', 'llama-gqa-q4'])('the imported %s export', (name) => {
  const folder = join(fixtures, name);
  const { prompts } = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;
  let session: GraphSession;
  beforeAll(async () => {
    const source = { folder, onnxFile: join(folder, 'onnx/model.onnx') };
    const model = await compileModel(source, { levels: 3, cacheFolder: join(scratch, 'cache') });
    expect(model.past).toBeUndefined();
    session = await GraphSession.open(model, { intraOpNumThreads: 1 });
  });
  afterAll(() => session?.close());

  const ways = [
    { pageSize: 16, chunkTokens: 1000 },
    { pageSize: 4, chunkTokens: 7, cut: [1, 2] },
    { pageSize: 4, chunkTokens: 1 },
    { pageSize: 16, chunkTokens: 33, cut: [1] },
  ];
  it.each(ways)('meets its goldens with pages of $pageSize tokens and chunks of $chunkTokens', async (way) => {
    expect(prompts).toHaveLength(4);
    for (const prompt of prompts) {
      const driver = new PagedDriver(session, { pages: 160, pageSize: way.pageSize });
      const made = await generate(driver, prompt.ids, { count: 24, ...way });
      expect(made.argmax).toEqual(prompt.allPositionsArgmax);
      expect(made.ids).toEqual(prompt.greedy);
      expect(deviation(made.lastLogits, prompt.lastLogits)).toBeLessThan(1e-5);
    }
  });
});
