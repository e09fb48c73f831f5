/** Requests a second, output tokens a second and time to first token of each workload, in every variant. */
import { type EngineOptions, openEngine, shippedModel } from 'octavo';
import { benchCache, benchModel, benchWeights, type ShapeName, shapes, USUAL_WEIGHTS } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { median, spreadOf } from '../statistics.ts';
import { agents, agentsSize } from './agents.ts';
import { long, longSize } from './long.ts';
import type { Served } from './serve.ts';
import { storefront, storefrontSize } from './storefront.ts';
import { support } from './support.ts';
import { serveVariants, type VariantResult } from './variants.ts';
import { voice } from './voice.ts';
import type { Workload } from './workload.ts';

const AT_A_TIME = 16;
const RUNS = 3;

interface Setting {
  readonly shape: ShapeName;
  readonly vocabulary: number;
  readonly smoke: boolean;
}

interface Plan {
  readonly workload: Workload;
  readonly model: string;
  readonly options: EngineOptions;
}

/** How each workload is made, and what it runs on. */
const plans: Readonly<Record<string, (setting: Setting) => Promise<Plan>>> = {
  storefront: async ({ shape, vocabulary, smoke }) =>
    random(shape, storefront(smoke ? smallStorefront : storefrontSize, vocabulary, AT_A_TIME)),
  'storefront-burst': async ({ shape, vocabulary, smoke }) => {
    const size = smoke ? smallStorefront : storefrontSize;
    return random(shape, storefront(size, vocabulary, size.requests), { maxSequences: size.requests });
  },
  support: async ({ smoke }) => ({
    workload: await withShipped((engine) => support(engine, smoke ? 16 : 128)),
    model: shippedModel(),
    options: { cacheFolder: benchCache(), maxSequences: AT_A_TIME },
  }),
  voice: async ({ shape, smoke }) => random(shape, await withShipped((engine) => voice(engine, smoke ? 40 : 2_000))),
  agents: async ({ shape, vocabulary, smoke }) => random(shape, agents(smoke ? smallAgents : agentsSize, vocabulary)),
  long: async ({ shape, vocabulary, smoke }) => random(shape, long(smoke ? smallLong : longSize, vocabulary)),
};

const smallStorefront = {
  ...storefrontSize,
  requests: 8,
  products: 2,
  systemTokens: 32,
  productTokens: 40,
  newTokens: 8,
};
const smallAgents = {
  ...agentsSize,
  conversations: 2,
  systemTokens: 24,
  taskTokens: 24,
  branchTokens: 8,
  newTokens: 6,
};
const smallLong = { ...longSize, documentTokens: 400, questions: 6, newTokens: 6 };

export const throughputNames = Object.keys(plans);

/** Effect: checks and times one workload in every variant. */
export async function runThroughput(name: string, effort: BenchEffort): Promise<BenchRow[]> {
  const plan = plans[name];
  if (plan === undefined) throw new Error(`There is no workload ${name}.`);
  const smoke = effort === 'smoke';
  const shape = smoke ? 'tiny' : '135m';
  const { workload, model, options } = await plan({
    shape,
    vocabulary: shapes[shape].vocabulary,
    smoke,
  });
  const results = await serveVariants(workload, { model, options, runs: smoke ? 1 : RUNS });
  process.stdout.write(`${workload.about}\n`);
  const weights = options.weights === undefined || options.weights === USUAL_WEIGHTS ? '' : ` ${options.weights}`;
  return results.flatMap((result) => rowsOf(`${name}${weights}`, result));
}

async function random(shape: ShapeName, workload: Workload, options: EngineOptions = {}): Promise<Plan> {
  return {
    workload,
    model: await benchModel(shape),
    options: { weights: benchWeights(), cacheFolder: benchCache(), maxSequences: AT_A_TIME, ...options },
  };
}

async function withShipped<Value>(
  work: (engine: Awaited<ReturnType<typeof openEngine>>) => Promise<Value>,
): Promise<Value> {
  const engine = await openEngine(shippedModel(), { mode: 'in-thread', cacheFolder: benchCache() });
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

function rowsOf(name: string, { variant, runs, compared, ties }: VariantResult): BenchRow[] {
  const row = (what: string, unit: string, of: (run: Served) => number): BenchRow => {
    const values = runs.map(of);
    return measured({
      name: `${name}, ${variant}: ${what}`,
      value: median(values),
      unit,
      samples: runs.length,
      spread: spreadOf(values),
      checked: compared,
    });
  };
  return [
    row('requests a second', '/s', (run) => run.requestsPerSecond),
    row('output tokens a second', '/s', (run) => run.outputPerSecond),
    row('time to first token p50', 'ms', (run) => run.ttftMs.p50),
    row('time to first token p95', 'ms', (run) => run.ttftMs.p95),
    row('prompt tokens from the cache', '%', (run) => 100 * run.hitRate),
    row('model run, share of the time', '%', (run) => run.stepMs.run / (10 * run.seconds)),
    row('answers that part at a tie', '', () => ties),
  ];
}
