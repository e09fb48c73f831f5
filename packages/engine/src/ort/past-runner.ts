/**
 * The slow runner: an export as it is, whose attention nobody recognised. Every sequence of a step is a run of its own, its past copied out of
 * the (float32) pages into tensors, so pages are shared in memory and a prefix is computed once, but nothing is read once for several sequences.
 */
import type { CompiledModel, ModelShape, PastGraph } from '@octavo/graph';
import type { StepPlan } from '@octavo/scheduler';
import { type InferenceSession, type OnnxValue, Tensor } from 'onnxruntime-node';
import type { ModelRunner, RunOutputs } from '../model-runner.ts';
import { fromHalf, toHalf } from '../storage/half.ts';
import type { PageStore } from '../storage/page-store.ts';
import { PastRows } from './past-rows.ts';
import { openSession, type SessionOptions } from './session.ts';

/** Where the rows of one sequence, or the next of them, are in its step. */
interface Stretch {
  readonly firstRow: number;
  readonly rows: number;
  /** Slots of what is in pages. */
  readonly past: Int32Array;
  /** Rows of the step that were run before these: what came out of that run holds their past, pages included. */
  readonly before: number;
  readonly earlier?: Outputs;
}

type Outputs = Readonly<Record<string, OnnxValue>>;

interface Step {
  readonly plan: StepPlan;
  readonly store: PageStore;
  readonly outputs: RunOutputs & { newKeys: Float32Array; newValues: Float32Array; logits: Float32Array };
  /** [headCount] place among the full rows; -1: not wanted. */
  readonly fullAt: Int32Array;
}

