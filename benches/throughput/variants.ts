/** The ways in which a workload is served: with sharing, without, and with the naive index. */
import { type Engine, type EngineOptions, openEngine } from 'octavo';
import { type Agreement, checkAgreement, deterministicFormat, type OpenReference } from './agreement.ts';
import { LazyEngine } from './lazy-engine.ts';
import { type Served, serveOnce } from './serve.ts';
import type { Workload } from './workload.ts';

const variants = {
  'sharing on': {},
  'sharing off': { sharing: false },
  'naive index': { index: 'linear' },
} as const satisfies Record<string, EngineOptions>;

type VariantName = keyof typeof variants;

/** Says on standard error how far a bench is: some take minutes. */
function progress(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

interface ThroughputSetting {
  /** Folder of the model that is measured. */
  readonly model: string;
  readonly options: EngineOptions;
  /** Runs of "sharing on" that are timed; the others are timed once. */
  readonly runs: number;
}

export interface VariantResult extends Agreement {
  readonly variant: VariantName;
  /** In the order of time. */
  readonly runs: readonly Served[];
}

interface Opened {
  readonly variant: VariantName;
  readonly engine: Engine;
  readonly workload: Workload;
  readonly timed: number;
}

/**
 * Effect: opens an engine a variant, serves the workload once in each and compares the answers, then times them in turns. An answer that
 * differs where there is no tie ends the bench before anything is timed.
 */
export async function serveVariants(workload: Workload, setting: ThroughputSetting): Promise<VariantResult[]> {
  const opened: Opened[] = [];
  const reference = new LazyEngine(setting.model, {
    ...setting.options,
    ...deterministicFormat(setting.options.weights),
    commitMemory: 'never',
  });
  try {
    for (const variant of Object.keys(variants) as VariantName[]) {
      opened.push({
        variant,
        engine: await openEngine(setting.model, { commitMemory: 'open', ...setting.options, ...variants[variant] }),
        workload: variant === 'sharing off' ? (workload.excerpt ?? workload) : workload,
        timed: variant === 'sharing on' ? setting.runs : 1,
      });
    }
    const agreements = await compareVariants(opened, reference.open);
    const runs = await timeVariants(opened);
    for (const { engine } of opened) {
      const violations = await engine.audit();
      if (violations.length > 0) throw new Error(`invariants are violated: ${violations.join('; ')}`);
    }
    return opened.map(({ variant }) => ({ variant, runs: runs[variant], ...agreements[variant] }));
  } finally {
    for (const { engine } of opened) await engine.close();
    await reference.close();
  }
}

/** What each variant is compared with: another one, so that no answer proves itself. */
const references: Readonly<Record<VariantName, VariantName>> = {
  'sharing on': 'sharing off',
  'sharing off': 'sharing on',
  'naive index': 'sharing on',
};

async function compareVariants(
  opened: readonly Opened[],
  openReference: OpenReference,
): Promise<Record<VariantName, Agreement>> {
  const answers = await forEach(opened, async ({ variant, engine, workload }) => {
    const served = await serveOnce(engine, workload, 'check');
    progress(`${workload.name}, ${variant}: answered in ${served.seconds.toFixed(1)} s`);
    return served.answers;
  });
  return forEach(opened, ({ variant, engine }) =>
    checkAgreement(engine, answers[references[variant]], answers[variant], openReference),
  );
}

async function timeVariants(opened: readonly Opened[]): Promise<Record<VariantName, Served[]>> {
  const runs = await forEach(opened, async (): Promise<Served[]> => []);
  for (let round = 0; opened.some(({ timed }) => round < timed); round += 1) {
    for (const { variant, engine, workload, timed } of opened) {
      if (round >= timed) continue;
      const served = await serveOnce(engine, workload, `round ${round}`);
      progress(`${workload.name}, ${variant}: ${served.seconds.toFixed(1)} s`);
      runs[variant].push(served);
    }
  }
  return runs;
}

/** One after the other: variants that run at the same time would take the processor from each other. */
async function forEach<Value>(
  opened: readonly Opened[],
  work: (one: Opened) => Promise<Value>,
): Promise<Record<VariantName, Value>> {
  const values: Partial<Record<VariantName, Value>> = {};
  for (const one of opened) values[one.variant] = await work(one);
  return values as Record<VariantName, Value>;
}
