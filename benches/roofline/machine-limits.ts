/** What this machine gives the runtime at best: bytes a second from memory, and multiplications a second. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { productGraph, q4Bytes } from './operator-graph.ts';

export interface MachineLimits {
  /** Bytes a second of the weights of one-row products: the better of q4 and float32. */
  readonly bytesPerSecond: number;
  /** Floating-point operations a second of q4 products of many rows. */
  readonly q4OperationsPerSecond: number;
  readonly f32OperationsPerSecond: number;
}

interface Session {
  run(feeds: object): Promise<unknown>;
  release(): Promise<void>;
}
interface Runtime {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
}

const SIZE = 2_048;

/** Effect: runs products for some seconds. */
export async function machineLimits(scale: 'full' | 'smoke'): Promise<MachineLimits> {
  // The runtime is the engine's dependency; it is the same one that the engine runs on.
  const octavo = createRequire(import.meta.url).resolve('octavo/package.json');
  const engine = createRequire(octavo).resolve('@octavo/engine/package.json');
  const runtime = createRequire(engine)('onnxruntime-node') as Runtime;
  const runs = scale === 'smoke' ? 2 : 20;
  const rows = scale === 'smoke' ? 32 : 512;
  // 512 MB of float32 and 160 MB of q4: several times what a cache holds.
  const count = scale === 'smoke' ? 4 : 32;
  const elements = count * SIZE * SIZE;
  const q4 = productGraph({ kind: 'q4', size: SIZE, count: 2 * count });
  const f32 = productGraph({ kind: 'f32', size: SIZE, count });
  const q4Row = await fastest(runtime, q4, { rows: 1, runs });
  const f32Row = await fastest(runtime, f32, { rows: 1, runs });
  const q4Many = await fastest(runtime, productGraph({ kind: 'q4', size: SIZE, count: 2 }), { rows, runs });
  const f32Many = await fastest(runtime, productGraph({ kind: 'f32', size: SIZE, count: 2 }), { rows, runs });
  return {
    bytesPerSecond: Math.max(q4Bytes(2 * elements) / q4Row, (4 * elements) / f32Row),
    q4OperationsPerSecond: (2 * rows * 2 * SIZE * SIZE) / q4Many,
    f32OperationsPerSecond: (2 * rows * 2 * SIZE * SIZE) / f32Many,
  };
}

/** Seconds of the fastest run: a limit is what the machine can do when nothing disturbs it. */
async function fastest(runtime: Runtime, model: Uint8Array, of: { rows: number; runs: number }): Promise<number> {
  const session = await runtime.InferenceSession.create(model, {
    intraOpNumThreads: availableParallelism(),
    enableMemPattern: false,
    logSeverityLevel: 4,
  });
  const x = new runtime.Tensor('float32', new Float32Array(of.rows * SIZE).fill(0.1), [of.rows, SIZE]);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run <= of.runs; run++) {
    const began = performance.now();
    await session.run({ x });
    if (run > 0) best = Math.min(best, (performance.now() - began) / 1_000);
  }
  await session.release();
  return best;
}
