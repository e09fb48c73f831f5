import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../ir/builder.ts';
import { emitOnnx } from '../onnx/emit.ts';
import { type OrtTensor, ort } from '../ort.testing.ts';
import { stepOutputs } from '../step-interface.ts';
import { blockWidth, emitGreedy } from './greedy.ts';

/** Greedy ids of some rows of logits, as the runtime works them out. */
async function greedy(rows: readonly Float32Array[], vocabulary: number): Promise<number[]> {
  const graph = GraphBuilder.create();
  emitGreedy(graph, graph.input('logits', 'float32', ['H', vocabulary]));
  const session = await ort.InferenceSession.create(emitOnnx(graph.finish(), new Map()), { logSeverityLevel: 4 });
  const logits = new Float32Array(rows.length * vocabulary);
  for (const [index, row] of rows.entries()) logits.set(row, index * vocabulary);
  const outputs = await session.run({ logits: new ort.Tensor('float32', logits, [rows.length, vocabulary]) });
  await session.release();
  return [...((outputs[stepOutputs.argmax] as OrtTensor).data as Int32Array)];
}

const rowOf = (vocabulary: number, at: (id: number) => number) =>
  Float32Array.from({ length: vocabulary }, (_, id) => at(id));

describe('emitGreedy', () => {
  // In blocks, in blocks of another shape, and too few or prime, so that there are none.
  it.each([49_152, 50_257, 1_024, 60, 1_009])(
    'finds the largest of %i logits, the lowest id on a tie',
    async (vocabulary) => {
      let state = 7;
      const draw = () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state >>> 8;
      };
      // Few distinct numbers, so that nearly every row has ties, within a block and across blocks.
      const rows = Array.from({ length: 6 }, () => rowOf(vocabulary, () => (draw() % 200) - 250));
      expect(await greedy(rows, vocabulary)).toEqual(
        rows.map((row) => row.indexOf(row.reduce((most, logit) => Math.max(most, logit)))),
      );
    },
  );

  it('finds it at the edges of blocks and takes the first of equal blocks', async () => {
    const width = blockWidth(1_024);
    expect(width).toBeLessThan(1_024);
    const places = [0, width - 1, width, 2 * width - 1, 1_023];
    const alone = places.map((place) => rowOf(1_024, (id) => (id === place ? -1 : -2)));
    const twice = places.map((place) => rowOf(1_024, (id) => (id >= place ? 3 : 2)));
    expect(await greedy([...alone, ...twice], 1_024)).toEqual([...places, ...places]);
    expect(await greedy([rowOf(1_024, () => Number.NEGATIVE_INFINITY), rowOf(1_024, () => -0)], 1_024)).toEqual([0, 0]);
  });
});

describe('blockWidth', () => {
  it('divides evenly, near the square root, and leaves alone what blocks would not help', () => {
    expect(blockWidth(49_152)).toBe(192);
    expect(blockWidth(151_936)).toBe(128);
    expect(blockWidth(50_257)).toBe(29);
    expect(blockWidth(60)).toBe(60);
    expect(blockWidth(1_009)).toBe(1_009);
  });
});
