/**
 * A model that can be checked: no weights, no runtime, same plan, same pages.
 *
 * The K/V row of a token encodes the token, its position and a digest of all tokens up to it. A run reads pages through the plan's
 * levels and chunks as a graph would, insists that every row reads each earlier position of one and the same token stream exactly
 * once, and derives its logits from the digest of what it read. So an error of sharing, batching, copying, publishing or preemption
 * either breaks an invariant here or changes the tokens that come out, which `fakeCompletion` foretells from the prompt alone.
 */
import type { ModelShape } from '@octavo/graph';
import type { LevelPlan, StepPlan } from '@octavo/scheduler';
import { brokenInvariant } from './errors.ts';
import { decodeFakeRow, encodeFakeRows, FAKE_ROW_DIGITS } from './fake-rows.ts';
import type { ModelRunner, RunOutputs } from './model-runner.ts';
import type { PageStore } from './storage/page-store.ts';

/** The shape that a fake model has unless told otherwise: 2 layers, 2 K/V heads of 12, 61 tokens. */
export const fakeShape: ModelShape = {
  architecture: 'Fake',
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 12,
  hidden: 48,
  vocabulary: 61,
  contextTokens: 256,
  windows: [],
  hasFullLayers: true,
};

export interface FakeRunnerOptions {
  /** Overrides of `fakeShape`; `headDim` must be at least 12. */
  readonly shape?: Partial<ModelShape>;
  /** Called before each run with its number, from 0; what it throws (or rejects with) is what the run fails with. */
  readonly beforeRun?: (run: number) => void | Promise<void>;
}

const DIGEST_START = 0x811c9dc5;

