import { expect, it } from 'vitest';
import { ort } from '../ort.testing.ts';
import { integerProbe } from './integer-probe.ts';

it('the probe of integer products says to the bit what they are, with sums of two that do not fit in 16 bits', async () => {
  const { graph, runs } = await integerProbe();
  const session = await ort.InferenceSession.create(graph, { intraOpNumThreads: 1 });
  expect(runs.map(({ rowCount }) => rowCount)).toEqual([1, 2, 7, 64]);
  for (const { rowCount, products } of runs) {
    const feeds = products.map(({ input, codes, width }) => [input, new ort.Tensor('uint8', codes, [rowCount, width])]);
    const outputs = await session.run(Object.fromEntries(feeds));
    for (const { output, expected, codes, matrix, width } of products) {
      expect(outputs[output]?.data).toEqual(expected);
      const outputCount = matrix.length / width;
      expect(
        (codes[0] as number) * (matrix[0] as number) + (codes[1] as number) * (matrix[outputCount] as number),
      ).toBe(64_770);
    }
  }
  await session.release();
});
