/**
 * The classic measurement of what a K/V cache is worth: a prompt of 13 tokens, 100 new ones, with the cache and with everything computed again
 * for every token. On a GPT-Neo of 1.3 billion parameters the original reports 9.28 s without and 3.19 s with it (2.9 times), on a GPU.
 * OCTAVO_BENCH_REPETITIONS: how often each is timed, 10 by default; recomputing is timed a fifth as often, as it takes so long.
 */
import type { Engine, EngineOptions } from 'octavo';
import { numberFrom } from '../arguments.ts';
import { madeOnce } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { type GptNeoShape, makeRandomGptNeo } from '../models/random-gpt-neo.ts';
import { median, spreadOf } from '../statistics.ts';
import { withEngine } from '../step/bench-session.ts';
import { checkAgreement } from '../throughput/agreement.ts';
import { type Served, serveOnce } from '../throughput/serve.ts';
import { independent } from '../throughput/workload.ts';
import { seededIds } from '../token-ids.ts';

const full: GptNeoShape = { hidden: 2048, layers: 24, heads: 16, vocabulary: 50_257, contextTokens: 2048, window: 256 };
const small: GptNeoShape = { hidden: 64, layers: 2, heads: 4, vocabulary: 512, contextTokens: 256, window: 16 };

export async function runCacheOnOff(effort: BenchEffort): Promise<BenchRow[]> {
  const smoke = effort === 'smoke';
  const shape = smoke ? small : full;
  const recipe = { ...shape, seed: 1 };
  const name = smoke ? 'gpt-neo-tiny' : 'gpt-neo-1.3b';
  const model = await madeOnce(name, recipe, (folder) => makeRandomGptNeo(folder, shape, recipe.seed));
  const newTokens = smoke ? 12 : 100;
  const repetitions = smoke ? 2 : numberFrom('OCTAVO_BENCH_REPETITIONS', 10);
  // Float32 first: nothing is rounded there, so that what is wrong shows in its answers.
  const formats = ['f32', 'q4'] as const;
  const rows: BenchRow[] = [];
  for (const weights of formats) rows.push(...(await compare({ model, weights, shape, newTokens, repetitions })));
  return rows;
}

interface Comparison {
  readonly model: string;
  readonly weights: 'q4' | 'f32';
  readonly shape: GptNeoShape;
  readonly newTokens: number;
  readonly repetitions: number;
}

async function compare({ model, weights, shape, newTokens, repetitions }: Comparison): Promise<BenchRow[]> {
  const request = { ids: seededIds(91, 13, shape.vocabulary), maxTokens: newTokens };
  const workload = independent({ name: 'cache-on-off', about: '13 tokens, then 100 new' }, [request], 1);
  const options: EngineOptions = { weights, maxSequences: 1, pages: 16, sharing: false };
  const run = (kvCache: boolean, times: number) =>
    withEngine(model, { ...options, kvCache }, async (engine) => {
      const first = await serveOnce(engine, workload, '');
      const runs: Served[] = [];
      while (runs.length < times) runs.push(await serveOnce(engine, workload, ''));
      return { runs, first };
    });
  const on = await run(true, repetitions);
  const off = await run(false, Math.max(2, Math.round(repetitions / 5)));
  const { compared, agreement } = await compareAnswers(on.first, off.first, weights, (judged) =>
    withEngine(model, options, judged),
  );
  const seconds = (runs: readonly Served[]) => runs.map((served) => served.seconds);
  const row = (name: string, values: readonly number[], unit: string, aim?: string): BenchRow =>
    measured({
      name: `cache-on-off, ${shape.hidden} x ${shape.layers} ${weights}: ${name}`,
      value: median(values),
      unit,
      aim,
      samples: values.length,
      spread: spreadOf(values),
      checked: compared,
    });
  return [
    row(`13 + ${newTokens} tokens with the cache`, seconds(on.runs), 's'),
    row(`13 + ${newTokens} tokens, recomputed`, seconds(off.runs), 's'),
    row(
      'recomputed / with the cache',
      [median(seconds(off.runs)) / median(seconds(on.runs))],
      'x',
      weights === 'q4' ? '>= 10 x' : undefined,
    ),
    row(...agreement),
  ];
}

type Judged = <Result>(use: (judge: Engine) => Promise<Result>) => Promise<Result>;

/**
 * With float32 weights the two answers must be the same, up to a tie. With q4 only how far they go together is told: this shape's attention scores are not
 * scaled, and with random weights one activation that is rounded the other way moves all logits by some 2 % of their spread (so much lies between
 * the usual and a deterministic engine on 21 tokens, each alone and cold).
 */
async function compareAnswers(
  on: Served,
  off: Served,
  weights: Comparison['weights'],
  judged: Judged,
): Promise<{ compared: number; agreement: [name: string, values: readonly number[], unit: string] }> {
  if (weights === 'f32') {
    const { compared, ties } = await judged((judge) => checkAgreement(judge, on.answers, off.answers));
    return { compared, agreement: ['answers that part at a tie', [ties], ''] };
  }
  const [one] = on.answers.values();
  const [other] = off.answers.values();
  if (one === undefined || other === undefined) throw new Error('No answer could be compared.');
  const at = one.ids.findIndex((id, index) => id !== other.ids[index]);
  return { compared: 1, agreement: ['tokens until the answers part', [at === -1 ? one.ids.length : at], ''] };
}
