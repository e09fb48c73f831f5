/** The tables and the chart of docs/performance.md that compare with other engines. All pure. */
import {
  type BestFigure,
  type ComparedWeights,
  type Comparison,
  comparedWeights,
  isReached,
} from '../peers/comparison.ts';
import { type PeerName, weightFormats } from '../peers/peer.ts';
import { figureText } from './figure-text.ts';
import { type Bar, barChart } from './svg.ts';

const kinds = Object.keys(comparedWeights) as ComparedWeights[];

/** Both comparisons, each below a line that counts its goals. */
export function peerTables(comparisons: readonly Comparison[]): string {
  return kinds
    .map((weights) => {
      const about = comparedWeights[weights];
      const caption = `${about[0]?.toUpperCase()}${about.slice(1)}`;
      const rows = comparisons.filter((comparison) => comparison.weights === weights);
      if (rows.length === 0) return `**${caption}**: _not measured yet, as that takes results of both widths._`;
      const judged = rows.map(isReached).filter((reached) => reached !== undefined);
      const reached = judged.filter((one) => one).length;
      return `**${caption}**: ${reached} of ${judged.length} goals reached.\n\n${peerTable(rows)}`;
    })
    .join('\n\n');
}

function peerTable(rows: readonly Comparison[]): string {
  const lines = rows.map((row) => {
    const { task, figure, unit, against, octavo, other, ratio, goal } = row;
    const measured = (peer: PeerName, { value, weightBits }: BestFigure) =>
      `${figureText(value)} ${unit} (${weightFormats[peer][weightBits]})`;
    const reached = goal === undefined ? '' : `${goal} x: ${isReached(row) ? 'reached' : '**missed**'}`;
    return `| ${task}: ${figure} | ${measured('octavo', octavo)} | ${against} | ${measured(against, other)} | ${ratio.toFixed(2)} x | ${reached} |`;
  });
  return [
    '| task | Octavo | against | it | times better | goal |',
    '| --- | --: | --- | --: | --: | --- |',
    ...lines,
  ].join('\n');
}

/** A bar for each comparison: those of one task and engine below each other, one colour a kind of weights. */
export function peerChart(comparisons: readonly Comparison[]): { readonly title: string; readonly svg: string } {
  const order: readonly ComparedWeights[] = ['best', '4 bits'];
  const pairOf = ({ task, against }: Comparison) => `${task}, against ${against}`;
  const bars = [...new Set(comparisons.map(pairOf))].flatMap((label) =>
    order.flatMap((weights, series): Bar[] =>
      comparisons
        .filter((comparison) => comparison.weights === weights && pairOf(comparison) === label)
        .map(({ ratio, goal }) => ({ label, value: ratio, text: `${ratio.toFixed(2)} x`, goal, series })),
    ),
  );
  const title = 'How many times better Octavo is (red: the goal)';
  return { title, svg: barChart({ title, bars, series: ['best weights', 'weights of 4 bits'] }) };
}
