/**
 * `npx pnpm@12 bench [NAME ...] [--smoke] [--save]`: runs the benches, one after the other, prints their rows and the machine, and with
 * --save keeps them as JSON under benches/results: not those of a smoke run.
 */
import { setFlagsFromString } from 'node:v8';
import { endWith, readArguments } from './arguments.ts';
import { runCacheOnOff } from './cache-on-off/cache-on-off.ts';
import { runEventLoop } from './engine/event-loop.ts';
import { runStepShare } from './engine/step-share.ts';
import { runWarmStart } from './engine/warm-start.ts';
import { benchWeights, USUAL_WEIGHTS } from './engine/workload.ts';
import { runLoadBench } from './load/load-bench.ts';
import { runMemoryBench } from './load/memory-bench.ts';
import { describeMachine } from './machine.ts';
import { runMemoryTrade } from './memory/memory-trade.ts';
import { runSoak } from './memory/soak.ts';
import { type BenchRow, formatRows } from './micro/bench-row.ts';
import { runKvBench } from './micro/kv-bench.ts';
import { runLifetimesBench } from './micro/lifetimes-bench.ts';
import type { BenchEffort } from './micro/measure.ts';
import { runOverheadBench } from './micro/overhead-bench.ts';
import { runSchedulerBench } from './micro/scheduler-bench.ts';
import { runRoofline } from './roofline/roofline-bench.ts';
import { save } from './saved-results.ts';
import { runAttentionBench } from './step/attention-bench.ts';
import { runScalingBench } from './step/scaling-bench.ts';
import { runWastedSlots } from './step/wasted-slots.ts';
import { runEngineOptions } from './throughput/engine-options.ts';
import { runNoSharing } from './throughput/no-sharing.ts';
import { runThroughput, throughputNames } from './throughput/throughput-bench.ts';

const benches: Readonly<Record<string, (effort: BenchEffort) => Promise<readonly BenchRow[]>>> = {
  kv: runKvBench,
  scheduler: runSchedulerBench,
  lifetimes: runLifetimesBench,
  'index-overhead': runOverheadBench,
  'step-share': runStepShare,
  'event-loop': runEventLoop,
  'warm-start': runWarmStart,
  load: runLoadBench,
  memory: runMemoryBench,
  ...Object.fromEntries(throughputNames.map((name) => [name, (effort: BenchEffort) => runThroughput(name, effort)])),
  'no-sharing': runNoSharing,
  options: runEngineOptions,
  attention: runAttentionBench,
  roofline: runRoofline,
  'memory-trade': runMemoryTrade,
  scaling: runScalingBench,
  'wasted-slots': runWastedSlots,
  'cache-on-off': runCacheOnOff,
  soak: runSoak,
};

await main();

async function main(): Promise<void> {
  const { values, positionals } = readArguments('bench', {
    smoke: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(benches);
  const unknown = names.filter((name) => !Object.hasOwn(benches, name));
  if (unknown.length > 0) {
    endWith('bench', `there is no ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  }
  const weights = benchWeights();
  if (values.save && weights !== USUAL_WEIGHTS) {
    endWith('bench', `results are kept of ${USUAL_WEIGHTS} weights, and OCTAVO_BENCH_WEIGHTS is ${weights}`);
  }
  const effort: BenchEffort = values.smoke ? 'smoke' : 'full';
  const machine = describeMachine();
  // As the command line does, and says why.
  if (machine.cores <= 2) setFlagsFromString('--no-parallel-scavenge');
  // Benches that open sessions of their own must not report to the runtime's maker either.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  process.stdout.write(`${JSON.stringify(machine)}\n`);
  for (const name of names) {
    process.stdout.write(`\n${name}${values.smoke ? ' (smoke run: nothing here is a figure to quote)' : ''}\n`);
    const measured = (await benches[name]?.(effort)) ?? [];
    const rows = values.smoke ? measured.map((row) => ({ ...row, aim: undefined })) : measured;
    process.stdout.write(`${formatRows(rows)}\n`);
    if (values.save) await save(name, { machine, rows });
  }
}
