/**
 * Writes a bench model as a GGUF file (version 3, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) with all matrices in Q4_0
 * or Q8_0, so that llama.cpp runs the same weights in the formats that are nearest to our q4 and w8a8.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Q4_0_BLOCK, q40Bytes, quantizeQ40 } from './q4-0.ts';
import { Q8_0_BLOCK, q80Bytes, quantizeQ80 } from './q8-0.ts';
import { SafetensorsReader } from './safetensors-reader.ts';

const ALIGNMENT = 32;
const valueType = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 } as const;
const F32_TENSOR = 0;

/** How matrices can be stored. */
export type GgufFormat = 'Q4_0' | 'Q8_0';

interface MatrixFormat {
  /** Of a tensor, in the list of ggml's types. */
  readonly tensorType: number;
  /** general.file_type of a model whose matrices are mostly stored so. */
  readonly fileType: number;
  /** Columns are a multiple of it. */
  readonly block: number;
  bytesOf(count: number): number;
  quantize(elements: Float32Array): Uint8Array;
}

const formats: Readonly<Record<GgufFormat, MatrixFormat>> = {
  Q4_0: { tensorType: 2, fileType: 2, block: Q4_0_BLOCK, bytesOf: q40Bytes, quantize: quantizeQ40 },
  Q8_0: { tensorType: 8, fileType: 7, block: Q8_0_BLOCK, bytesOf: q80Bytes, quantize: quantizeQ80 },
};

interface LlamaConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly max_position_embeddings: number;
  readonly num_attention_heads: number;
  readonly num_hidden_layers: number;
  readonly num_key_value_heads: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly vocab_size: number;
}

interface TensorPlan {
  /** In the GGUF file. */
  readonly name: string;
  readonly source: string;
  /** Rows and columns; one number for a vector, which stays float32. */
  readonly shape: readonly number[];
  /** Heads whose rows are rearranged; see `interleave`. */
  readonly heads?: number;
}

/** Effect: writes `file` from config.json and model.safetensors of `folder`. */
export async function writeGguf(folder: string, file: string, format: GgufFormat): Promise<void> {
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as LlamaConfig;
  const tensors = planTensors(config);
  const reader = await SafetensorsReader.open(join(folder, 'model.safetensors'));
  const output = await open(`${file}.part`, 'w');
  try {
    await output.writeFile(headerOf(config, tensors, formats[format]));
    for (const tensor of tensors) {
      const elements = await reader.read(tensor.source);
      const bytes =
        tensor.shape.length === 1 ? new Uint8Array(elements.buffer) : matrixBytes(tensor, elements, formats[format]);
      await output.writeFile(Buffer.concat([bytes, Buffer.alloc(padding(bytes.length))]));
    }
  } finally {
    await output.close();
    await reader.close();
  }
  await rename(`${file}.part`, file);
}

function planTensors(config: LlamaConfig): TensorPlan[] {
  const { hidden_size: hidden, intermediate_size: inner, num_attention_heads: heads } = config;
  const kvHeads = config.num_key_value_heads;
  const kvWidth = (hidden / heads) * kvHeads;
  const layers = Array.from({ length: config.num_hidden_layers }, (_, layer): TensorPlan[] => {
    const to = (name: string) => `blk.${layer}.${name}.weight`;
    const from = (name: string) => `model.layers.${layer}.${name}.weight`;
    return [
      { name: to('attn_norm'), source: from('input_layernorm'), shape: [hidden] },
      { name: to('attn_q'), source: from('self_attn.q_proj'), shape: [hidden, hidden], heads },
      { name: to('attn_k'), source: from('self_attn.k_proj'), shape: [kvWidth, hidden], heads: kvHeads },
      { name: to('attn_v'), source: from('self_attn.v_proj'), shape: [kvWidth, hidden] },
      { name: to('attn_output'), source: from('self_attn.o_proj'), shape: [hidden, hidden] },
      { name: to('ffn_norm'), source: from('post_attention_layernorm'), shape: [hidden] },
      { name: to('ffn_gate'), source: from('mlp.gate_proj'), shape: [inner, hidden] },
      { name: to('ffn_up'), source: from('mlp.up_proj'), shape: [inner, hidden] },
      { name: to('ffn_down'), source: from('mlp.down_proj'), shape: [hidden, inner] },
    ];
  });
  // The head is tied: llama.cpp takes the embedding when there is no output.weight.
  return [
    { name: 'token_embd.weight', source: 'model.embed_tokens.weight', shape: [config.vocab_size, hidden] },
    ...layers.flat(),
    { name: 'output_norm.weight', source: 'model.norm.weight', shape: [hidden] },
  ];
}

function matrixBytes(tensor: TensorPlan, elements: Float32Array, { block, quantize }: MatrixFormat): Uint8Array {
  const columns = tensor.shape.at(-1) as number;
  if (columns % block !== 0) throw new Error(`${tensor.name} has ${columns} columns, not a multiple of ${block}`);
  return quantize(tensor.heads === undefined ? elements : interleave(elements, tensor.heads, columns));
}

