import { createHash, type Hash } from 'node:crypto';
import type { KvType, WeightFormat } from '../compiled-model.ts';
import { readExactly } from '../weights/exact-bytes.ts';
import type { WeightFile } from '../weights/weight-files.ts';

/** Raise it whenever the same model would be compiled into another graph or into other packed weights. */
export const COMPILER_VERSION = 18;

/** Everything that decides what is compiled. */
export interface FingerprintParts {
  readonly config: Readonly<Record<string, unknown>>;
  readonly files: readonly WeightFile[];
  readonly weights: WeightFormat;
  readonly kvType: KvType;
  readonly deterministic: boolean;
  readonly levels: number;
  readonly contextTokens: number;
  /** What was taken from the model; absent: nothing. */
  readonly trims?: object;
  /** Only where it changes something. */
  readonly unsignedCodes?: true;
  /** Likewise. */
  readonly throughBits?: 4;
  /** Only when a rope follows it. */
  readonly ropeContextTokens?: number;
}

/** Spread over a file: enough to tell two trainings of one architecture apart, little enough to read at every start. */
const SAMPLES_A_FILE = 64;
const SAMPLE_BYTES = 1024;

/**
 * sha256 over the compiler's version, config.json, options, and each weight file's name, bytes, time of change, header and samples of its
 * content. Reads 64 KiB a file: reading whole files would cost seconds at every start.
 */
export async function fingerprint(parts: FingerprintParts): Promise<string> {
  const hash = createHash('sha256');
  const { files, ...settings } = parts;
  hash.update(JSON.stringify({ version: COMPILER_VERSION, ...settings }));
  for (const file of files) {
    const { name, bytes, modifiedNs, headerDigest } = file;
    hash.update(JSON.stringify({ name, bytes, modifiedNs: String(modifiedNs), headerDigest }));
    await hashSamples(hash, file);
  }
  return hash.digest('hex');
}

async function hashSamples(hash: Hash, file: WeightFile): Promise<void> {
  const sample = new Uint8Array(Math.min(SAMPLE_BYTES, file.bytes));
  const lastOffset = file.bytes - sample.length;
  for (let place = 0; place < SAMPLES_A_FILE; place += 1) {
    const offset = Math.floor((lastOffset * place) / (SAMPLES_A_FILE - 1));
    await readExactly(file.reader, sample, { file: file.name, offset });
    hash.update(sample);
  }
}
