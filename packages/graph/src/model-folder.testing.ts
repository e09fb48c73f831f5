/** Small random model folders, and safetensors files written from a description. Used by tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomFloats } from './compare.testing.ts';

export type StoredDtype = 'F32' | 'F16' | 'BF16';

export interface TestTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly floats: Float32Array;
}

export interface TestModelOptions {
  readonly dtype?: StoredDtype;
  readonly seed?: number;
  /** Files that the tensors are dealt out to; 1: model.safetensors. */
  readonly shards?: number;
  /** Over the fields of the small model below; undefined removes a field. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Last word on the tensors: change, drop or add some. */
  readonly edit?: (tensors: TestTensor[]) => TestTensor[];
}

export const smallConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 24,
  intermediate_size: 40,
  max_position_embeddings: 64,
  num_attention_heads: 4,
  num_hidden_layers: 2,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  rope_theta: 500,
  tie_word_embeddings: false,
  vocab_size: 50,
  eos_token_id: 7,
};

export interface TestModel {
  readonly folder: string;
  readonly config: Record<string, unknown>;
  /** As they are stored: rounded to the dtype. */
  readonly tensors: ReadonlyMap<string, TestTensor>;
}

export function writeModel(folder: string, options: TestModelOptions = {}): TestModel {
  const config = Object.fromEntries(
    Object.entries({ ...smallConfig, ...options.config }).filter(([, value]) => value !== undefined),
  );
  const dtype = options.dtype ?? 'F32';
  const made = tensorsOf(config as Record<string, number>, options.seed ?? 1);
  const tensors = (options.edit ?? ((all) => all))(made).map((tensor) => ({
    ...tensor,
    floats: rounded(tensor.floats, dtype),
  }));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const shards = options.shards ?? 1;
  if (shards === 1) writeFileSync(join(folder, 'model.safetensors'), safetensorsOf(tensors, dtype));
  else writeShards(folder, { tensors, dtype, shards });
  return { folder, config, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

function tensorsOf(config: Record<string, number>, seed: number): TestTensor[] {
  const { hidden_size: hidden = 0, intermediate_size: intermediate = 0, vocab_size: vocabulary = 0 } = config;
  const heads = config.num_attention_heads as number;
  const headDim = config.head_dim ?? hidden / heads;
  const kvWidth = (config.num_key_value_heads ?? heads) * headDim;
  const tensors: TestTensor[] = [];
  const put = (name: string, ...shape: number[]) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const scale = shape.length === 1 ? 0.5 : 1.7 * (shape[1] as number) ** -0.5;
    const offset = name.endsWith('norm.weight') ? 1 : 0;
    const floats = randomFloats(count, seed + tensors.length).map((x) => offset + scale * x);
    tensors.push({ name, shape, floats });
  };
  const linear = (name: string, biased: unknown, out: number, into: number) => {
    put(`${name}.weight`, out, into);
    if (biased) put(`${name}.bias`, out);
  };
  put('model.embed_tokens.weight', vocabulary, hidden);
  for (let layer = 0; layer < (config.num_hidden_layers as number); layer += 1) {
    const at = `model.layers.${layer}`;
    put(`${at}.input_layernorm.weight`, hidden);
    linear(`${at}.self_attn.q_proj`, config.attention_bias, heads * headDim, hidden);
    linear(`${at}.self_attn.k_proj`, config.attention_bias, kvWidth, hidden);
    linear(`${at}.self_attn.v_proj`, config.attention_bias, kvWidth, hidden);
    linear(`${at}.self_attn.o_proj`, config.attention_bias, hidden, heads * headDim);
    put(`${at}.post_attention_layernorm.weight`, hidden);
    linear(`${at}.mlp.gate_proj`, config.mlp_bias, intermediate, hidden);
    linear(`${at}.mlp.up_proj`, config.mlp_bias, intermediate, hidden);
    linear(`${at}.mlp.down_proj`, config.mlp_bias, hidden, intermediate);
  }
  put('model.norm.weight', hidden);
  if (!config.tie_word_embeddings) put('lm_head.weight', vocabulary, hidden);
  return tensors;
}

function writeShards(
  folder: string,
  job: { tensors: readonly TestTensor[]; dtype: StoredDtype; shards: number },
): void {
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < job.shards; shard += 1) {
    const name = `model-${String(shard + 1).padStart(5, '0')}-of-${String(job.shards).padStart(5, '0')}.safetensors`;
    const own = job.tensors.filter((_, index) => index % job.shards === shard);
    for (const tensor of own) weightMap[tensor.name] = name;
    writeFileSync(join(folder, name), safetensorsOf(own, job.dtype));
  }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: weightMap }));
}

/** The bytes of a safetensors file. */
export function safetensorsOf(tensors: readonly TestTensor[], dtype: StoredDtype): Buffer {
  const bodies = tensors.map(({ floats }) => encode(floats, dtype));
  let end = 0;
  const entries = tensors.map(({ name, shape }, index) => {
    const begin = end;
    end += (bodies[index] as Uint8Array).length;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  return safetensorsWith({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) }, Buffer.concat(bodies));
}

/** A safetensors file with any header, true or not. */
export function safetensorsWith(header: unknown, body: Uint8Array, announced?: bigint): Buffer {
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(announced ?? BigInt(text.length));
  return Buffer.concat([prefix, text, body]);
}

function encode(floats: Float32Array, dtype: StoredDtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
  const bits = dtype === 'BF16' ? bfloatBits : halfBits;
  return new Uint8Array(Uint16Array.from(floats, bits).buffer);
}

function rounded(floats: Float32Array, dtype: StoredDtype): Float32Array {
  if (dtype === 'F32') return floats;
  return dtype === 'BF16' ? floats.map((x) => bfloatOf(bfloatBits(x))) : floats.map((x) => halfOf(halfBits(x)));
}

const word = new DataView(new ArrayBuffer(4));

function bfloatBits(x: number): number {
  word.setFloat32(0, x);
  return word.getUint16(0);
}

function bfloatOf(bits: number): number {
  word.setUint32(0, bits * 0x10000);
  return word.getFloat32(0);
}

/** Truncates to binary16; the numbers of tests are normal there or 0. */
function halfBits(x: number): number {
  word.setFloat32(0, x);
  const bits = word.getUint32(0);
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  const sign = (bits >>> 16) & 0x8000;
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const magnitude = exponent === 0 ? (bits & 0x3ff) * 2 ** -24 : (1024 + (bits & 0x3ff)) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}
