/** A bar of where memory goes. */
import type { MemoryPlan } from './memory-plan.ts';

export interface BarPart {
  readonly name: 'weights' | 'workspace' | 'pages' | 'missing';
  readonly bytes: number;
  /** Characters of the bar. */
  readonly width: number;
}

/**
 * Parts of a bar of `width` characters, in order. Whatever is there at all has a character; the largest part takes what rounding
 * leaves. When weights and workspace are more than the memory, the bar is theirs and ends with what is missing. Pure.
 */
export function barParts({ bytes, weightBytes, workspaceBytes, pageBytes }: MemoryPlan, width: number): BarPart[] {
  const missing = Math.max(0, weightBytes + workspaceBytes - bytes);
  const sizes: readonly Omit<BarPart, 'width'>[] =
    missing === 0
      ? [
          { name: 'weights', bytes: weightBytes },
          { name: 'workspace', bytes: workspaceBytes },
          { name: 'pages', bytes: pageBytes },
        ]
      : [
          { name: 'weights', bytes: Math.min(weightBytes, bytes) },
          { name: 'workspace', bytes: Math.max(0, bytes - weightBytes) },
          { name: 'missing', bytes: missing },
        ];
  const there = sizes.filter((part) => part.bytes > 0);
  const total = there.reduce((sum, part) => sum + part.bytes, 0);
  const widths = there.map((part) => Math.max(1, Math.round((width * part.bytes) / total)));
  const largest = widths.indexOf(Math.max(...widths));
  const rest = width - widths.reduce((sum, count) => sum + count, 0);
  return there.map((part, at) => ({ ...part, width: (widths[at] ?? 0) + (at === largest ? rest : 0) }));
}
