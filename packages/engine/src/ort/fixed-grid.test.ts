import { createKvCache } from '@octavo/kv';
import { createScheduler, type StepPlan } from '@octavo/scheduler';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FixedGrid, type GridLevelColumns } from './fixed-grid.ts';

const BLOCK_TOKENS = 256;

/** Prompts of two trunks, cut anywhere. */
const prompt = (trunk: number, length: number, ending: number) =>
  Uint32Array.from({ length: length + 1 }, (_, i) => (i === length ? 900 + ending : trunk * 400 + (i % 399)));

interface Setting {
  readonly pageSize: number;
  readonly tokenBudget: number;
}

function rig({ pageSize, tokenBudget }: Setting) {
  const scheduler = createScheduler({
    kv: createKvCache({ pages: 1 + 16_384 / pageSize, pageSize }),
    maxSequences: 8,
    tokenBudget,
    maxWaiting: 100,
    attention: 'flat',
  });
  const submit = (tokens: Uint32Array, maxTokens: number) =>
    scheduler.submit({ prompt: tokens, maxTokens, salt: '', priority: 0, mode: 'share', logits: 'last' });
  const commit = (plan: StepPlan) => {
    const tokens = Int32Array.from({ length: plan.headCount }, (_, head) => plan.headRow[head] as number);
    scheduler.commit(plan, { tokens, stops: new Uint8Array(plan.headCount) });
  };
  return { scheduler, submit, commit };
}

/** What a row reads in one of its blocks, found by its place. */
function groupAt(grid: FixedGrid, place: number) {
  let first = 1;
  for (const level of grid.levels) {
    const places = Math.max(level.groupCount * level.rowsPerGroup, 1);
    if (place < first + places) {
      const group = Math.floor((place - first) / level.rowsPerGroup);
      const pages = [...level.pages.subarray(group * level.pagesPerGroup, (group + 1) * level.pagesPerGroup)];
      return { level, group, row: level.rows[place - first], first: level.first[group], pages };
    }
    first += places;
  }
  throw new Error(`no level has place ${place}`);
}

/** The pages that the flat plan gives a sequence, those of the step included. */
function tableOf(plan: StepPlan, place: number, pageSize: number): number[] {
  const firstRow = plan.firstRow[place] as number;
  const past = plan.positions[firstRow] as number;
  const pages: number[] = [];
  for (const level of plan.levels) {
    if (past === 0 || level.groupCount === 0) continue;
    const group = Math.floor((level.rowAt[firstRow] as number) / level.rowsPerGroup);
    if (level.tokens[group] !== past) continue;
    for (let page = 0; page < Math.ceil(past / pageSize); page += 1)
      pages[page] = level.pages[group * level.pagesPerGroup + page] as number;
    break;
  }
  for (let row = firstRow; row < firstRow + (plan.scheduledTokens[place] as number); row += 1) {
    const index = Math.floor((plan.positions[row] as number) / pageSize);
    pages[index] = Math.floor((plan.slots[row] as number) / pageSize);
  }
  return pages;
}

function check(grid: FixedGrid, plan: StepPlan, pageSize: number): { wholeReads: number; wholeGroups: number } {
  const wholes = new Set<string>();
  const seen = new Set<number>();
  let wholeReads = 0;
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const table = tableOf(plan, place, pageSize);
    const past = plan.positions[plan.firstRow[place] as number] as number;
    const firstRow = plan.firstRow[place] as number;
    for (let row = firstRow; row < firstRow + (plan.scheduledTokens[place] as number); row += 1) {
      const last = Math.floor((plan.positions[row] as number) / BLOCK_TOKENS);
      for (let block = 0; block < grid.blocksPerRow; block += 1) {
        const at = grid.partAt[row * grid.blocksPerRow + block] as number;
        if (block > last) {
          if (at !== 0) throw new Error(`row ${row} reads block ${block} behind its last one`);
          continue;
        }
        if (seen.has(at)) throw new Error(`place ${at} is given twice`);
        seen.add(at);
        const isWhole = (block + 1) * BLOCK_TOKENS <= past;
        const pages = table.slice((block * BLOCK_TOKENS) / pageSize, ((block + 1) * BLOCK_TOKENS) / pageSize);
        const found = groupAt(grid, at);
        const read = [found.level.kind, found.row, found.first, ...found.pages.filter((page) => page !== 0)].join();
        const expected = [isWhole ? 'whole' : 'written', row, block * BLOCK_TOKENS, ...pages].join();
        if (read !== expected) throw new Error(`row ${row} reads ${read} instead of ${expected}`);
        if (!isWhole) continue;
        wholeReads += 1;
        wholes.add(`${block}:${pages}`);
      }
    }
  }
  checkWritten(grid, plan, pageSize);
  const wholeGroups = groupsOf(grid, 'whole');
  expect(wholeGroups).toBe(wholes.size);
  return { wholeReads, wholeGroups };
}

