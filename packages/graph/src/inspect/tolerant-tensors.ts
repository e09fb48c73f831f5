/** A model's tensors for a graph that is only built to see what it needs: what is wrong with one is noted, and building goes on. */
import type { TensorSource, WeightTensor } from '../weights/weight-files.ts';
import type { Faults } from './model-inspection.ts';

export class TolerantTensors implements TensorSource {
  readonly #files: TensorSource | undefined;
  readonly #faults: Faults;
  /** Elements of each tensor that was asked for. */
  readonly #asked = new Map<string, number>();

  /** Without files every tensor is taken to be there, as float32. */
  constructor(files: TensorSource | undefined, faults: Faults) {
    this.#files = files;
    this.#faults = faults;
  }

  expect(name: string, shape: readonly number[]): WeightTensor {
    const elements = shape.reduce((product, dim) => product * dim, 1);
    const isKnown = this.#asked.has(name);
    this.#asked.set(name, Math.max(elements, this.#asked.get(name) ?? 0));
    try {
      if (this.#files !== undefined) return this.#files.expect(name, shape);
    } catch (error) {
      // A tensor is asked for once a format.
      if (!isKnown) this.#faults.note(error);
    }
    return { name, dtype: 'F32', type: 'float32', shape, offset: 0, bytes: 4 * elements, file: NOWHERE };
  }

  get elements(): number {
    return [...this.#asked.values()].reduce((sum, elements) => sum + elements, 0);
  }
}

/** Nothing is ever read from it. */
const NOWHERE = { name: '', realPath: '', bytes: 0, modifiedNs: 0n, headerDigest: '' } as WeightTensor['file'];
