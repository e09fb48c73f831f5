/** Runs an export as it is, without a past: what the paged graph must agree with. Used by tests. */
import { ort } from '../ort.testing.ts';
import { type StyleOptions, small } from './export-styles.testing.ts';

type AnyTensor = new (type: string, data: unknown, dims: readonly number[]) => never;

/** Logits at each position, as float32. */
export async function logitsOfExport(
  file: string,
  ids: readonly number[],
  options: StyleOptions,
): Promise<Float32Array[]> {
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const Tensor = ort.Tensor as unknown as AnyTensor;
  const ints = (values: readonly number[]) =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
  const feeds: Record<string, never> = {
    input_ids: ints(ids),
    attention_mask: ints(ids.map(() => 1)),
    position_ids: ints(ids.map((_, index) => index)),
  };
  const dims = [1, options.kvHeads ?? small.kvHeads, 0, small.headDim];
  const empty = options.isHalf
    ? new Tensor('float16', new Uint16Array(0), dims)
    : new Tensor('float32', new Float32Array(0), dims);
  for (const name of session.inputNames) feeds[name] ??= empty;
  const given = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name] as never]));
  const { logits } = await session.run(given);
  await session.release();
  const raw = logits?.data as unknown as Float32Array | Uint16Array;
  const floats = raw instanceof Uint16Array ? Float32Array.from(raw, halfToFloat) : Float32Array.from(raw);
  return ids.map((_, row) => floats.subarray(row * small.vocabulary, (row + 1) * small.vocabulary));
}

function halfToFloat(half: number): number {
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return half & 0x8000 ? -magnitude : magnitude;
}
