/** Opens and closes the runtime's session: every option of the runtime that we depend on is set, and explained, here. */
import { isMainThread } from 'node:worker_threads';
import { InferenceSession } from 'onnxruntime-node';
import { EngineError } from '../errors.ts';

export interface SessionOptions {
  /** Threads of the runtime, at least 1. */
  readonly threads: number;
  /** Whether threads of the runtime that have nothing to do poll for SPIN_MICROSECONDS before they sleep. */
  readonly spinning: boolean;
  /** Where the runtime writes how long every operator took, when the session is released: `{profile}_{time}.json`. Slows runs down. */
  readonly profile?: string;
  /** 'optimised': what `saveOptimised` wrote; the runtime's optimiser would find nothing more in it, and is not asked. */
  readonly graph?: 'optimised';
  /** Where the runtime writes the optimised graph, beside the graph whose external data it goes on to name. */
  readonly saveOptimised?: string;
}

/**
 * Longer than nearly every pause between two operators that use several threads, and so short that polling takes nothing from others:
 * on 2 cores beside a process that keeps one of them busy, polling for 20 us was faster than not polling, and polling without a limit slower.
 */
const SPIN_MICROSECONDS = 20;

const spinningBriefly = {
  intra_op: { allow_spinning: '1', spin_duration_us: String(SPIN_MICROSECONDS) },
  // Nothing polls once a run is over.
  force_spinning_stop: '1',
};

const sleeping = { intra_op: { allow_spinning: '0' } };

/**
 * Softmax makes numbers below the normal range of float32 of masked scores, and products with those are slow: a storefront takes a
 * fifth less time when they are taken as zero. The runtime sets its own threads so, and of the others the one that opens the first session
 * of the process. JavaScript of that thread then takes numbers below 2.2e-308 as zero as well, so it must not be the main one.
 */
const flushDenormals = isMainThread ? '0' : '1';

/** Loads a graph from its file, with its external data, or from its bytes. Blocks the thread until it is ready. Throws OPEN_FAILED. */
export async function openSession(graph: string | Uint8Array, options: SessionOptions): Promise<InferenceSession> {
  const settings: InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    graphOptimizationLevel: optimisation(options),
    ...(options.saveOptimised === undefined ? {} : { optimizedModelFilePath: options.saveOptimised }),
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    // Shapes differ from step to step: with it on, the runtime would keep one memory plan for each shape that it ever saw.
    enableMemPattern: false,
    // Matrices are left to be prepacked (no `session.disable_prepacking`). Measured with 1.3 billion float32 parameters in place, 5.0 GiB:
    // with packing 5.4 GiB are resident at most, since the runtime lets go of each original once it is packed, and all but the rows to
    // gather from are memory of the process; without it 5.2 GiB, nearly all of it pages of the file that the system can take back, but
    // 128 tokens of a prompt take 6.5 s where they take 1.6 s, and a token of 8 sequences 564 ms where it takes 253 ms.
    // What fails is thrown, with the same message: the runtime must not write to the process's standard error as well.
    logSeverityLevel: 4,
    ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile }),
    extra: { session: { ...(options.spinning ? spinningBriefly : sleeping), set_denormal_as_zero: flushDenormals } },
  };
  try {
    return await (typeof graph === 'string'
      ? InferenceSession.create(graph, settings)
      : InferenceSession.create(graph, settings));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const name = typeof graph === 'string' ? graph : 'a graph that tries it out';
    throw new EngineError('OPEN_FAILED', `The runtime could not load ${name}: ${reason}`, { cause });
  }
}

function optimisation({ graph, saveOptimised }: SessionOptions): 'disabled' | 'extended' | 'all' {
  if (graph === 'optimised') return 'disabled';
  // What 'all' adds are layouts for convolutions that suit this processor: they must not be kept for another one.
  return saveOptimised === undefined ? 'all' : 'extended';
}
