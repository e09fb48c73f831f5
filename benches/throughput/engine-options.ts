/** What the engine's options cost on the storefront: formats of pages, deterministic runs, threads that do not poll. Rounds are interleaved. */
import { isDeepStrictEqual } from 'node:util';
import { type Engine, type EngineOptions, openEngine } from 'octavo';
import { benchCache, benchModel, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { median, spreadOf } from '../statistics.ts';
import { type Agreement, checkAgreement, deterministicFormat } from './agreement.ts';
import { LazyEngine } from './lazy-engine.ts';
import { type Served, serveOnce } from './serve.ts';
import { storefront, storefrontSize } from './storefront.ts';

const AT_A_TIME = 16;
const ROUNDS = 3;

const variants: Readonly<Record<string, EngineOptions>> = {
  'float32 pages': {},
  'float16 pages': { kvType: 'f16' },
  'int8 pages': { kvType: 'int8' },
  deterministic: { deterministic: true },
  'threads that sleep': { spinning: false },
  'w8a8 weights': { weights: 'w8a8' },
  'q4+w8a8 weights': { weights: 'q4+w8a8' },
};

interface Variant {
  readonly name: string;
  readonly engine: Engine;
  /** A deterministic engine with the same formats. */
  readonly reference: LazyEngine;
  readonly runs: Served[];
  agreement: Agreement;
}

/** Effect: opens an engine a variant, compares cold answers with warm ones, then times each in turn. */
export async function runEngineOptions(effort: BenchEffort): Promise<BenchRow[]> {
  const smoke = effort === 'smoke';
  const shape = smoke ? 'tiny' : '135m';
  const model = await benchModel(shape);
  const size = smoke
    ? { ...storefrontSize, requests: 8, systemTokens: 32, productTokens: 40, newTokens: 6 }
    : storefrontSize;
  const workload = storefront(size, shapes[shape].vocabulary, AT_A_TIME);
  // All variants together take long enough: answers of one round of what is in flight are compared.
  const compared = workload.excerpt ?? workload;
  const opened: Variant[] = [];
  try {
    for (const [name, options] of Object.entries(variants)) {
      const all = { weights: 'q4', maxSequences: AT_A_TIME, cacheFolder: benchCache(), ...options } as const;
      const engine = await openEngine(model, { commitMemory: 'open', ...all });
      const reference = new LazyEngine(model, { ...all, ...deterministicFormat(all.weights), commitMemory: 'never' });
      opened.push({ name, engine, reference, runs: [], agreement: { compared: 0, ties: 0, widest: 0 } });
    }
    for (const variant of opened) {
      const cold = await serveOnce(variant.engine, compared, 'check');
      const warm = await serveOnce(variant.engine, compared, 'check');
      variant.agreement = await compare(variant, cold, warm);
    }
    for (let round = 0; round < (smoke ? 1 : ROUNDS); round += 1) {
      for (const { name, engine, runs } of opened) {
        const served = await serveOnce(engine, workload, `round ${round}`);
        process.stderr.write(`  ${name}: ${served.seconds.toFixed(1)} s\n`);
        runs.push(served);
      }
    }
    return rowsOf(opened);
  } finally {
    for (const { engine, reference } of opened) {
      await engine.close();
      await reference.close();
    }
  }
}

/** Deterministic answers must be the same; others may part at a tie. */
async function compare({ name, engine, reference }: Variant, cold: Served, warm: Served): Promise<Agreement> {
  if (name !== 'deterministic') {
    try {
      return await checkAgreement(engine, cold.answers, warm.answers, reference.open);
    } catch (cause) {
      throw new Error(`${name}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }
  for (const [key, answer] of cold.answers) {
    if (!isDeepStrictEqual(warm.answers.get(key), answer))
      throw new Error('a deterministic answer differs cold and warm');
  }
  return { compared: cold.answers.size, ties: 0, widest: 0 };
}

function rowsOf(opened: readonly Variant[]): BenchRow[] {
  const [plain] = opened as [Variant, ...Variant[]];
  return opened.flatMap(({ name, runs, agreement }) => {
    const row = (what: string, unit: string, values: readonly number[], aim?: string): BenchRow =>
      measured({
        name: `options, ${name}: ${what}`,
        value: median(values),
        unit,
        aim,
        samples: values.length,
        spread: spreadOf(values),
        checked: agreement.compared,
      });
    const ratios = runs.map(({ seconds }, round) => seconds / (plain.runs[round] as Served).seconds);
    const aims: Readonly<Record<string, string>> = { deterministic: '<= 1.3 x', 'int8 pages': '<= 1.05 x' };
    return [
      row(
        'requests',
        '/s',
        runs.map(({ requestsPerSecond }) => requestsPerSecond),
      ),
      row(
        'model a step',
        'ms',
        runs.map(({ steps, stepMs }) => stepMs.run / steps),
      ),
      row('answers that part at a tie, cold and warm', '', [agreement.ties]),
      row("widest of these ties, of the logits' spread", '%', [100 * agreement.widest]),
      ...(name === plain.name ? [] : [row('time against q4 weights and float32 pages', 'x', ratios, aims[name])]),
    ];
  });
}
