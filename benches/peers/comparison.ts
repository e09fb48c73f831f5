/** The table of the comparison: the best setting of each engine, ratios, and goals. */
import { median } from '../statistics.ts';
import { alignedColumns } from '../text-table.ts';
import type { PeerName } from './measure-peer.ts';
import type { PeerSettings } from './peer.ts';
import type { PeerTask, TaskName } from './tasks.ts';

export interface PeerResult {
  readonly peer: PeerName;
  readonly task: TaskName;
  readonly settings: Omit<PeerSettings, 'contextTokens'>;
  readonly values: readonly number[];
}

export interface Comparison {
  readonly task: TaskName;
  readonly figure: string;
  readonly unit: string;
  readonly against: PeerName;
  readonly octavo: number;
  readonly other: number;
  /** How many times better Octavo is. */
  readonly ratio: number;
  readonly goal: number | undefined;
}

/** How many times better Octavo should be. */
const goals: Readonly<Partial<Record<TaskName, Partial<Record<PeerName, number>>>>> = {
  storefront: { 'node-llama-cpp': 10, 'transformers.js': 20 },
  burst: { 'node-llama-cpp': 10 },
  single: { 'node-llama-cpp': 1.2, 'transformers.js': 1.5 },
  streams: { 'node-llama-cpp': 2 },
  prefill: { 'node-llama-cpp': 1.2 },
};

/** Pure. Tasks that Octavo or the other engine did not run are left out. */
export function comparisons(results: readonly PeerResult[], tasks: Readonly<Record<TaskName, PeerTask>>): Comparison[] {
  const others: readonly PeerName[] = ['node-llama-cpp', 'transformers.js'];
  return (Object.keys(tasks) as TaskName[]).flatMap((task) =>
    others.flatMap((against): Comparison[] => {
      const { figure, unit, better } = tasks[task];
      const octavo = bestOf(results, { task, better, peer: 'octavo' });
      const other = bestOf(results, { task, better, peer: against });
      if (octavo === undefined || other === undefined) return [];
      const ratio = better === 'higher' ? octavo / other : other / octavo;
      return [{ task, figure, unit, against, octavo, other, ratio, goal: goals[task]?.[against] }];
    }),
  );
}

function bestOf(
  results: readonly PeerResult[],
  of: { readonly task: TaskName; readonly peer: PeerName; readonly better: 'higher' | 'lower' },
): number | undefined {
  const medians = results
    .filter(({ task, peer }) => task === of.task && peer === of.peer)
    .map(({ values }) => median(values));
  if (medians.length === 0) return undefined;
  return of.better === 'higher' ? Math.max(...medians) : Math.min(...medians);
}

/** Pure. */
export function formatComparisons(rows: readonly Comparison[]): string {
  const lines = rows.map(({ task, figure, unit, against, octavo, other, ratio, goal }) => [
    `${task}: ${figure}`,
    `octavo ${octavo.toFixed(1)} ${unit}`,
    `${against} ${other.toFixed(1)} ${unit}`,
    `${ratio.toFixed(2)} x`,
    goal === undefined ? '' : `goal ${goal} x: ${ratio >= goal ? 'reached' : 'MISSED'}`,
  ]);
  return alignedColumns(lines);
}