function groupsOf(grid: FixedGrid, kind: GridLevelColumns['kind']): number {
  return grid.levels.reduce((sum, level) => sum + (level.kind === kind ? level.groupCount : 0), 0);
}

/** Every row of the step stands once where its page will hold it. */
function checkWritten(grid: FixedGrid, plan: StepPlan, pageSize: number): void {
  const slots = new Map<number, number>();
  for (const { kind, writtenCount, written, writtenAt, pages } of grid.levels) {
    if (kind === 'whole') expect(writtenCount).toBe(0);
    for (let i = 0; i < writtenCount; i += 1) {
      const at = writtenAt[i] as number;
      const page = pages[Math.floor(at / pageSize)] as number;
      expect(slots.has(written[i] as number)).toBe(false);
      slots.set(written[i] as number, page * pageSize + (at % pageSize));
    }
  }
  expect(slots.size).toBe(plan.rowCount);
  for (const [row, slot] of slots) expect(slot).toBe(plan.slots[row]);
}

describe('FixedGrid', () => {
  it('gives every row each of its blocks once, with the pages of its table, and reads equal blocks once', () => {
    let shared = 0;
    fc.assert(
      fc.property(
        fc.record({
          arrivals: fc.array(
            fc.record({
              trunk: fc.nat({ max: 1 }),
              length: fc.constantFrom(3, 200, 255, 256, 300, 511, 600, 800),
              ending: fc.nat({ max: 5 }),
              atStep: fc.nat({ max: 12 }),
            }),
            { minLength: 1, maxLength: 12 },
          ),
          pageSize: fc.constantFrom(4, 16, 64),
          tokenBudget: fc.constantFrom(40, 256, 1000),
          leastRows: fc.constantFrom(1, 2),
        }),
        ({ arrivals, leastRows, ...setting }) => {
          const { scheduler, submit, commit } = rig(setting);
          const grid = new FixedGrid({ pageSize: setting.pageSize, leastRows });
          const waiting = [...arrivals].sort((left, right) => left.atStep - right.atStep);
          for (let step = 0; waiting.length > 0 || scheduler.runningCount + scheduler.waitingCount > 0; step += 1) {
            const isIdle = scheduler.runningCount + scheduler.waitingCount === 0;
            while (waiting[0] !== undefined && (isIdle || waiting[0].atStep <= step)) {
              const { trunk, length, ending } = waiting.shift() as (typeof arrivals)[number];
              submit(prompt(trunk, length, ending), 4);
            }
            const plan = scheduler.plan() as StepPlan;
            grid.build(plan);
            for (const { groupCount, rowsPerGroup } of grid.levels)
              if (groupCount > 0) expect(rowsPerGroup).toBeGreaterThanOrEqual(leastRows);
            const { wholeReads, wholeGroups } = check(grid, plan, setting.pageSize);
            shared += plan.sequenceCount === plan.rowCount ? wholeReads - wholeGroups : 0;
            commit(plan);
          }
        },
      ),
      { numRuns: 20, seed: 17 },
    );
    expect(shared).toBeGreaterThan(0);
  });
});