/**
 * llama.cpp rotates neighbouring rows of a head against each other, where the Hugging Face layout rotates its first half against its second:
 * row j of half i goes to 2 j + i.
 */
function interleave(elements: Float32Array, heads: number, columns: number): Float32Array {
  const result = new Float32Array(elements.length);
  const headRows = elements.length / columns / heads;
  const half = headRows / 2;
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < headRows; row++) {
      const from = (head * headRows + row) * columns;
      const to = (head * headRows + 2 * (row % half) + Math.floor(row / half)) * columns;
      result.set(elements.subarray(from, from + columns), to);
    }
  }
  return result;
}

function headerOf(config: LlamaConfig, tensors: readonly TensorPlan[], format: MatrixFormat): Buffer {
  const entries = metadataOf(config, format.fileType);
  const parts = [Buffer.from('GGUF'), uint32(3), uint64(tensors.length), uint64(entries.length), ...entries];
  let offset = 0;
  for (const { name, shape } of tensors) {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const isVector = shape.length === 1;
    // Dimensions are written innermost first.
    parts.push(text(name), uint32(shape.length), ...[...shape].reverse().map(uint64));
    parts.push(uint32(isVector ? F32_TENSOR : format.tensorType), uint64(offset));
    const bytes = isVector ? 4 * count : format.bytesOf(count);
    offset += bytes + padding(bytes);
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc(padding(header.length))]);
}

function metadataOf(config: LlamaConfig, fileType: number): Buffer[] {
  const entry = (key: string, type: keyof typeof valueType, value: Buffer) =>
    Buffer.concat([text(key), uint32(valueType[type]), value]);
  const count = (key: string, value: number) => entry(key, 'uint32', uint32(value));
  const number = (key: string, value: number) => entry(key, 'float32', float32(value));
  return [
    entry('general.architecture', 'string', text('llama')),
    count('general.alignment', ALIGNMENT),
    count('general.file_type', fileType),
    count('llama.vocab_size', config.vocab_size),
    count('llama.block_count', config.num_hidden_layers),
    count('llama.context_length', config.max_position_embeddings),
    count('llama.embedding_length', config.hidden_size),
    count('llama.feed_forward_length', config.intermediate_size),
    count('llama.attention.head_count', config.num_attention_heads),
    count('llama.attention.head_count_kv', config.num_key_value_heads),
    count('llama.rope.dimension_count', config.hidden_size / config.num_attention_heads),
    number('llama.rope.freq_base', config.rope_theta),
    number('llama.attention.layer_norm_rms_epsilon', config.rms_norm_eps),
    ...vocabularyOf(config.vocab_size).map(({ key, type, value }) => entry(key, type, value)),
  ];
}

/** Kinds of tokens in llama.cpp's vocabulary. */
const tokenKind = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;
const FIRST_BYTE_TOKEN = 3;

/**
 * The smallest vocabulary that llama.cpp loads: three special tokens, the bytes, and names without meaning. The comparison feeds ids, so
 * nothing is ever tokenized with it.
 */
function vocabularyOf(count: number): { key: string; type: keyof typeof valueType; value: Buffer }[] {
  const special = [
    { name: '<unk>', kind: tokenKind.unknown },
    { name: '<s>', kind: tokenKind.control },
    { name: '</s>', kind: tokenKind.control },
  ];
  const tokens = Array.from({ length: count }, (_, id) => {
    const byte = id - FIRST_BYTE_TOKEN;
    if (byte >= 0 && byte < 256) {
      return { name: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, kind: tokenKind.byte };
    }
    return special[id] ?? { name: `token${id}`, kind: tokenKind.normal };
  });
  const array = (type: keyof typeof valueType, elements: readonly Buffer[]) =>
    Buffer.concat([uint32(valueType[type]), uint64(elements.length), ...elements]);
  const list = (key: string, value: Buffer) => ({ key: `tokenizer.ggml.${key}`, type: 'array' as const, value });
  return [
    { key: 'tokenizer.ggml.model', type: 'string', value: text('llama') },
    list(
      'tokens',
      array(
        'string',
        tokens.map(({ name }) => text(name)),
      ),
    ),
    list(
      'scores',
      array(
        'float32',
        tokens.map((_, id) => float32(-id)),
      ),
    ),
    list(
      'token_type',
      array(
        'int32',
        tokens.map(({ kind }) => uint32(kind)),
      ),
    ),
    { key: 'tokenizer.ggml.unknown_token_id', type: 'uint32', value: uint32(0) },
    { key: 'tokenizer.ggml.bos_token_id', type: 'uint32', value: uint32(1) },
    { key: 'tokenizer.ggml.eos_token_id', type: 'uint32', value: uint32(2) },
  ];
}

function padding(bytes: number): number {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([uint64(bytes.length), bytes]);
}
