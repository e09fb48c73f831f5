/** Shared by the tests of this package: models with known answers, folders that go away, and what must hold of an idle engine. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import type { Engine, EngineOptions, GenerateResult, Message } from './api.ts';
import { EngineError } from './errors.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A prompt and what follows it greedily. */
export interface Golden {
  readonly ids: readonly number[];
  readonly greedy: readonly number[];
}

/** The shipped model: 20 prompts of 16 to 200 tokens with 48 greedy ids each. */
export const shopkeeper = {
  folder: join(root, 'packages/octavo/model/shopkeeper'),
  goldens: readGoldens('packages/octavo/model/shopkeeper').map((prompt) => ({
    ids: prompt.token_ids as readonly number[],
    greedy: prompt.greedy_token_ids as readonly number[],
    messages: prompt.messages as readonly Message[],
    text: prompt.text as string,
    answer: prompt.answer as string,
    top10: prompt.top10 as readonly (readonly [number, number])[],
  })),
};

/** A random Llama model without a tokenizer: 4 prompts of 1 to 120 tokens with 24 greedy ids and all logits each. */
export const llama = {
  folder: join(root, 'test/fixtures/llama'),
  goldens: readGoldens('test/fixtures/llama').map((prompt) => ({
    ids: prompt.ids as readonly number[],
    greedy: prompt.greedy as readonly number[],
    lastLogits: prompt.lastLogits as readonly number[],
    argmax: prompt.allPositionsArgmax as readonly number[],
  })),
};

function readGoldens(folder: string): Record<string, unknown>[] {
  const golden = JSON.parse(readFileSync(join(root, folder, 'golden.json'), 'utf8')) as {
    prompts: Record<string, unknown>[];
  };
  return golden.prompts;
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is removed after the tests of the file that asked for it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-engine-'));
  folders.push(folder);
  return folder;
}

/** Submits all prompts at once and awaits all results, each with as many tokens as its golden has. */
export function completeAll(engine: Engine, goldens: readonly Golden[]): Promise<GenerateResult[]> {
  return Promise.all(
    goldens.map(({ ids, greedy }) => engine.generate({ ids, maxTokens: greedy.length, ignoreEos: true }).result()),
  );
}

/** Every result has the golden's ids, and its prompt tokens add up. */
export function expectGoldens(results: readonly GenerateResult[], goldens: readonly Golden[]): void {
  expect(results.map(({ ids }) => ids)).toEqual(goldens.map(({ greedy }) => greedy));
  for (const { usage, ids } of results) {
    expect(usage.cachedTokens + usage.computedTokens).toBe(usage.promptTokens);
    expect(usage.completionTokens).toBe(ids.length);
  }
}

/** No law is broken, nothing runs, and every page is free, evictable or pinned. */
export async function expectIdle(engine: Engine): Promise<void> {
  expect(await engine.audit()).toEqual([]);
  const { kv, waiting, running } = await engine.stats();
  expect({
    waiting,
    running,
    leases: kv.leases,
    privatePages: kv.privatePages,
    detachedPages: kv.detachedPages,
  }).toEqual({
    waiting: 0,
    running: 0,
    leases: 0,
    privatePages: 0,
    detachedPages: 0,
  });
  expect(kv.freePages + kv.evictablePages + kv.pinnedPages).toBe(kv.totalPages);
}

/** The error that a promise rejects with. Fails when it is none of ours. */
export async function engineErrorOf(promise: Promise<unknown>): Promise<EngineError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

/** The error that a synchronous call throws. */
export function engineErrorFrom(call: () => unknown): EngineError {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(EngineError);
  return thrown as EngineError;
}

/** Asks until the answer is yes, for at most 10 seconds. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('waited for 10 seconds in vain');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Opens a model in the mode that is tested; the shipped one unless told otherwise. */
export type OpenModel = (options?: EngineOptions, folder?: string) => Promise<Engine>;

/** Opens, works, audits, closes: whatever a test does, its engine ends healthy. */
export async function withEngine<Value>(
  opening: Promise<Engine>,
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> {
  const engine = await opening;
  try {
    const value = await work(engine);
    await expectIdle(engine);
    return value;
  } finally {
    await engine.close();
  }
}
