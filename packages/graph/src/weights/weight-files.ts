/** The tensors of a model folder, whether in one safetensors file or in shards named by an index. */
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonObject } from '../config/json-file.ts';
import { GraphError } from '../errors.ts';
import type { ElementType } from '../ir/graph.ts';
import { readExactly, weightsChanged } from './exact-bytes.ts';
import { readSafetensorsHeader, type StoredTensor } from './safetensors-header.ts';

const SINGLE_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

/** One safetensors file, open for reading. */
export interface WeightFile {
  /** Its name in the model folder. */
  readonly name: string;
  /** Where the name leads: hub snapshots are symbolic links. */
  readonly realPath: string;
  readonly bytes: number;
  readonly modifiedNs: bigint;
  /** sha256 of its header. */
  readonly headerDigest: string;
  readonly reader: FileHandle;
}

export interface WeightTensor extends StoredTensor {
  readonly file: WeightFile;
  readonly type: FloatType;
}

/** Element types that can be a weight. */
export type FloatType = Extract<ElementType, 'float32' | 'float16' | 'bfloat16'>;

const floatTypes: ReadonlyMap<string, FloatType> = new Map([
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
]);

/** Where a graph's tensors are looked up while it is built. */
export type TensorSource = Pick<WeightFiles, 'expect'>;

/** Open files of a model folder and their tensors by name. `close` when done. */
export class WeightFiles {
  readonly files: readonly WeightFile[];
  /** Made by this process: nobody else changes them. */
  readonly #derived: WeightFile[] = [];
  readonly #tensors: Map<string, { file: WeightFile; stored: StoredTensor }>;
  /** Start of names that the files may leave out; '': none. */
  #optionalPrefix = '';

  private constructor(files: readonly WeightFile[], tensors: Map<string, { file: WeightFile; stored: StoredTensor }>) {
    this.files = files;
    this.#tensors = tensors;
  }

  /**
   * Opens the folder's files and checks their headers; reads no tensor. Throws WEIGHTS_MISSING, WEIGHTS_INDEX_MALFORMED,
   * SAFETENSORS_TRUNCATED or SAFETENSORS_MALFORMED, with everything closed again.
   */
  static async open(folder: string): Promise<WeightFiles> {
    const files: WeightFile[] = [];
    try {
      const tensors = new Map<string, { file: WeightFile; stored: StoredTensor }>();
      for (const [name, wanted] of await listFiles(folder)) {
        const { file, stored } = await openWeightFile(folder, name);
        files.push(file);
        const byName = new Map(stored.map((tensor) => [tensor.name, tensor]));
        for (const tensorName of wanted ?? byName.keys()) {
          const tensor = byName.get(tensorName);
          if (tensor === undefined) throw missingFromShard(tensorName, name);
          tensors.set(tensorName, { file, stored: tensor });
        }
      }
      return new WeightFiles(files, tensors);
    } catch (error) {
      await closeAll(files);
      throw error;
    }
  }

  /** Effect: tensors whose names begin with `prefix` are found without it too. */
  allowMissingPrefix(prefix: string): void {
    this.#optionalPrefix = prefix;
  }

  /** Effect: the tensors of one more file are found too. It is closed with the others. */
  async addFile(folder: string, name: string): Promise<void> {
    const { file, stored } = await openWeightFile(folder, name);
    this.#derived.push(file);
    for (const tensor of stored) this.#tensors.set(tensor.name, { file, stored: tensor });
  }

