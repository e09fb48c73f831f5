/**
 * Fewer K/V heads: neighbouring heads become one, their mean or the first of them. Query heads keep their order: those that read one of the
 * heads of a group read the group's. The merged projections are written into a safetensors file of their own, so that all that follows
 * sees weights as any others.
 */
import { open } from 'node:fs/promises';
import type {
  AttentionDescription,
  DecoderDescription,
  LinearDescription,
  NormDescription,
} from '../blocks/description.ts';
import type { ModelShape } from '../compiled-model.ts';
import { readFloatRows } from '../weights/float-rows.ts';
import type { WeightFiles } from '../weights/weight-files.ts';
import type { ResolvedTrims } from './model-trims.ts';

type Kind = 'query' | 'key' | 'value';
type Heads = Pick<ModelShape, 'heads' | 'kvHeads' | 'headDim'>;

/** Rows of a matrix (or elements of a vector) that become one tensor: those of each list are averaged one by one. */
interface DerivedTensor {
  readonly name: string;
  readonly from: string;
  /** [out, in] of the source, as it means; [out] of a vector. */
  readonly shape: readonly number[];
  readonly stored: 'out-in' | 'in-out';
  /** For each new row the old ones that it is the mean of. */
  readonly rows: readonly (readonly number[])[];
}

export interface MergedHeads {
  readonly description: DecoderDescription;
  readonly tensors: readonly DerivedTensor[];
}

/** The description with `kvHeads` K/V heads, and the tensors that it then names. Nothing to do: the description itself. Pure. */
export function mergeHeads(model: DecoderDescription, { kvHeads, kvHeadsBy }: ResolvedTrims): MergedHeads {
  const { shape } = model;
  if (kvHeads === shape.kvHeads) return { description: model, tensors: [] };
  const tensors: DerivedTensor[] = [];
  const merge: Merge = { shape, kvHeads, by: kvHeadsBy, tensors };
  const layers = model.layers.map((layer, at) => ({
    ...layer,
    attention: mergedAttention(layer.attention, at, merge),
  }));
  return { description: { ...model, layers, shape: { ...shape, kvHeads } }, tensors };
}

interface Merge {
  readonly shape: Heads;
  readonly kvHeads: number;
  readonly by: 'mean' | 'first';
  readonly tensors: DerivedTensor[];
}

function mergedAttention(attention: AttentionDescription, layer: number, merge: Merge): AttentionDescription {
  const { input, keyNorm } = attention;
  const { shape } = merge;
  const apart = {
    kind: 'apart',
    query: input.kind === 'apart' ? input.query : derived('query', input, layer, merge),
    key: derived('key', input, layer, merge),
    value: derived('value', input, layer, merge),
  } as const;
  const isOfAllHeads = keyNorm !== undefined && keyNorm.hidden === shape.kvHeads * shape.headDim && shape.kvHeads > 1;
  return { ...attention, input: apart, ...(isOfAllHeads ? { keyNorm: mergedNorm(keyNorm, layer, merge) } : {}) };
}

function derived(kind: Kind, input: AttentionDescription['input'], layer: number, merge: Merge): LinearDescription {
  const { shape } = merge;
  const linear = input.kind === 'apart' ? input[kind] : input.linear;
  const first = (head: number) => firstRow(kind, head, input, shape);
  const rows = mergedRows(kind, first, merge);
  const name = `trimmed.${layer}.${kind}`;
  const { stored = 'out-in', in: into } = linear;
  merge.tensors.push({ name: `${name}.weight`, from: linear.tensor, shape: [linear.out, into], stored, rows });
  if (linear.bias === undefined) return { tensor: `${name}.weight`, out: rows.length, in: into };
  merge.tensors.push({ name: `${name}.bias`, from: linear.bias, shape: [linear.out], stored: 'out-in', rows });
  return { tensor: `${name}.weight`, bias: `${name}.bias`, out: rows.length, in: into };
}

function mergedNorm(norm: NormDescription, layer: number, merge: Merge): NormDescription {
  const rows = mergedRows('key', (head) => head * merge.shape.headDim, merge);
  const name = `trimmed.${layer}.key_norm`;
  merge.tensors.push({ name, from: norm.tensor, shape: [norm.hidden], stored: 'out-in', rows });
  const { bias, ...rest } = norm;
  if (bias === undefined) return { ...rest, tensor: name, hidden: rows.length };
  merge.tensors.push({ name: `${name}.bias`, from: bias, shape: [norm.hidden], stored: 'out-in', rows });
  return { ...rest, tensor: name, bias: `${name}.bias`, hidden: rows.length };
}

/** For each row of the result, the rows that it is made of. */
function mergedRows(kind: Kind, first: (head: number) => number, { shape, kvHeads, by }: Merge): number[][] {
  const count = kind === 'query' ? shape.heads : kvHeads;
  const group = kind === 'query' ? 1 : shape.kvHeads / kvHeads;
  return Array.from({ length: count * shape.headDim }, (_, row) => {
    const head = Math.floor(row / shape.headDim) * group;
    const members = by === 'first' ? [head] : Array.from({ length: group }, (_, i) => head + i);
    return members.map((member) => first(member) + (row % shape.headDim));
  });
}

/** First row of a head in the matrix that it is in. */
function firstRow(kind: Kind, head: number, input: AttentionDescription['input'], shape: Heads): number {
  const { heads, kvHeads, headDim } = shape;
  if (input.kind === 'apart') return head * headDim;
  const place = { query: 0, key: 1, value: 2 }[kind];
  if (input.rows === 'by-head') return (3 * head + place) * headDim;
  const before = { query: 0, key: heads, value: heads + kvHeads }[kind];
  return (before + head) * headDim;
}

/** Effect: writes the tensors as float32. Reads each source whole. Throws what reading the sources throws. */
export async function writeDerived(path: string, tensors: readonly DerivedTensor[], files: WeightFiles): Promise<void> {
  const header: Record<string, object> = {};
  let end = 0;
  for (const { name, shape, rows } of tensors) {
    const dims = [rows.length, ...shape.slice(1)];
    const bytes = 4 * dims.reduce((product, dim) => product * dim, 1);
    header[name] = { dtype: 'F32', shape: dims, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  // Padded so that tensors begin on multiples of 64: the runtime maps them where they lie.
  const padded = Buffer.alloc(Math.ceil((8 + json.length) / 64) * 64 - 8, ' ');
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = await open(path, 'w');
  try {
    await file.writeFile(Buffer.concat([length, padded]));
    for (const tensor of tensors) await file.writeFile(bytesOf(await deriveRows(tensor, files)));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function deriveRows({ from, shape, stored, rows }: DerivedTensor, files: WeightFiles): Promise<Float32Array> {
  const [out = 0, columns = 1] = shape;
  const isTransposed = stored === 'in-out' && shape.length === 2;
  const tensor = files.expect(from, isTransposed ? [columns, out] : shape);
  const whole = new Float32Array(out * columns);
  let at = 0;
  for await (const { elements } of readFloatRows(tensor)) {
    whole.set(elements, at);
    at += elements.length;
  }
  const result = new Float32Array(rows.length * columns);
  for (const [row, members] of rows.entries()) {
    for (let column = 0; column < columns; column += 1) {
      let sum = 0;
      for (const member of members)
        sum += whole[isTransposed ? column * out + member : member * columns + column] as number;
      result[row * columns + column] = sum / members.length;
    }
  }
  return result;
}

function bytesOf(elements: Float32Array): Uint8Array {
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}
