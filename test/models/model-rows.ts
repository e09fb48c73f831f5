/**
 * The rows of the table in docs/models.md, made from the lists of cases that the tests beside this file run. A list of another kind of
 * source gets a function here, and its place in `rowSources`.
 */
import { exportCases } from './export-cases.ts';
import { goldenCases } from './golden-cases.ts';
import { referenceCases } from './reference-cases.ts';

export interface ModelRow {
  /** As in `architectures` of config.json. */
  readonly architecture: string;
  /** What the model was read from. */
  readonly source: string;
  /** What its weights run as. */
  readonly weights: string;
  /** What its outputs were compared with. */
  readonly checked: string;
}

const rowSources: readonly (() => readonly ModelRow[])[] = [goldenRows, exportRows, referenceRows, packedRows];

/** Sorted by architecture; those of one architecture in the order of `rowSources`. */
export function modelRows(): readonly ModelRow[] {
  const rows = rowSources.flatMap((rowsOf) => rowsOf());
  return rows.toSorted((left, right) =>
    left.architecture < right.architecture ? -1 : left.architecture > right.architecture ? 1 : 0,
  );
}

/** The table as Markdown, its columns aligned. */
export function modelTable(): string {
  const header = ['architecture', 'source', 'weights', 'checked how'];
  const cells = modelRows().map(({ architecture, source, weights, checked }) => [
    `\`${architecture}\``,
    source,
    weights,
    checked,
  ]);
  const widths = header.map((title, at) => Math.max(title.length, ...cells.map((row) => row[at]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}

function goldenRows(): readonly ModelRow[] {
  return goldenCases.map(({ architecture, stored }) => ({
    architecture,
    source: `safetensors ${stored}`,
    weights: 'f32',
    checked: 'golden ids and logits: cold, cached, mixed batch, pages of 4 and 16',
  }));
}

function exportRows(): readonly ModelRow[] {
  return exportCases.map(({ architecture, attention, weights }) => ({
    architecture,
    source: `ONNX, ${attention}`,
    weights,
    checked: 'golden ids and logits: cold, cached, mixed batch, pages of 4 and 16',
  }));
}

function referenceRows(): readonly ModelRow[] {
  return referenceCases.map(({ architecture, about }) => ({
    architecture,
    source: 'safetensors F32',
    weights: 'f32',
    checked: `float64 reference: ${about}`,
  }));
}

function packedRows(): readonly ModelRow[] {
  const stored = new Map<string, Set<string>>();
  for (const { architecture, stored: dtype } of goldenCases) stored.set(architecture, new Set([dtype]));
  for (const { architecture } of referenceCases)
    stored.set(architecture, (stored.get(architecture) ?? new Set()).add('F32'));
  return [...stored].map(([architecture, dtypes]) => ({
    architecture,
    source: `safetensors ${[...dtypes].sort().join(', ')}`,
    weights: 'q8, q4, w8a8, q4+w8a8',
    checked: 'float64 reference with rounded weights and activations',
  }));
}