  #find(name: string) {
    const prefix = this.#optionalPrefix;
    const found = this.#tensors.get(name);
    if (found !== undefined || prefix === '' || !name.startsWith(prefix)) return found;
    return this.#tensors.get(name.slice(prefix.length));
  }

  /** The tensor, which must have this shape and a floating-point type. Throws TENSOR_MISSING, TENSOR_SHAPE or TENSOR_DTYPE. */
  expect(name: string, shape: readonly number[]): WeightTensor {
    const found = this.#find(name);
    if (found === undefined) {
      const files = this.files.map((file) => file.name).join(', ');
      const message = `no tensor ${name} in ${files}, but config.json asks for one: take config.json and weights of the same model`;
      throw new GraphError('TENSOR_MISSING', message, { tensor: name });
    }
    const { file, stored } = found;
    if (stored.shape.length !== shape.length || stored.shape.some((dim, axis) => dim !== shape[axis])) {
      const message = `tensor ${name} in ${file.name} is ${JSON.stringify(stored.shape)} where config.json asks for ${JSON.stringify(shape)}: take config.json and weights of the same model`;
      throw new GraphError('TENSOR_SHAPE', message, { file: file.name, tensor: name });
    }
    const type = floatTypes.get(stored.dtype);
    if (type === undefined) {
      const message = `tensor ${name} in ${file.name} is ${stored.dtype}: convert the weights to F32, F16 or BF16`;
      throw new GraphError('TENSOR_DTYPE', message, { file: file.name, tensor: name });
    }
    return { ...stored, file, type };
  }

  /** All tensors that the headers name. */
  get stored(): readonly StoredTensor[] {
    return [...this.#tensors.values()].map(({ stored }) => stored);
  }

  /** A tensor that was checked before. */
  take(name: string): WeightTensor {
    return this.expect(name, this.#find(name)?.stored.shape ?? []);
  }

  /** As the function of that name, for all files. */
  checkUnchanged(): Promise<void> {
    return checkUnchanged(this.files);
  }

  async close(): Promise<void> {
    await closeAll([...this.files, ...this.#derived]);
  }
}

/** Throws WEIGHTS_CHANGED when a file is not what it was when it was opened, or its name leads to another or to none. */
export async function checkUnchanged(files: readonly WeightFile[]): Promise<void> {
  for (const { name, realPath, bytes, modifiedNs, reader } of files) {
    const opened = await reader.stat({ bigint: true });
    const named = await stat(realPath, { bigint: true }).catch(() => undefined);
    const same = named?.ino === opened.ino && opened.mtimeNs === modifiedNs && opened.size === BigInt(bytes);
    if (!same) throw weightsChanged(name);
  }
}

/** Fills `into` with the tensor's bytes from `byteOffset` of the tensor on. */
export async function readTensorBytes(tensor: WeightTensor, byteOffset: number, into: Uint8Array): Promise<void> {
  if (byteOffset + into.length > tensor.bytes) throw new RangeError(`read past the end of tensor ${tensor.name}`);
  await readExactly(tensor.file.reader, into, { file: tensor.file.name, offset: tensor.offset + byteOffset });
}

/** Files to open, each with the tensors that are taken from it (undefined: all). */
async function listFiles(folder: string): Promise<Map<string, string[] | undefined>> {
  if (await exists(join(folder, SINGLE_FILE))) return new Map([[SINGLE_FILE, undefined]]);
  if (!(await exists(join(folder, INDEX_FILE)))) {
    const message = `${folder} has neither ${SINGLE_FILE} nor ${INDEX_FILE}: give a model folder with safetensors weights`;
    throw new GraphError('WEIGHTS_MISSING', message, { file: join(folder, SINGLE_FILE) });
  }
  const index = await readJsonObject(join(folder, INDEX_FILE), 'WEIGHTS_INDEX_MALFORMED');
  const weightMap = index.weight_map;
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap))
    throw badIndex('has no weight_map');
  const files = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(weightMap)) {
    // A plain name: an index must not lead to files outside the folder.
    if (typeof file !== 'string' || !/^[^/\\]+\.safetensors$/.test(file)) {
      throw badIndex(
        `puts tensor ${JSON.stringify(tensor)} in ${JSON.stringify(file)}, which is no safetensors file of the folder`,
      );
    }
    const tensors = files.get(file);
    if (tensors === undefined) files.set(file, [tensor]);
    else tensors.push(tensor);
  }
  if (files.size === 0) throw badIndex('has an empty weight_map');
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function openWeightFile(
  folder: string,
  name: string,
): Promise<{ file: WeightFile; stored: readonly StoredTensor[] }> {
  let reader: FileHandle;
  const path = join(folder, name);
  try {
    reader = await open(path, 'r');
  } catch (cause) {
    throw new GraphError('WEIGHTS_MISSING', `${path} cannot be opened: fetch the file, or make it readable`, {
      file: path,
      cause,
    });
  }
  try {
    const opened = await reader.stat({ bigint: true });
    if (!opened.isFile())
      throw new GraphError('WEIGHTS_MISSING', `${path} is not a file: fetch the model's weights`, { file: path });
    const { tensors, digest } = await readSafetensorsHeader(reader, name);
    const file: WeightFile = {
      name,
      realPath: await realpath(path),
      bytes: Number(opened.size),
      modifiedNs: opened.mtimeNs,
      headerDigest: digest,
      reader,
    };
    return { file, stored: tensors };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await realpath(path);
    return true;
  } catch {
    return false;
  }
}

async function closeAll(files: readonly WeightFile[]): Promise<void> {
  for (const file of files) await file.reader.close();
}

function badIndex(what: string): GraphError {
  return new GraphError('WEIGHTS_INDEX_MALFORMED', `${INDEX_FILE} ${what}: fetch the index again`, {
    file: INDEX_FILE,
  });
}

function missingFromShard(tensor: string, file: string): GraphError {
  const message = `${INDEX_FILE} puts tensor ${tensor} in ${file}, which does not have it: fetch index and shards of the same model`;
  return new GraphError('TENSOR_MISSING', message, { file, tensor });
}
