/** Where the reference takes weights from: a stored model, or random ones that are made when they are first asked for. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Tensors {
  has(name: string): boolean;
  /** Row-major. */
  get(name: string, ...shape: number[]): Float64Array;
  readonly rounding: Rounding;
}

/** What becomes of the two sides of a product with packed weights. */
export interface Rounding {
  /** [out, columns] */
  matrix(matrix: Float64Array, columns: number): Float64Array;
  /** One row of activations. */
  row(row: Float64Array): Float64Array;
}

/** The same tensors, with rounded products. */
export function withRounding(tensors: Tensors, rounding: Rounding): Tensors {
  return { has: (name) => tensors.has(name), get: (name, ...shape) => tensors.get(name, ...shape), rounding };
}

const exact: Rounding = { matrix: (matrix) => matrix, row: (row) => row };

/** model.safetensors of a folder, with F32, F16 and BF16 widened. */
export function storedTensors(folder: string): Tensors {
  const file = readFileSync(join(folder, 'model.safetensors'));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, start).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return {
    has: (name) => Object.hasOwn(header, name),
    rounding: exact,
    get: (name, ...shape) => {
      const { dtype, shape: stored, data_offsets: offsets } = header[name]!;
      if (stored.join() !== shape.join()) throw new Error(`${name} is [${stored}], not [${shape}]`);
      const width = dtype === 'F32' ? 4 : 2;
      return Float64Array.from({ length: (offsets[1] - offsets[0]) / width }, (_, at) =>
        elementOf(file, dtype, start + offsets[0] + at * width),
      );
    },
  };
}

function elementOf(file: Buffer, dtype: string, at: number): number {
  if (dtype === 'F32') return file.readFloatLE(at);
  const bits = file.readUInt16LE(at);
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponentBits, fractionBits, bias] = dtype === 'BF16' ? [8, 7, 127] : [5, 10, 15];
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

/** Random float32 weights: a model is whatever the reference asks for while it runs. */
export class RandomTensors implements Tensors {
  readonly rounding = exact;
  readonly #made = new Map<string, { readonly shape: readonly number[]; readonly elements: Float32Array }>();
  #state: number;

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761 + 1;
  }

  /** Names that a model need not have are not made: biases are asked for by those that know that they exist. */
  has(name: string): boolean {
    return this.#made.has(name);
  }

  get(name: string, ...shape: number[]): Float64Array {
    const known = this.#made.get(name);
    if (known !== undefined) return Float64Array.from(known.elements);
    const count = shape.reduce((product, dim) => product * dim, 1);
    // Wide enough that a softmax has opinions, narrow enough that nothing saturates.
    const spread = shape.length === 1 ? 0.4 : 1.6 / Math.sqrt(shape[1]!);
    const middle = shape.length === 1 && /norm|ln_/.test(name) && name.endsWith('weight') ? 1 : 0;
    const elements = Float32Array.from({ length: count }, () => middle + spread * this.#next());
    this.#made.set(name, { shape, elements });
    return Float64Array.from(elements);
  }

  /** Writes config.json and model.safetensors with all that was asked for so far. */
  write(folder: string, config: object): void {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    let end = 0;
    const entries = [...this.#made].map(([name, { shape, elements }]) => {
      const begin = end;
      end += elements.byteLength;
      return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
    });
    const json = JSON.stringify(Object.fromEntries(entries));
    const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(text.length));
    const bodies = [...this.#made.values()].map(({ elements }) => Buffer.from(elements.buffer));
    writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([prefix, text, ...bodies]));
  }

  /** Uniform in [-1, 1): the generator of Numerical Recipes. */
  #next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 31 - 1;
  }
}

export function readConfig(folder: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
}