/** Avalanche of 32 bits (the finalizer of MurmurHash3). Pure. */
function mix(bits: number): number {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Digest of a stream with one more token. Pure. */
function extendDigest(digest: number, token: number): number {
  return mix(Math.imul(digest, 0x9e3779b1) ^ (token + 1));
}

/** Logit of token `id` after the stream with this digest: in [0, 16). Pure. */
function logitOf(digest: number, id: number): number {
  return mix(digest ^ Math.imul(id + 1, 0x27d4eb2f)) / 2 ** 28;
}

/** Lowest id among the largest logits, as a graph's argmax. Pure. */
function argmaxOf(digest: number, vocabulary: number): number {
  let best = 0;
  for (let id = 1; id < vocabulary; id += 1) {
    if (Math.fround(logitOf(digest, id)) > Math.fround(logitOf(digest, best))) best = id;
  }
  return best;
}

/** All logits after `tokens`: what any execution of the fake model must yield. Pure. */
export function fakeLogits(tokens: ArrayLike<number>, vocabulary: number = fakeShape.vocabulary): Float32Array {
  let digest = DIGEST_START;
  for (let i = 0; i < tokens.length; i += 1) digest = extendDigest(digest, tokens[i] as number);
  return Float32Array.from({ length: vocabulary }, (_, id) => logitOf(digest, id));
}

/** The `count` tokens that greedily follow `prompt`: what any execution of the fake model must yield. Pure. */
export function fakeCompletion(
  prompt: ArrayLike<number>,
  count: number,
  vocabulary: number = fakeShape.vocabulary,
): number[] {
  let digest = DIGEST_START;
  for (let i = 0; i < prompt.length; i += 1) digest = extendDigest(digest, prompt[i] as number);
  const completion: number[] = [];
  while (completion.length < count) {
    const token = argmaxOf(digest, vocabulary);
    completion.push(token);
    digest = extendDigest(digest, token);
  }
  return completion;
}

/** Deterministic model runner; see the head of this file. Memory and time are of no concern here. */
export class FakeRunner implements ModelRunner {
  readonly shape: ModelShape;
  /** Runs that were started. */
  runs = 0;
  /** True after `dispose`. */
  disposed = false;
  readonly #beforeRun: FakeRunnerOptions['beforeRun'];

  constructor(options: FakeRunnerOptions = {}) {
    this.shape = { ...fakeShape, ...options.shape };
    this.#beforeRun = options.beforeRun;
    if (this.shape.headDim < FAKE_ROW_DIGITS)
      throw brokenInvariant(`a fake K/V row needs at least ${FAKE_ROW_DIGITS} elements a head`);
  }

  async run(plan: StepPlan, store: PageStore, fullHeads: Int32Array, fullCount: number): Promise<RunOutputs> {
    if (this.disposed) throw new Error('the fake runner was disposed');
    const number = this.runs;
    this.runs += 1;
    await this.#beforeRun?.(number);
    const digests = Array.from({ length: plan.rowCount }, (_, row) => digestOfRow(plan, store, row));
    const rows = digests.map((digest, row) => ({
      token: plan.tokens[row] as number,
      position: plan.positions[row] as number,
      digest,
    }));
    const { vocabulary } = this.shape;
    const logits = new Float32Array(fullCount * vocabulary);
    for (let i = 0; i < fullCount; i += 1) {
      const digest = digests[plan.headRow[fullHeads[i] as number] as number] as number;
      for (let id = 0; id < vocabulary; id += 1) logits[i * vocabulary + id] = logitOf(digest, id);
    }
    return {
      ...encodeFakeRows(store.layout, rows),
      argmax: Int32Array.from({ length: plan.headCount }, (_, head) =>
        argmaxOf(digests[plan.headRow[head] as number] as number, vocabulary),
      ),
      logits,
      prepareMs: 0,
    };
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }
}

/** Reads what a row attends to, as the plan says, and returns the digest of its whole stream, its own token included. */
function digestOfRow(plan: StepPlan, store: PageStore, row: number): number {
  const position = plan.positions[row] as number;
  // [position] token and stored digest read at each earlier position; -1: not read yet, and no digest for rows of this step.
  const tokens = new Int32Array(position).fill(-1);
  const stored = new Float64Array(position).fill(-1);
  const see = (seen: { readonly token: number; readonly position: number; readonly digest: number }) => {
    if (seen.position >= position)
      throw brokenInvariant(`row ${row} at position ${position} reads position ${seen.position}`);
    if (tokens[seen.position] !== -1) throw brokenInvariant(`row ${row} reads position ${seen.position} twice`);
    tokens[seen.position] = seen.token;
    stored[seen.position] = seen.digest;
  };
  for (const level of plan.levels)
    readLevel(level, row, (page, offset) => see(decodeFakeRow(store, page * store.layout.pageSize + offset)), store);
  for (const earlier of earlierRows(plan, row)) {
    see({ token: plan.tokens[earlier] as number, position: plan.positions[earlier] as number, digest: -1 });
  }
  let digest = DIGEST_START;
  for (let i = 0; i < position; i += 1) {
    if (tokens[i] === -1) throw brokenInvariant(`row ${row} at position ${position} does not read position ${i}`);
    digest = extendDigest(digest, tokens[i] as number);
    if (stored[i] !== -1 && stored[i] !== digest)
      throw brokenInvariant(`row ${row} reads position ${i} of another token stream`);
  }
  return extendDigest(digest, plan.tokens[row] as number);
}

/** Visits the slots that a row reads in a level: the leading tokens of its group's pages. */
function readLevel(
  level: LevelPlan,
  row: number,
  visit: (page: number, offset: number) => void,
  store: PageStore,
): void {
  if (level.groupCount === 0) return;
  const place = level.rowAt[row] as number;
  const group = Math.floor(place / level.rowsPerGroup);
  const tokens = level.tokens[group] as number;
  if (tokens === 0) return;
  if (level.rows[place] !== row)
    throw brokenInvariant(`row ${row} points to place ${place}, where row ${level.rows[place]} is`);
  const { pageSize } = store.layout;
  for (let i = 0; i < tokens; i += 1) {
    visit(level.pages[group * level.pagesPerGroup + Math.floor(i / pageSize)] as number, i % pageSize);
  }
}

/** Rows of the same chunk before this one. */
function earlierRows(plan: StepPlan, row: number): number[] {
  const { chunks } = plan;
  if (chunks.chunkCount === 0) return [];
  const place = chunks.rowAt[row] as number;
  const first = place - (place % chunks.rowsPerChunk);
  if (place !== first && chunks.rows[place] !== row)
    throw brokenInvariant(`row ${row} points to a chunk place that is not its own`);
  return Array.from(chunks.rows.subarray(first, place));
}
