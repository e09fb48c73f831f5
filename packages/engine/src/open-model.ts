/** From a model folder to what a host drives. The only way from here to the runtime; imported where the model is going to run, and nowhere else. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CompiledModel, cacheFolder, compileModel, fusesChunk, type ModelSource } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import { openText } from '@octavo/text';
import type { OpenProgress } from './api.ts';
import type { EngineConfig } from './engine-config.ts';
import { assembleEngine, type EngineParts } from './engine-parts.ts';
import { EngineError } from './errors.ts';
import { readDefaultMaxTokens } from './generation-config.ts';
import type { ModelRunner } from './model-runner.ts';
import { multipliesBytesExactly } from './ort/integer-products.ts';
import { OrtRunner } from './ort/ort-runner.ts';
import { PastRunner } from './ort/past-runner.ts';
import { RowCountRunner } from './ort/row-count-runner.ts';
import type { SessionOptions } from './ort/session.ts';
import { defaultThreads } from './ort/threads.ts';

/**
 * What the compiler's position tables cover unless told otherwise. A shorter context is kept to by this package alone: it needs no other
 * graph, so weights are packed once for all of them.
 */
const COMPILED_CONTEXT_TOKENS = 1 << 17;

/**
 * With w8a8 weights, a storefront of 32 requests at a time is answered 1.3 times as fast as with decoding rows beside such chunks, where the fused
 * attention operator cannot be used. The threshold itself was not tuned.
 */
const LONG_CHUNK_TOKENS = 96;

export interface OpenOptions {
  readonly model: ModelSource;
  readonly config: EngineConfig;
  readonly onProgress: (progress: OpenProgress) => void;
  /** Asked for `w8a8` and `q4+w8a8`. Default: the runtime is. */
  readonly isExact?: () => Promise<boolean>;
}

/** Compiles or finds the graph, loads it, reserves the pools. Throws the typed errors of graph, text and this package. */
export async function openModel({
  model,
  config,
  onProgress,
  isExact = multipliesBytesExactly,
}: OpenOptions): Promise<EngineParts> {
  const { contextTokens = 0 } = config;
  // Before the graph is looked for: a cache folder may have come from another machine.
  const hasCodes = config.weights === 'w8a8' || config.weights === 'q4+w8a8';
  const unsignedCodes = hasCodes && model.onnxFile === undefined && !(await isExact());
  const compiled = await compileModel(model, {
    weights: config.weights,
    kvType: config.kvType,
    deterministic: config.deterministic,
    ...(config.trims && { trims: config.trims }),
    unsignedCodes,
    levels: LEVEL_COUNT,
    cacheFolder: config.cacheFolder ?? cacheFolder(process.env),
    ...(contextTokens > COMPILED_CONTEXT_TOKENS ? { contextTokens } : {}),
    ...(contextTokens > 0 ? { ropeContextTokens: contextTokens } : {}),
    // The compiler's `ready` is not the engine's.
    onProgress: (progress) => progress.status !== 'ready' && onProgress(progress),
  });
  for (const message of compiled.notices ?? []) onProgress({ status: 'notice', loaded: 0, total: 0, message });
  if (compiled.past !== undefined && config.kvType !== 'f32') {
    throw new EngineError(
      'INVALID_OPTION',
      `kvType is ${config.kvType}: this export runs as it is, which needs pages of 'f32'; leave the option out.`,
      { details: { kvType: config.kvType } },
    );
  }
  const text = await openText(model.folder);
  onProgress({ status: 'load', loaded: 0, total: 1 });
  const runner = await openRunner(compiled, {
    threads: config.threads ?? defaultThreads(compiled.shape),
    spinning: config.spinning,
  });
  try {
    const { endIds, fingerprint, weightBytes, weights, untrimmed, notices = [] } = compiled;
    const defaultMaxTokens = await readDefaultMaxTokens(model.folder);
    const tokenizerFingerprint = await tokenizerDigest(model.folder);
    const parts = await assembleEngine(
      {
        runner,
        endIds,
        fingerprint,
        tokenizerFingerprint,
        weightBytes,
        notices,
        defaultMaxTokens,
        ...(untrimmed && { untrimmed }),
        ...(runsChunksApart(compiled) && { longChunkTokens: LONG_CHUNK_TOKENS }),
        ...(text && { text }),
      },
      // A model whose rows change each other's values would publish pages that are nobody else's.
      { ...config, weights, ...(compiled.past?.mixesRows ? { sharing: false } : {}) },
    );
    onProgress({ status: 'ready', loaded: 1, total: 1 });
    return parts;
  } catch (error) {
    await runner.dispose();
    throw error;
  }
}

/**
 * Whether a long chunk is better alone: every layer has the fast path for a chunk of one sequence, or else the graph reads fixed blocks, where
 * a long chunk beside other rows is slower (16 storefront requests: 16.5 s apart, 22.6 s together).
 */
function runsChunksApart({ shape, deterministic, past }: CompiledModel): boolean {
  return past === undefined && (deterministic || (shape.windows.length === 0 && fusesChunk(shape)));
}

/** Tells whether the same ids mean the same text; empty without a tokenizer. */
async function tokenizerDigest(folder: string): Promise<string> {
  try {
    return createHash('sha256')
      .update(await readFile(join(folder, 'tokenizer.json')))
      .digest('hex');
  } catch {
    return '';
  }
}

function openRunner(model: CompiledModel, options: SessionOptions): Promise<ModelRunner> {
  const { past, manyRowsFile } = model;
  if (past !== undefined) return PastRunner.open({ ...model, past }, options);
  const openOne = (graphFile: string) => OrtRunner.open({ ...model, graphFile }, options);
  if (manyRowsFile === undefined) return openOne(model.graphFile);
  return RowCountRunner.open(
    () => openOne(model.graphFile),
    () => openOne(manyRowsFile),
  );
}
