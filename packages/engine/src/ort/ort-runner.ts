/** The model runner on onnxruntime-node: one session of a compiled graph. Only this folder imports the runtime. */
import type { CompiledModel, ModelShape } from '@octavo/graph';
import { stepOutputs } from '@octavo/graph';
import type { StepPlan } from '@octavo/scheduler';
import type { InferenceSession, OnnxValue } from 'onnxruntime-node';
import type { ModelRunner, RunOutputs } from '../model-runner.ts';
import type { PageStore } from '../storage/page-store.ts';
import { openSession, type SessionOptions } from './session.ts';
import { StepTensors } from './step-tensors.ts';

const FETCHES = [stepOutputs.newKeys, stepOutputs.newValues, stepOutputs.argmax, stepOutputs.logits];

export class OrtRunner implements ModelRunner {
  readonly shape: ModelShape;
  readonly #session: InferenceSession;
  readonly #tensors: StepTensors;
  #disposal: Promise<void> | undefined;

  private constructor(model: CompiledModel, session: InferenceSession) {
    this.shape = model.shape;
    this.#session = session;
    this.#tensors = new StepTensors({ levels: model.levels, ...model.shape });
  }

  /** Loads the graph; blocks the thread until it is ready. Throws OPEN_FAILED. */
  static async open(model: CompiledModel, options: SessionOptions): Promise<OrtRunner> {
    return new OrtRunner(model, await openSession(model.graphFile, options));
  }

  /**
   * One run of the session. Pools go in without a copy; outputs come back in fresh memory of the runtime's, so they are ours to read
   * until they are dropped. The thread is blocked from the next turn of the event loop on until the model is through.
   */
  async run(plan: StepPlan, store: PageStore, fullHeads: Int32Array, fullCount: number): Promise<RunOutputs> {
    const start = performance.now();
    this.#tensors.bind(store);
    this.#tensors.fill(plan, fullHeads, fullCount);
    const prepareMs = performance.now() - start;
    const outputs = await this.#session.run(this.#tensors.feeds, FETCHES);
    return {
      newKeys: floats(outputs[stepOutputs.newKeys]),
      newValues: floats(outputs[stepOutputs.newValues]),
      argmax: ints(outputs[stepOutputs.argmax]),
      logits: floats(outputs[stepOutputs.logits]),
      prepareMs,
    };
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#session.release();
    return this.#disposal;
  }
}

function floats(output: OnnxValue | undefined): Float32Array {
  const column = output?.data;
  if (column instanceof Float32Array) return column;
  throw new TypeError('the graph handed out no float32 tensor where the step interface promises one');
}

function ints(output: OnnxValue | undefined): Int32Array {
  const column = output?.data;
  if (column instanceof Int32Array) return column;
  throw new TypeError('the graph handed out no int32 tensor where the step interface promises one');
}
