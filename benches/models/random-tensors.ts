/** Seeded random weights in a safetensors file: real cost, no meaning. */
import { open } from 'node:fs/promises';

export interface TensorPlan {
  readonly name: string;
  readonly shape: readonly number[];
  /** Standard deviation of its elements; 0: all ones. */
  readonly deviation: number;
}

/** Effect: writes a safetensors file of float32 tensors. Same plans and seed, same bytes. Some 3 s a GB. */
export async function writeTensors(file: string, tensors: readonly TensorPlan[], seed: number): Promise<void> {
  let end = 0;
  const entries = tensors.map(({ name, shape }) => {
    const begin = end;
    end += 4 * shape.reduce((product, dim) => product * dim, 1);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }] as const;
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 64) * 64 + 56, ' '));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  const output = await open(file, 'w');
  try {
    await output.writeFile(Buffer.concat([prefix, header]));
    for (const [index, tensor] of tensors.entries()) await output.writeFile(fill(tensor, seed + index));
  } finally {
    await output.close();
  }
}

function fill({ shape, deviation }: TensorPlan, seed: number): Uint8Array {
  const elements = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
  if (deviation === 0) elements.fill(1);
  else fillRandom(elements, deviation, seed);
  return new Uint8Array(elements.buffer);
}

/** Evenly spread numbers of the wanted deviation; a 32-bit generator (Marsaglia's xorshift) keeps this at some ns an element. */
function fillRandom(elements: Float32Array, deviation: number, seed: number): void {
  const scale = (deviation * Math.sqrt(12)) / 2 ** 32;
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  for (let index = 0; index < elements.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    elements[index] = state * scale;
  }
}
