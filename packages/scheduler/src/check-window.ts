import { NULL_PAGE, pagesFor } from '@octavo/kv';
import type { PlanInspection, PlannedSequence } from './plan-inspection.ts';
import type { LevelPlan, StepPlan, WindowLevelPlan, WindowPlan } from './step-plan.ts';

interface WindowCheck {
  readonly plan: StepPlan;
  readonly window: WindowPlan;
  /** Tokens a page. */
  readonly pageSize: number;
  readonly violations: string[];
}

/** A row whose reads are expanded back into positions. */
interface CheckedRow {
  readonly row: number;
  readonly sequence: PlannedSequence;
  /** [past tokens] how often each position is read, masked by the window. */
  readonly counts: Uint8Array;
}

/**
 * Checks what the rows of `plan` read through a window: every position of the past that the window holds once and, of the others, only
 * what lies in a page that another row of the group needs. Precondition: rows agree with sequences. O(rows x positions).
 */
export function checkWindow(
  plan: StepPlan,
  window: WindowPlan,
  inspection: PlanInspection,
  violations: string[],
): void {
  const check: WindowCheck = { plan, window, pageSize: inspection.pageSize, violations };
  for (const [name, level] of window.levels.entries()) checkGroups(check, name, level);
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const sequence = inspection.planned(plan.sequences[place]!);
    if (sequence === undefined) continue;
    const first = plan.firstRow[place]!;
    for (let row = first; row < first + plan.scheduledTokens[place]!; row += 1) checkRow(check, sequence, row);
  }
}

function checkRow(check: WindowCheck, sequence: PlannedSequence, row: number): void {
  const { plan, window, violations } = check;
  const checked = { row, sequence, counts: new Uint8Array(sequence.computedTokens) };
  for (const [name, level] of window.levels.entries()) {
    if (level.groupCount > 0) addReads(check, { ...checked, level, full: plan.levels[name]! });
  }
  const lowest = Math.max(0, plan.positions[row]! - window.window + 1);
  const wrong = checked.counts.findIndex((count, position) => count !== (position >= lowest ? 1 : 0));
  if (wrong < 0) return;
  violations.push(`window ${window.window}: row ${row} reads position ${wrong} ${checked.counts[wrong]} times`);
}

interface LevelRead extends CheckedRow {
  readonly level: WindowLevelPlan;
  readonly full: LevelPlan;
}

function addReads({ plan, window, pageSize, violations }: WindowCheck, read: LevelRead): void {
  const { level, full, row, sequence, counts } = read;
  const group = Math.floor(full.rowAt[row]! / full.rowsPerGroup);
  const first = level.firstPositions[group]!;
  for (let token = 0; token < level.tokens[group]!; token += 1) {
    const position = first + token;
    const page = level.pages[group * level.pagesPerGroup + Math.floor(token / pageSize)]!;
    if (sequence.pageTable[Math.floor(position / pageSize)] !== page) {
      violations.push(`window ${window.window}: row ${row} finds page ${page} at position ${position}`);
      return;
    }
    if (plan.positions[row]! - position >= window.window) continue;
    if (position < counts.length) counts[position] = counts[position]! + 1;
    else violations.push(`window ${window.window}: row ${row} reads position ${position} of its own step`);
  }
}

/** Groups are those of the full level; each begins with a page that some row of it sees, and is padded behind its tokens. */
function checkGroups({ plan, window, pageSize, violations }: WindowCheck, name: number, level: WindowLevelPlan): void {
  const full = plan.levels[name]!;
  const at = `window ${window.window}, level ${name}`;
  if (level.groupCount !== 0 && level.groupCount !== full.groupCount)
    violations.push(`${at}: ${level.groupCount} groups, not ${full.groupCount}`);
  for (let group = 0; group < level.groupCount; group += 1) {
    const tokens = level.tokens[group]!;
    const first = level.firstPositions[group]!;
    if (first % pageSize !== 0) violations.push(`${at}: group ${group} begins at position ${first}, inside a page`);
    for (let page = 0; page < level.pagesPerGroup; page += 1) {
      const isNull = level.pages[group * level.pagesPerGroup + page] === NULL_PAGE;
      if (isNull !== page >= pagesFor(tokens, pageSize))
        violations.push(`${at}: group ${group}, page ${page}: padding`);
    }
    if (tokens === 0) continue;
    const places = Array.from({ length: full.rowsPerGroup }, (_, place) => group * full.rowsPerGroup + place);
    const rows = places.filter((place) => full.rowAt[full.rows[place]!] === place).map((place) => full.rows[place]!);
    const lastOfPage = first + Math.min(tokens, pageSize) - 1;
    if (!rows.some((row) => plan.positions[row]! - lastOfPage < window.window))
      violations.push(`${at}: no row of group ${group} sees its first page`);
  }
}