export class PastRunner implements ModelRunner {
  readonly shape: ModelShape;
  readonly #session: InferenceSession;
  readonly #past: PastGraph;
  /** An export may hand out logits of the last row alone: known when it first does. */
  #oneRowRuns: boolean;
  #rows: PastRows | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(shape: ModelShape, past: PastGraph, session: InferenceSession) {
    this.shape = shape;
    this.#past = past;
    this.#oneRowRuns = past.oneRowRuns;
    this.#session = session;
  }

  /** Loads the export; blocks the thread until it is ready. Throws OPEN_FAILED. */
  static async open(model: CompiledModel & { readonly past: PastGraph }, options: SessionOptions): Promise<PastRunner> {
    return new PastRunner(model.shape, model.past, await openSession(model.graphFile, options));
  }

  /** One run of the session a sequence. Copies every past token: O(tokens of the past of all sequences). */
  async run(plan: StepPlan, store: PageStore, fullHeads: Int32Array, fullCount: number): Promise<RunOutputs> {
    const { layers, kvHeads, headDim, vocabulary } = this.shape;
    const elements = layers * plan.rowCount * kvHeads * headDim;
    const outputs = {
      newKeys: new Float32Array(elements),
      newValues: new Float32Array(elements),
      argmax: new Int32Array(plan.headCount),
      logits: new Float32Array(fullCount * vocabulary),
      prepareMs: 0,
    };
    const fullAt = new Int32Array(plan.headCount).fill(-1);
    for (let full = 0; full < fullCount; full += 1) fullAt[fullHeads[full] as number] = full;
    this.#rows ??= new PastRows(store.layout);
    this.#rows.learn(plan);
    for (let place = 0; place < plan.sequenceCount; place += 1) {
      const firstRow = plan.firstRow[place] as number;
      const rows = plan.scheduledTokens[place] as number;
      const past = this.#rows.slotsOf(plan, firstRow);
      await this.#runSequence({ plan, store, outputs, fullAt }, { firstRow, rows, past, before: 0 });
    }
    return outputs;
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#session.release();
    return this.#disposal;
  }

  async #runSequence(step: Step, stretch: Stretch): Promise<void> {
    if (!this.#oneRowRuns) {
      const made = await this.#runStretch(step, stretch);
      if (this.#takeLogits(step, stretch, made[this.#past.logits])) return;
      this.#oneRowRuns = true;
    }
    let earlier: Outputs | undefined;
    for (let before = 0; before < stretch.rows; before += 1) {
      const firstRow = stretch.firstRow + before;
      const row = { firstRow, rows: 1, past: stretch.past, before, ...(earlier && { earlier }) };
      earlier = await this.#runStretch(step, row);
      this.#takeLogits(step, row, earlier[this.#past.logits]);
    }
  }

  async #runStretch(step: Step, stretch: Stretch): Promise<Outputs> {
    const started = performance.now();
    const feeds = this.#feeds(step, stretch);
    (step.outputs as { prepareMs: number }).prepareMs += performance.now() - started;
    const made = await this.#session.run(feeds);
    this.#past.layers.forEach(({ presentKey, presentValue }, layer) => {
      this.#takeRows(step, stretch, { layer, present: made[presentKey], into: step.outputs.newKeys });
      this.#takeRows(step, stretch, { layer, present: made[presentValue], into: step.outputs.newValues });
    });
    return made;
  }

  #feeds({ plan, store }: Step, { firstRow, rows, past, before, earlier }: Stretch): Record<string, Tensor> {
    const { tokens, mask, positions, layers, constants } = this.#past;
    const feeds: Record<string, Tensor> = {};
    const end = firstRow + rows;
    const context = past.length + before + rows;
    feeds[tokens] = this.#integers(tokens, plan.tokens.subarray(firstRow, end));
    if (mask !== undefined) feeds[mask] = this.#integers(mask, new Int32Array(context).fill(1));
    if (positions !== undefined) feeds[positions] = this.#integers(positions, plan.positions.subarray(firstRow, end));
    layers.forEach(({ pastKey, pastValue, presentKey, presentValue }, layer) => {
      const [keys, values] = [store.keys.elements[layer], store.values.elements[layer]] as [Float32Array, Float32Array];
      feeds[pastKey] = (earlier?.[presentKey] as Tensor | undefined) ?? this.#pastTensor(store, keys, past);
      feeds[pastValue] = (earlier?.[presentValue] as Tensor | undefined) ?? this.#pastTensor(store, values, past);
    });
    for (const [name, constant] of Object.entries(constants)) feeds[name] = constantTensor(constant);
    return feeds;
  }

  /** [1, count] in the type that the input has. */
  #integers(name: string, column: Int32Array): Tensor {
    const dims = [1, column.length];
    if (this.#past.integerTypes[name] === 'int32') return new Tensor('int32', column, dims);
    return new Tensor('int64', BigInt64Array.from(column, BigInt), dims);
  }

  /** [1, kvHeads, past, headDim] out of a pool. */
  #pastTensor({ layout }: PageStore, pool: Float32Array, past: Int32Array): Tensor {
    const { kvHeads, headDim } = this.shape;
    const dims = [1, kvHeads, past.length, headDim];
    const gathered = new Float32Array(kvHeads * past.length * headDim);
    let at = 0;
    for (let head = 0; head < kvHeads; head += 1) {
      for (const slot of past) {
        const from = layout.rowAt(head, slot);
        for (let i = 0; i < headDim; i += 1) gathered[at + i] = pool[from + i] as number;
        at += headDim;
      }
    }
    if (this.#past.type === 'float32') return new Tensor('float32', gathered, dims);
    return new Tensor('float16', Uint16Array.from(gathered, toHalf), dims);
  }

  /** The last rows of a present tensor are the new ones. */
  #takeRows(
    { plan }: Step,
    { firstRow, rows, past, before }: Stretch,
    of: { layer: number; present: OnnxValue | undefined; into: Float32Array },
  ): void {
    const { kvHeads, headDim } = this.shape;
    const older = past.length + before;
    const tokens = older + rows;
    const present = elementsOf(of.present, kvHeads * tokens * headDim);
    const isHalf = present instanceof Uint16Array;
    for (let row = 0; row < rows; row += 1) {
      for (let head = 0; head < kvHeads; head += 1) {
        const from = (head * tokens + older + row) * headDim;
        const to = ((of.layer * plan.rowCount + firstRow + row) * kvHeads + head) * headDim;
        for (let i = 0; i < headDim; i += 1) {
          const element = present[from + i] as number;
          of.into[to + i] = isHalf ? fromHalf(element) : element;
        }
      }
    }
  }

  /** False: there are logits of the last row alone, and those of others are wanted. */
  #takeLogits({ plan, outputs, fullAt }: Step, { firstRow, rows }: Stretch, logits: OnnxValue | undefined): boolean {
    const { vocabulary } = this.shape;
    const given = logits?.data.length === vocabulary ? 1 : rows;
    const all = elementsOf(logits, given * vocabulary);
    const skipped = rows - given;
    for (let head = 0; head < plan.headCount; head += 1) {
      const row = (plan.headRow[head] as number) - firstRow;
      if (row < 0 || row >= rows) continue;
      if (row < skipped) return false;
      const raw = all.subarray((row - skipped) * vocabulary, (row - skipped + 1) * vocabulary);
      const own = raw instanceof Uint16Array ? Float32Array.from(raw, fromHalf) : raw;
      outputs.argmax[head] = argmaxOf(own);
      const full = fullAt[head] as number;
      if (full >= 0) outputs.logits.set(own, full * vocabulary);
    }
    return true;
  }
}

function constantTensor({ value, type, dims }: PastGraph['constants'][string]): Tensor {
  if (type === 'bool') return new Tensor('bool', Uint8Array.of(value), dims);
  return type === 'int32'
    ? new Tensor('int32', Int32Array.of(value), dims)
    : new Tensor('int64', BigInt64Array.of(BigInt(value)), dims);
}

/** Lowest index among the largest. */
function argmaxOf(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id += 1) if ((logits[id] as number) > (logits[best] as number)) best = id;
  return best;
}

/** Half floats come as 16 bits, or as numbers where the platform has an array for them. */
function elementsOf(output: OnnxValue | undefined, count: number): Float32Array | Uint16Array {
  const column = output?.data as unknown;
  if (ArrayBuffer.isView(column) && 'length' in column && column.length === count) {
    if (column instanceof Float32Array || column instanceof Uint16Array) return column;
    return Float32Array.from(column as unknown as ArrayLike<number>);
  }
  throw new TypeError(`the export handed out no tensor of ${count} elements where its interface promises one`);
}
