/** What can be said of a model without compiling it. */
import type { ModelShape, WeightFormat } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';

export interface ModelInspection {
  readonly format: 'safetensors' | 'onnx';
  /** As the configuration names it; absent when it cannot be read. */
  readonly architecture?: string;
  /** Absent when the configuration, or the graph of an export, cannot be understood. */
  readonly shape?: ModelShape;
  /** Elements of the tensors that the model computes with; those that are used twice count once. */
  readonly parameters?: number;
  /** Bytes of the weights once they are loaded, by the option `weights`; an export has only the format that it holds. */
  readonly weightBytes: Partial<Readonly<Record<WeightFormat, number>>>;
  readonly stored: StoredWeights;
  /** How the files are quantised; absent: they are not. */
  readonly quantization?: string;
  /** What a person should know about how it would be run; absent: nothing. */
  readonly notices?: readonly string[];
  /** Everything that keeps the model from being run; empty: it can be. */
  readonly problems: readonly GraphError[];
}

/** The weights as they lie on the disk. */
export interface StoredWeights {
  /** Of all files that hold weights, whether or not the model uses them. */
  readonly bytes: number;
  readonly files: readonly string[];
  /** Bytes by element type, as the format names it; largest first. */
  readonly bytesByType: Readonly<Record<string, number>>;
}

/** Collects faults: what is wrong in one place hides nothing that is wrong in another. */
export class Faults {
  readonly problems: GraphError[] = [];

  /** The value, or undefined after a fault, which is noted. What is no fault of the model is thrown on. */
  async tryTo<Value>(work: () => Value | Promise<Value>): Promise<Value | undefined> {
    try {
      return await work();
    } catch (error) {
      this.note(error);
      return undefined;
    }
  }

  note(error: unknown): void {
    if (!(error instanceof GraphError)) throw error;
    this.problems.push(error);
  }
}

/** Sums by type, largest first. Pure. */
export function bytesByType(
  tensors: readonly { readonly type: string; readonly bytes: number }[],
): Readonly<Record<string, number>> {
  const sums = new Map<string, number>();
  for (const { type, bytes } of tensors) sums.set(type, (sums.get(type) ?? 0) + bytes);
  return Object.fromEntries([...sums].sort(([, a], [, b]) => b - a));
}
