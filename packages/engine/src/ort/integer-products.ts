/** Whether this processor's kernels multiply unsigned with signed bytes exactly: not all do, and they do not say so. */
import { type IntegerProbe, integerProbe } from '@octavo/graph';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { openSession } from './session.ts';

let answer: Promise<boolean> | undefined;

/** The processor stays what it is: asked once a thread. Cost of the first call: a session of one small product. Throws OPEN_FAILED. */
export function multipliesBytesExactly(): Promise<boolean> {
  answer ??= askRuntime();
  return answer;
}

async function askRuntime(): Promise<boolean> {
  const probe = integerProbe();
  const session = await openSession(probe.graph, { threads: 1, spinning: false });
  try {
    return await isExact(probe, session);
  } finally {
    await session.release();
  }
}

/** Whether `session` gives what the probe's products are, to the bit. */
export async function isExact({ runs, width }: IntegerProbe, session: Pick<InferenceSession, 'run'>): Promise<boolean> {
  for (const { codes, rowCount, expected } of runs) {
    const { y } = await session.run({ x: new Tensor('uint8', codes, [rowCount, width]) });
    const sums = y?.data as Float32Array;
    if (!expected.every((sum, index) => sums[index] === sum)) return false;
  }
  return true;
}
