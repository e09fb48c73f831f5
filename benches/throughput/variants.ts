/** The ways in which a workload is served: with sharing, without, and with the naive index. */
import { type Engine, type EngineOptions, openEngine } from 'octavo';
import { checkAgreement } from './agreement.ts';
import { type Served, serveOnce } from './serve.ts';
import type { Workload } from './workload.ts';

export const variants = {
  'sharing on': {},
  'sharing off': { sharing: false },
  'naive index': { index: 'linear' },
} as const satisfies Record<string, EngineOptions>;

export type VariantName = keyof typeof variants;

/** Says on standard error how far a bench is: some take minutes. */
export function progress(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

export interface ThroughputSetting {
  /** Folder of the model that is measured. */
  readonly model: string;
  readonly options: EngineOptions;
  /** Runs of "sharing on" that are timed; the others are timed once. */
  readonly runs: number;
}

export interface VariantResult {
  readonly variant: VariantName;
  /** In the order of time. */
  readonly runs: readonly Served[];
  readonly compared: number;
  readonly ties: number;
}

/**
 * Effect: serves the workload in every variant, a checked run before the timed ones. The first run of "sharing on" is what the others are
 * compared with; an answer that differs where there is no tie ends the bench.
 */
export async function serveVariants(workload: Workload, setting: ThroughputSetting): Promise<VariantResult[]> {
  const results: VariantResult[] = [];
  let expected: Served['answers'] | undefined;
  for (const variant of Object.keys(variants) as VariantName[]) {
    const served = variant === 'sharing off' ? (workload.excerpt ?? workload) : workload;
    const engine = await openEngine(setting.model, { ...setting.options, ...variants[variant] });
    try {
      const first = await serveOnce(engine, served, 'check');
      expected ??= first.answers;
      const { compared, ties } = await checkAgreement(engine, expected, first.answers);
      progress(`${workload.name}, ${variant}: checked in ${first.seconds.toFixed(1)} s`);
      const runs = await timedRuns(engine, served, variant === 'sharing on' ? setting.runs : 1);
      progress(`${workload.name}, ${variant}: ${runs.map((run) => run.seconds.toFixed(1)).join(', ')} s`);
      const violations = await engine.audit();
      if (violations.length > 0) throw new Error(`invariants are violated: ${violations.join('; ')}`);
      results.push({ variant, runs, compared, ties });
    } finally {
      await engine.close();
    }
  }
  return results;
}

async function timedRuns(engine: Engine, workload: Workload, count: number): Promise<Served[]> {
  const runs: Served[] = [];
  while (runs.length < count) runs.push(await serveOnce(engine, workload, `run ${runs.length}`));
  return runs;
}
