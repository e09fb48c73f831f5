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
import { checkGoldens } from './check.ts';
import { benchFolder, benchModel, type ShapeName, seededIds, shapes } from './workload.ts';

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

/** Answers and first-token times of all prompts, in order. */
interface Served {
  readonly ids: readonly string[];
  readonly ttftMs: readonly number[];
}

/** Effect: opens three engines one after the other, and writes a cache file that it removes. Throws when answers differ. */
export async function runWarmStart(effort: BenchEffort): Promise<BenchRow[]> {
  const setting = settings[effort];
  const cacheFolder = join(benchFolder(), 'cache');
  const checked = await checkGoldens('worker', cacheFolder);
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
  const same = sameAnswers(cold, warm) + sameAnswers(cold, restarted);
  const title = `${setting.shape} q4, ${setting.openings} openings of ${setting.openingTokens} tokens`;
  const row = (name: string, value: number, unit: string, more: { aim?: string; times?: readonly number[] } = {}) =>
    measured({
      name: `${title}: ${name}`,
      value,
      unit,
      aim: more.aim,
      spread: more.times && spreadOf(more.times),
      samples: setting.openings,
      checked: checked + same,
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
  const prompts = openings.map((opening, n) => [...opening, ...seededIds(5000 + n, privateTokens, vocabulary)]);
  return { openings, prompts };
}

async function withEngine<Value>(
  { shape, openings, openingTokens, privateTokens }: WarmStartSetting,
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> {
  const pages = 2 + openings * Math.ceil((openingTokens + privateTokens + NEW_TOKENS) / PAGE_SIZE + 1);
  const cacheFolder = join(benchFolder(), 'cache');
  const engine = await openEngine(await benchModel(shape), { weights: 'q4', cacheFolder, pages, pageSize: PAGE_SIZE });
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

async function serve(engine: Engine, prompts: readonly (readonly number[])[]): Promise<Served> {
  const ids: string[] = [];
  const ttftMs: number[] = [];
  for (const prompt of prompts) {
    const result = await engine.generate({ ids: prompt, maxTokens: NEW_TOKENS, ignoreEos: true }).result();
    ids.push(result.ids.join());
    ttftMs.push(result.timings.ttftMs);
  }
  return { ids, ttftMs };
}

/** How many answers were compared. Throws on the first that differs. */
function sameAnswers(expected: Served, got: Served): number {
  for (const [index, ids] of expected.ids.entries()) {
    if (ids !== got.ids[index]) throw new Error(`prompt ${index} was answered ${got.ids[index]} instead of ${ids}`);
  }
  return expected.ids.length;
}
