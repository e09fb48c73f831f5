import Benchmark from 'benchmark';
import { type BenchRow, measured } from './bench-row.ts';

/** What is to be timed. */
export interface BenchCase {
  readonly name: string;
  readonly aim?: string | undefined;
  /** `us`: a time an operation. `million/s`: operations a second. */
  readonly unit: 'us' | 'million/s';
  /** Runs before the timing: throws when an answer is wrong, returns how many it compared. */
  readonly check: () => number;
  readonly run: () => void;
  /** Operations that one `run` does. Default 1. */
  readonly operations?: number;
}

/** How long to measure. `smoke` only shows that the bench works. */
export type BenchEffort = 'full' | 'smoke';

/** Checks a case, then times it with `benchmark` (which warms it up and repeats it until the mean is steady). */
export function measure(benchCase: BenchCase, effort: BenchEffort): BenchRow {
  const checked = benchCase.check();
  const limits = effort === 'smoke' ? { maxTime: 0.05, minSamples: 2 } : { maxTime: 2, minSamples: 30 };
  const bench = new Benchmark(benchCase.name, benchCase.run, limits);
  bench.run({ async: false });
  if (bench.error !== undefined) throw new Error(`The bench "${benchCase.name}" failed.`, { cause: bench.error });
  const perSecond = bench.hz * (benchCase.operations ?? 1);
  return measured({
    name: benchCase.name,
    aim: benchCase.aim,
    value: benchCase.unit === 'us' ? 1e6 / perSecond : perSecond / 1e6,
    unit: benchCase.unit,
    relativeMarginPercent: bench.stats.rme,
    samples: bench.stats.sample.length,
    checked,
  });
}
