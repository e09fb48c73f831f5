/** Opens and closes the runtime's session: every option of the runtime that we depend on is set, and explained, here. */
import { InferenceSession } from 'onnxruntime-node';
import { EngineError } from '../errors.ts';

export interface SessionOptions {
  /** Threads of the runtime, at least 1. */
  readonly threads: number;
  /** Whether idle threads of the runtime poll for work instead of sleeping. */
  readonly spinning: boolean;
}

/** Loads a graph with its external data. Blocks the thread until it is ready. Throws OPEN_FAILED. */
export async function openSession(graphFile: string, options: SessionOptions): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(graphFile, {
      executionProviders: ['cpu'],
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      // Shapes differ from step to step: with it on, the runtime would keep one memory plan for each shape that it ever saw.
      enableMemPattern: false,
      // What fails is thrown, with the same message: the runtime must not write to the process's standard error as well.
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: options.spinning ? '1' : '0' } } },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError('OPEN_FAILED', `The runtime could not load ${graphFile}: ${reason}`, { cause });
  }
}
