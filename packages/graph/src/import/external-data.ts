/** Files beside an ONNX file that hold the bytes of its weights, opened once each and kept inside the model's folder. */
import { createHash } from 'node:crypto';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { GraphError } from '../errors.ts';
import type { WeightFile } from '../weights/weight-files.ts';

/** Opens files of one model; `close` when done. */
export class SourceFiles {
  readonly #folder: string;
  readonly #onnxFile: string;
  readonly #files = new Map<string, WeightFile>();

  /** Both are absolute: the model's folder and its ONNX file. */
  constructor(folder: string, onnxFile: string) {
    this.#folder = folder;
    this.#onnxFile = onnxFile;
  }

  get files(): readonly WeightFile[] {
    return [...this.#files.values()];
  }

  /** Opens the ONNX file. Throws ONNX_MISSING. */
  async openOnnx(): Promise<WeightFile> {
    const file = this.#onnxFile;
    return this.#open(basename(file), file, (why, cause) => {
      const message = `${file} ${why}: check the path, or fetch the file again`;
      return new GraphError('ONNX_MISSING', message, { file, cause });
    });
  }

  /** Opens a file by its `location` in the ONNX file. Throws ONNX_DATA_OUTSIDE, ONNX_DATA_MISSING. */
  async openLocation(location: string, tensor: string): Promise<WeightFile> {
    const known = this.#files.get(location);
    if (known !== undefined) return known;
    const details = { file: this.#onnxFile, tensor };
    const parts = location.split(/[/\\]/);
    if (location === '' || isAbsolute(location) || parts.includes('..') || /[\0\\:]/.test(location)) {
      throw this.#outside(location, tensor);
    }
    const path = join(dirname(this.#onnxFile), location);
    const missing = (why: string, cause?: unknown) => {
      const message = `${path} with the bytes of tensor ${tensor} ${why}: fetch it into the folder of ${basename(this.#onnxFile)}`;
      return new GraphError('ONNX_DATA_MISSING', message, { ...details, file: path, cause });
    };
    const target = await realpath(path).catch((cause: unknown) => {
      throw missing('does not exist', cause);
    });
    if (!(await this.#isInside(target))) throw this.#outside(location, tensor);
    return this.#open(location, path, missing);
  }

  async close(): Promise<void> {
    for (const { reader } of this.#files.values()) await reader.close();
    this.#files.clear();
  }

  /** Inside the model's folder, or what a snapshot of the hub's cache links to: `snapshots/REVISION/...` -> `blobs/...`. */
  async #isInside(target: string): Promise<boolean> {
    const roots = [this.#folder, dirname(this.#onnxFile)];
    for (const folder of [...roots]) {
      const at = folder.split(sep).lastIndexOf('snapshots');
      if (at > 0) roots.push(join(folder.split(sep).slice(0, at).join(sep), 'blobs'));
    }
    for (const root of roots) {
      const real = await realpath(root).catch(() => undefined);
      if (real !== undefined && isBelow(target, real)) return true;
    }
    return false;
  }

  #outside(location: string, tensor: string): GraphError {
    const shown = JSON.stringify(location.slice(0, 200));
    const message = `${this.#onnxFile} keeps tensor ${tensor} in ${shown}, which is not inside its folder: put the file beside it and name it without folders`;
    return new GraphError('ONNX_DATA_OUTSIDE', message, { file: this.#onnxFile, tensor });
  }

  async #open(name: string, path: string, fault: (why: string, cause?: unknown) => GraphError): Promise<WeightFile> {
    let reader: FileHandle;
    try {
      reader = await open(path, 'r');
    } catch (cause) {
      throw fault('cannot be opened', cause);
    }
    try {
      const opened = await reader.stat({ bigint: true });
      if (!opened.isFile()) throw fault('is not a file');
      const file = {
        name,
        realPath: await realpath(path),
        bytes: Number(opened.size),
        modifiedNs: opened.mtimeNs,
        headerDigest: createHash('sha256').update(name).digest('hex'),
        reader,
      };
      this.#files.set(name, file);
      return file;
    } catch (error) {
      await reader.close();
      throw error;
    }
  }
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
}
