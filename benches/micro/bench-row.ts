import { alignedColumns } from '../text-table.ts';

/** One line of a bench's result. */
export interface BenchRow {
  readonly name: string;
  /** What `value` should reach, in the same unit: "<= 20 us", ">= 20 million/s". Undefined for rows that only compare. */
  readonly aim: string | undefined;
  readonly value: number;
  readonly unit: string;
  /** Half width of the 95 % confidence interval of the mean; undefined where `value` is not a mean of samples. */
  readonly relativeMarginPercent: number | undefined;
  /** Smallest and largest round, where `value` is the median of rounds. */
  readonly spread: { readonly low: number; readonly high: number } | undefined;
  /** Measured rounds. */
  readonly samples: number;
  /** Answers that were compared with independently known ones before anything was timed; never 0. */
  readonly checked: number;
}

/** What `measured` needs: the rest has a default. */
export type MeasuredFields = Pick<BenchRow, 'name' | 'value' | 'unit' | 'samples' | 'checked'> & {
  readonly aim?: string | undefined;
  readonly relativeMarginPercent?: number | undefined;
  readonly spread?: BenchRow['spread'];
};

/** A row from what was measured. Pure. */
export function measured(fields: MeasuredFields): BenchRow {
  return { aim: undefined, relativeMarginPercent: undefined, spread: undefined, ...fields };
}

/** Does the row reach its aim? True for rows without one. Pure. Throws when the aim is not "<= number unit" or ">= number unit". */
export function reachesAim({ name, aim, value, unit }: BenchRow): boolean {
  if (aim === undefined) return true;
  const [, order, bound, aimUnit] = /^(<=|>=) ([0-9.]+) (.+)$/.exec(aim) ?? [];
  if (aimUnit !== unit) throw new Error(`The aim "${aim}" of "${name}" is not a bound in ${unit}.`);
  return order === '<=' ? value <= Number(bound) : value >= Number(bound);
}

/** The rows as a table for a terminal. Pure. */
export function formatRows(rows: readonly BenchRow[]): string {
  const lines = rows.map((row) => {
    const margin = row.relativeMarginPercent === undefined ? '' : ` ±${row.relativeMarginPercent.toFixed(1)} %`;
    const spread = row.spread === undefined ? '' : ` (${row.spread.low.toFixed(2)} to ${row.spread.high.toFixed(2)})`;
    const aim = row.aim === undefined ? '' : `aim ${row.aim}: ${reachesAim(row) ? 'reached' : 'MISSED'}`;
    return [
      row.name,
      `${row.value.toFixed(2)} ${row.unit}${margin}${spread}`,
      `${row.samples} samples`,
      `${row.checked} checked`,
      aim,
    ];
  });
  return alignedColumns(lines);
}
