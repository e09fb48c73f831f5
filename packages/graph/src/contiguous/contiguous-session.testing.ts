/** Drives a graph with the stock interface: batches of sequences with padding in front, and a past that goes from call to call. Used by tests. */
import type { ModelShape } from '../compiled-model.ts';
import { type OrtTensor, ort } from '../ort.testing.ts';
import { contiguousInputs, contiguousOutputs } from './contiguous-interface.ts';

export interface BatchRun {
  /** Of every sequence, logits of its kept rows. */
  readonly logits: readonly (readonly Float32Array[])[];
}

export class ContiguousSession {
  readonly #shape: ModelShape;
  readonly #session: Awaited<ReturnType<typeof ort.InferenceSession.create>>;
  #past: Record<string, OrtTensor> = {};
  #masks: number[][] = [];

  private constructor(shape: ModelShape, session: Awaited<ReturnType<typeof ort.InferenceSession.create>>) {
    this.#shape = shape;
    this.#session = session;
  }

  static async open(exported: { graphFile: string; shape: ModelShape }): Promise<ContiguousSession> {
    const options = { enableMemPattern: false, logSeverityLevel: 4 };
    return new ContiguousSession(exported.shape, await ort.InferenceSession.create(exported.graphFile, options));
  }

  /** Begins a batch: the prompts become its past. `kept`: logits of so many last tokens, 0 for all. */
  async start(prompts: readonly (readonly number[])[], kept: number): Promise<BatchRun> {
    const { layers, kvHeads, headDim } = this.#shape;
    const width = Math.max(...prompts.map(({ length }) => length));
    this.#masks = prompts.map((prompt) => [...zeros(width - prompt.length), ...prompt.map(() => 1)]);
    for (let layer = 0; layer < layers; layer += 1) {
      const nothing = () => new ort.Tensor('float32', new Float32Array(0), [prompts.length, kvHeads, 0, headDim]);
      this.#past[contiguousInputs.pastKeys(layer)] = nothing();
      this.#past[contiguousInputs.pastValues(layer)] = nothing();
    }
    return this.#run(
      prompts.map((prompt) => [...zeros(width - prompt.length), ...prompt]),
      kept,
    );
  }

  /** Continues every sequence by as many tokens. */
  async next(tokens: readonly (readonly number[])[], kept = 1): Promise<BatchRun> {
    tokens.forEach((more, sequence) => {
      this.#masks[sequence]?.push(...more.map(() => 1));
    });
    return this.#run(tokens, kept);
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  async #run(ids: readonly (readonly number[])[], kept: number): Promise<BatchRun> {
    const rows = ids[0]?.length as number;
    const positions = this.#masks.map((mask) => {
      const padding = mask.indexOf(1);
      return mask.map((_, at) => Math.max(0, at - padding)).slice(-rows);
    });
    const outputs = await this.#session.run({
      [contiguousInputs.ids]: wide(ids),
      [contiguousInputs.mask]: wide(this.#masks),
      [contiguousInputs.positions]: wide(positions),
      [contiguousInputs.keptLogits]: new ort.Tensor('int64', BigInt64Array.of(BigInt(kept)), []),
      ...this.#past,
    });
    for (let layer = 0; layer < this.#shape.layers; layer += 1) {
      this.#past[contiguousInputs.pastKeys(layer)] = outputs[contiguousOutputs.keys(layer)] as OrtTensor;
      this.#past[contiguousInputs.pastValues(layer)] = outputs[contiguousOutputs.values(layer)] as OrtTensor;
    }
    const { data, dims } = outputs[contiguousOutputs.logits] as OrtTensor;
    const [sequences, rowsKept, vocabulary] = dims as [number, number, number];
    const rowAt = (row: number) => (data as Float32Array).slice(row * vocabulary, (row + 1) * vocabulary);
    return {
      logits: Array.from({ length: sequences }, (_, sequence) =>
        Array.from({ length: rowsKept }, (_, row) => rowAt(sequence * rowsKept + row)),
      ),
    };
  }
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}

function wide(rows: readonly (readonly number[])[]): OrtTensor {
  const dims = [rows.length, rows[0]?.length ?? 0];
  return new ort.Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), dims);
}
