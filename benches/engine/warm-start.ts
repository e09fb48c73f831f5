/**
 * Time to first token of prompts whose openings are in the cache already: computed ahead in this process, and read from the file of an earlier
 * one. One request at a time, so that nothing but the opening differs.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Engine, openEngine } from 'octavo';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { median, spreadOf } from '../statistics.ts';
import { checkAgreement } from '../throughput/agreement.ts';
import type { Answer } from '../throughput/serve.ts';
import { joined, seededIds } from '../token-ids.ts';
import { checkGoldens } from './check.ts';
import { benchCache, benchFolder, benchModel, type ShapeName, shapes } from './workload.ts';

interface WarmStartSetting {
  readonly shape: ShapeName;
  readonly openings: number;
  readonly openingTokens: number;
  readonly privateTokens: number;
}

const settings: Readonly<Record<BenchEffort, WarmStartSetting>> = {
  smoke: { shape: 'tiny', openings: 4, openingTokens: 64, privateTokens: 8 },
  full: { shape: '135m', openings: 40, openingTokens: 256, privateTokens: 8 },
};
const NEW_TOKENS = 4;
const PAGE_SIZE = 16;

/** Answers by the prompt's ids, and first-token times in the order of the prompts. */
interface Served {
  readonly answers: ReadonlyMap<string, Answer>;
  readonly ttftMs: readonly number[];
}

/** Effect: opens four engines one after the other, and writes a cache file that it removes. Throws when answers differ where there is no tie. */
export async function runWarmStart(effort: BenchEffort): Promise<BenchRow[]> {
  const setting = settings[effort];
  const goldens = await checkGoldens('worker', benchCache());
  const { openings, prompts } = workloadOf(setting);
  const file = join(benchFolder(), 'warm-start.cache');
  const cold = await withEngine(setting, (engine) => serve(engine, prompts));
  const { warmMs, exportMs, bytes, warm } = await withEngine(setting, async (engine) => {
    const began = performance.now();
    await engine.warm(openings.map((ids) => Array.from(ids)));
    const warmed = performance.now();
    // Before anything is served: the file holds the openings and nothing else.
    const written = await engine.cache.export(file);
    const exported = performance.now();
    return {
      warmMs: warmed - began,
      exportMs: exported - warmed,
      bytes: written.bytes,
      warm: await serve(engine, prompts),
    };
  });
  const { importMs, restarted } = await withEngine(setting, async (engine) => {
    const began = performance.now();
    const { refusal } = await engine.cache.import(file);
    if (refusal) throw new Error(refusal.message);
    return { importMs: performance.now() - began, restarted: await serve(engine, prompts) };
  });
  await rm(file);
  const compared = await withEngine(setting, async (judge) => {
    const ahead = await checkAgreement(judge, cold.answers, warm.answers);
    const fromFile = await checkAgreement(judge, cold.answers, restarted.answers);
    return ahead.compared + fromFile.compared;
  });
  const title = `${setting.shape} q4, ${setting.openings} openings of ${setting.openingTokens} tokens`;
  const row = (name: string, value: number, unit: string, more: { aim?: string; times?: readonly number[] } = {}) =>
    measured({
      name: `${title}: ${name}`,
      value,
      unit,
      aim: more.aim,
      spread: more.times && spreadOf(more.times),
      samples: setting.openings,
      checked: goldens + compared,
    });
  const p50 = (served: Served) => median(served.ttftMs);
  return [
    row('first token p50, cold', p50(cold), 'ms', { times: cold.ttftMs }),
    row('first token p50, warm', p50(warm), 'ms', { times: warm.ttftMs }),
    row('first token p50, after a restart from file', p50(restarted), 'ms', { times: restarted.ttftMs }),
    row('cold / warm', p50(cold) / p50(warm), 'x', { aim: '>= 10 x' }),
    row('cold / restarted', p50(cold) / p50(restarted), 'x', { aim: '>= 8 x' }),
    row('warming', warmMs, 'ms'),
    row('writing the file', exportMs, 'ms'),
    row('size of the file', bytes / 2 ** 20, 'MiB'),
    row('opening the file', importMs, 'ms'),
  ];
}

function workloadOf({ shape, openings: count, openingTokens, privateTokens }: WarmStartSetting) {
  const { vocabulary } = shapes[shape];
  const openings = Array.from({ length: count }, (_, n) => seededIds(1000 + n, openingTokens, vocabulary));
  const prompts = openings.map((opening, n) => joined([opening, seededIds(5000 + n, privateTokens, vocabulary)]));
  return { openings, prompts };
}

async function withEngine<Value>(
  { shape, openings, openingTokens, privateTokens }: WarmStartSetting,
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> {
  const pages = 2 + openings * Math.ceil((openingTokens + privateTokens + NEW_TOKENS) / PAGE_SIZE + 1);
  const options = {
    weights: 'q4',
    cacheFolder: benchCache(),
    commitMemory: 'open',
    pages,
    pageSize: PAGE_SIZE,
  } as const;
  const engine = await openEngine(await benchModel(shape), options);
  try {
    // The first steps of a session make its buffers: outside the index, so that nothing is warm because of it.
    const { vocabulary } = shapes[shape];
    const ids = Array.from(seededIds(1, openingTokens + privateTokens, vocabulary));
    for (let round = 0; round < 2; round += 1) {
      await engine.generate({ ids, maxTokens: NEW_TOKENS, ignoreEos: true, cache: 'bypass' }).result();
    }
    const value = await work(engine);
    const violations = await engine.audit();
    if (violations.length > 0) throw new Error(`invariants are violated: ${violations.join('; ')}`);
    return value;
  } finally {
    await engine.close();
  }
}

async function serve(engine: Engine, prompts: readonly Uint32Array[]): Promise<Served> {
  const answers = new Map<string, Answer>();
  const ttftMs: number[] = [];
  for (const prompt of prompts) {
    const { ids, timings } = await engine.generate({ ids: prompt, maxTokens: NEW_TOKENS, ignoreEos: true }).result();
    answers.set(prompt.join(), { prompt, ids, others: [] });
    ttftMs.push(timings.ttftMs);
  }
  return { answers, ttftMs };
}
