/** What this machine gives the runtime at best: bytes a second from memory, and multiplications a second. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { inputOf, type ProductShape, productGraph, q4Bytes } from './operator-graph.ts';

export interface MachineLimits {
  /** Bytes a second of the weights of one-row products: the better of q4 and float32. */
  readonly bytesPerSecond: number;
  /** Floating-point operations a second of q4 products of many rows. */
  readonly q4OperationsPerSecond: number;
  readonly f32OperationsPerSecond: number;
  /** Bytes a second of the weights of one-row products in q4 alone. */
  readonly q4BytesPerSecond: number;
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
  const runs = scale === 'smoke' ? 2 : 20;
  const rows = scale === 'smoke' ? 32 : 512;
  // 512 MB of float32 and 160 MB of q4: several times what a cache holds.
  const count = scale === 'smoke' ? 4 : 32;
  const elements = count * SIZE * SIZE;
  const squares = (length: number) => Array.from({ length }, () => ({ into: SIZE, out: SIZE }));
  const q4Row = await fastest({ kind: 'q4', products: squares(2 * count), rows: 1, runs });
  const f32Row = await fastest({ kind: 'f32', products: squares(count), rows: 1, runs });
  const q4Many = await fastest({ kind: 'q4', products: squares(2), rows, runs });
  const f32Many = await fastest({ kind: 'f32', products: squares(2), rows, runs });
  const q4BytesPerSecond = q4Bytes(2 * elements) / q4Row;
  return {
    bytesPerSecond: Math.max(q4BytesPerSecond, (4 * elements) / f32Row),
    q4OperationsPerSecond: (2 * rows * 2 * SIZE * SIZE) / q4Many,
    f32OperationsPerSecond: (2 * rows * 2 * SIZE * SIZE) / f32Many,
    q4BytesPerSecond,
  };
}

/** Seconds that a step's products take in the runtime when nothing else is in the graph: no graph with these products is faster. Effect: runs them. */
export function productSeconds(products: readonly ProductShape[], of: { rows: number; runs: number }): Promise<number> {
  return fastest({ kind: 'q4', products, ...of });
}

/** Seconds of the fastest run: a limit is what the machine can do when nothing disturbs it. */
async function fastest(of: {
  readonly kind: 'q4' | 'f32';
  readonly products: readonly ProductShape[];
  readonly rows: number;
  readonly runs: number;
}): Promise<number> {
  const { InferenceSession, Tensor } = runtime();
  const session = await InferenceSession.create(productGraph(of), {
    intraOpNumThreads: availableParallelism(),
    enableMemPattern: false,
    logSeverityLevel: 4,
  });
  const input = (into: number) => new Tensor('float32', new Float32Array(of.rows * into).fill(0.1), [of.rows, into]);
  const widths = new Set(of.products.map(({ into }) => into));
  const inputs = Object.fromEntries([...widths].map((into) => [inputOf(into), input(into)]));
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run <= of.runs; run++) {
    const began = performance.now();
    await session.run(inputs);
    if (run > 0) best = Math.min(best, (performance.now() - began) / 1_000);
  }
  await session.release();
  return best;
}

/** The runtime is the engine's dependency; it is the same one that the engine runs on. */
function runtime(): Runtime {
  const octavo = createRequire(import.meta.url).resolve('octavo/package.json');
  const engine = createRequire(octavo).resolve('@octavo/engine/package.json');
  return createRequire(engine)('onnxruntime-node') as Runtime;
}
