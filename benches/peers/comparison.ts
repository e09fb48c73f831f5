/** The tables of the comparison: the best setting of each engine, ratios, and goals. All pure. */
import { median } from '../statistics.ts';
import { alignedColumns } from '../text-table.ts';
import { type PeerName, WEIGHT_BITS, type WeightBits, weightFormats } from './peer.ts';
import type { TriedSettings } from './settings.ts';
import type { PeerTask, TaskName } from './tasks.ts';

export interface PeerResult {
  readonly peer: PeerName;
  readonly task: TaskName;
  readonly settings: TriedSettings;
  readonly values: readonly number[];
}

/** `4 bits`: all engines with weights of 4 bits. `best`: each engine with the width that suits it best at the task. */
export type ComparedWeights = '4 bits' | 'best';

/** Both comparisons, and how to say which it is. */
export const comparedWeights: Readonly<Record<ComparedWeights, string>> = {
  '4 bits': 'weights of 4 bits everywhere',
  best: 'each engine with the weights that suit it best',
};

export interface Comparison {
  readonly task: TaskName;
  readonly figure: string;
  readonly unit: string;
  readonly weights: ComparedWeights;
  readonly against: PeerName;
  readonly octavo: BestFigure;
  readonly other: BestFigure;
  /** How many times better Octavo is. */
  readonly ratio: number;
  readonly goal: number | undefined;
}

export interface BestFigure {
  readonly value: number;
  readonly weightBits: WeightBits;
}

/** How many times better Octavo should be, with the same weights as well as with the best. */
const goals: Readonly<Partial<Record<TaskName, Partial<Record<PeerName, number>>>>> = {
  storefront: { 'node-llama-cpp': 10, 'transformers.js': 20 },
  burst: { 'node-llama-cpp': 10 },
  single: { 'node-llama-cpp': 1.2, 'transformers.js': 1.5 },
  streams: { 'node-llama-cpp': 2 },
  prefill: { 'node-llama-cpp': 1.2 },
};

/** Tasks that Octavo or the other engine did not run are left out; of `best`, also those where a width of one of them is missing. */
export function comparisons(results: readonly PeerResult[], tasks: Readonly<Record<TaskName, PeerTask>>): Comparison[] {
  const others: readonly PeerName[] = ['node-llama-cpp', 'transformers.js'];
  return (Object.keys(comparedWeights) as ComparedWeights[]).flatMap((weights) =>
    (Object.keys(tasks) as TaskName[]).flatMap((task) =>
      others.flatMap((against): Comparison[] => {
        const { figure, unit, better } = tasks[task];
        const bestOf = (peer: PeerName) =>
          bestFigure(
            results.filter((result) => result.task === task && result.peer === peer),
            { better, widths: weights === 'best' ? WEIGHT_BITS : [4] },
          );
        const [octavo, other] = [bestOf('octavo'), bestOf(against)];
        if (octavo === undefined || other === undefined) return [];
        const ratio = better === 'higher' ? octavo.value / other.value : other.value / octavo.value;
        return [{ task, figure, unit, weights, against, octavo, other, ratio, goal: goals[task]?.[against] }];
      }),
    ),
  );
}

/** By medians. Undefined: a width has no result. */
function bestFigure(
  results: readonly PeerResult[],
  { better, widths }: { readonly better: 'higher' | 'lower'; readonly widths: readonly WeightBits[] },
): BestFigure | undefined {
  const figures = widths.map((weightBits) =>
    results
      .filter(({ settings }) => settings.weightBits === weightBits)
      .map(({ values }): BestFigure => ({ value: median(values), weightBits })),
  );
  if (figures.some(({ length }) => length === 0)) return undefined;
  const sorted = figures.flat().sort((a, b) => a.value - b.value);
  return better === 'higher' ? sorted.at(-1) : sorted[0];
}

/** Results of now, and before them earlier ones of what did not run now: tasks, engines and widths. */
export function withEarlier(now: readonly PeerResult[], earlier: readonly PeerResult[]): PeerResult[] {
  const kindOf = ({ peer, task, settings }: PeerResult) => `${peer} ${task} ${settings.weightBits}`;
  const ran = new Set(now.map(kindOf));
  return [...earlier.filter((result) => !ran.has(kindOf(result))), ...now];
}

/** Undefined: the comparison has no goal. */
export function isReached({ ratio, goal }: Comparison): boolean | undefined {
  return goal === undefined ? undefined : ratio >= goal;
}

/** A table for each comparison that has rows. */
export function formatComparisons(rows: readonly Comparison[]): string {
  const tables = (Object.keys(comparedWeights) as ComparedWeights[]).flatMap((weights) => {
    const lines = rows.filter((row) => row.weights === weights).map(cellsOf);
    return lines.length === 0 ? [] : [`${comparedWeights[weights]}:\n${alignedColumns(lines)}`];
  });
  return tables.join('\n\n');
}

function cellsOf(row: Comparison): string[] {
  const { task, figure, unit, against, octavo, other, ratio, goal } = row;
  const measured = (peer: PeerName, { value, weightBits }: BestFigure) =>
    `${peer} ${value.toFixed(1)} ${unit} (${weightFormats[peer][weightBits]})`;
  return [
    `${task}: ${figure}`,
    measured('octavo', octavo),
    measured(against, other),
    `${ratio.toFixed(2)} x`,
    goal === undefined ? '' : `goal ${goal} x: ${isReached(row) ? 'reached' : 'MISSED'}`,
  ];
}
