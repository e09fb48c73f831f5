/** The model runner on onnxruntime-node: one session of a compiled graph. Only this folder imports the runtime. */
import type { CompiledModel, KvType, ModelShape } from '@octavo/graph';
import { MOST_CANDIDATES, stepOutputs } from '@octavo/graph';
import type { StepPlan } from '@octavo/scheduler';
import type { InferenceSession, OnnxValue } from 'onnxruntime-node';
import type { CandidateRequest, ModelRunner, RunOutputs } from '../model-runner.ts';
import type { PageElements } from '../storage/page-elements.ts';
import type { PageStore } from '../storage/page-store.ts';
import { openCompiledSession } from './optimised-graph.ts';
import type { SessionOptions } from './session.ts';
import { StepTensors } from './step-tensors.ts';

const FETCHES = [stepOutputs.newKeys, stepOutputs.newValues, stepOutputs.argmax, stepOutputs.logits];
const CANDIDATE_FETCHES = [
  stepOutputs.candidateIds,
  stepOutputs.candidateLogits,
  stepOutputs.candidateTotals,
  stepOutputs.candidatesLacking,
];
const SCALE_FETCHES = [stepOutputs.newKeyScales, stepOutputs.newValueScales];

export class OrtRunner implements ModelRunner {
  readonly shape: ModelShape;
  readonly candidateCount: number;
  readonly #session: InferenceSession;
  readonly #tensors: StepTensors;
  readonly #kvType: KvType;
  readonly #fetches: readonly string[];
  #disposal: Promise<void> | undefined;

  private constructor(model: CompiledModel, session: InferenceSession) {
    this.shape = model.shape;
    this.candidateCount = Math.min(MOST_CANDIDATES, model.shape.vocabulary);
    this.#session = session;
    this.#kvType = model.kvType;
    this.#fetches = model.kvType === 'int8' ? [...FETCHES, ...SCALE_FETCHES] : FETCHES;
    this.#tensors = new StepTensors({ levels: model.levels, deterministic: model.deterministic, ...model.shape });
  }

  /** Loads the graph; blocks the thread until it is ready. Throws OPEN_FAILED. */
  static async open(model: CompiledModel, options: SessionOptions): Promise<OrtRunner> {
    return new OrtRunner(model, await openCompiledSession(model.graphFile, options));
  }

  /**
   * One run of the session. Pools go in without a copy; outputs come back in fresh memory of the runtime's, so they are ours to read
   * until they are dropped. The thread is blocked from the next turn of the event loop on until the model is through.
   */
  async run(
    plan: StepPlan,
    store: PageStore,
    fullHeads: Int32Array,
    fullCount: number,
    candidates?: CandidateRequest,
  ): Promise<RunOutputs> {
    const start = performance.now();
    this.#tensors.bind(store);
    this.#tensors.fill(plan, fullHeads, fullCount);
    const isSampled = this.#tensors.fillCandidates(candidates);
    const prepareMs = performance.now() - start;
    const outputs = await this.#session.run(
      this.#tensors.feeds,
      isSampled ? [...this.#fetches, ...CANDIDATE_FETCHES] : this.#fetches,
    );
    return {
      newKeys: rows(outputs[stepOutputs.newKeys]),
      newValues: rows(outputs[stepOutputs.newValues]),
      ...(this.#kvType === 'int8' && {
        newKeyScales: floats(outputs[stepOutputs.newKeyScales]),
        newValueScales: floats(outputs[stepOutputs.newValueScales]),
      }),
      argmax: ints(outputs[stepOutputs.argmax]),
      logits: floats(outputs[stepOutputs.logits]),
      ...(isSampled && {
        candidates: {
          ids: ints(outputs[stepOutputs.candidateIds]),
          logits: floats(outputs[stepOutputs.candidateLogits]),
          totals: floats(outputs[stepOutputs.candidateTotals]),
          lacking: flags(outputs[stepOutputs.candidatesLacking]),
        },
      }),
      prepareMs,
    };
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#session.release();
    return this.#disposal;
  }
}

function rows(output: OnnxValue | undefined): PageElements {
  const column = output?.data;
  if (column instanceof Float32Array || column instanceof Uint16Array || column instanceof Int8Array) {
    // The runtime's outputs lie in memory of their own, which nobody shares.
    return column as PageElements;
  }
  throw new TypeError('the graph handed out no rows in the format of the pages where the step interface promises them');
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

function flags(output: OnnxValue | undefined): Uint8Array {
  const column = output?.data;
  if (column instanceof Uint8Array) return column;
  throw new TypeError('the graph handed out no flags where the step interface promises some');
}
