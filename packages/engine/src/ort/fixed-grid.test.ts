import { createKvCache } from '@octavo/kv';
import {
  createScheduler,
  type LevelPlan,
  type PlannedSequence,
  RecomputeScheduler,
  type StepPlan,
} from '@octavo/scheduler';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FixedGrid, type GridLevelColumns } from './fixed-grid.ts';

/** A block has at least this many tokens, in whole pages. */
const LEAST_BLOCK_TOKENS = 256;

/** Prompts of two trunks, cut anywhere. */
const prompt = (trunk: number, length: number, ending: number) =>
  Uint32Array.from({ length: length + 1 }, (_, i) => (i === length ? 900 + ending : trunk * 400 + (i % 399)));

interface Setting {
  readonly pageSize: number;
  readonly tokenBudget: number;
}

function rig({ pageSize, tokenBudget }: Setting) {
  const scheduler = createScheduler({
    kv: createKvCache({ pages: 1 + Math.ceil(16_384 / pageSize), pageSize }),
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
  const pagesOf = (sequence: number) => {
    const { pageTable, pageCount } = scheduler.inspect().planned(sequence) as PlannedSequence;
    return [...pageTable.subarray(0, pageCount)];
  };
  return { scheduler, submit, commit, pagesOf };
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

interface Built {
  readonly grid: FixedGrid;
  readonly plan: StepPlan;
  readonly pageSize: number;
  /** Of a sequence, as its scheduler has it. */
  readonly pagesOf: (sequence: number) => readonly number[];
}

function check({ grid, plan, pageSize, pagesOf }: Built): { wholeReads: number; wholeGroups: number } {
  const blockTokens = Math.ceil(LEAST_BLOCK_TOKENS / pageSize) * pageSize;
  expect(grid.blocksPerRow <= 2 || grid.blocksPerRow % 4 === 0).toBe(true);
  const wholes = new Set<string>();
  const seen = new Set<number>();
  let wholeReads = 0;
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const table = pagesOf(plan.sequences[place] as number);
    const past = plan.positions[plan.firstRow[place] as number] as number;
    const firstRow = plan.firstRow[place] as number;
    for (let row = firstRow; row < firstRow + (plan.scheduledTokens[place] as number); row += 1) {
      const last = Math.floor((plan.positions[row] as number) / blockTokens);
      for (let block = 0; block < grid.blocksPerRow; block += 1) {
        const at = grid.partAt[block * plan.rowCount + row] as number;
        if (block > last) {
          if (at !== 0) throw new Error(`row ${row} reads block ${block} behind its last one`);
          continue;
        }
        if (seen.has(at)) throw new Error(`place ${at} is given twice`);
        seen.add(at);
        const isWhole = (block + 1) * blockTokens <= past;
        const pages = table.slice((block * blockTokens) / pageSize, ((block + 1) * blockTokens) / pageSize);
        const found = groupAt(grid, at);
        const read = [found.level.kind, found.row, found.first, ...found.pages.filter((page) => page !== 0)].join();
        const expected = [isWhole ? 'whole' : 'written', row, block * blockTokens, ...pages].join();
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

/** Every row of the step stands once in the block of its position, and there where its page will hold it. */
function checkWritten(grid: FixedGrid, plan: StepPlan, pageSize: number): void {
  const seen = new Set<number>();
  for (const { kind, writtenCount, written, writtenAt, pages, pagesPerGroup, first } of grid.levels) {
    if (kind === 'whole') expect(writtenCount).toBe(0);
    for (let i = 0; i < writtenCount; i += 1) {
      const at = writtenAt[i] as number;
      const row = written[i] as number;
      const width = pagesPerGroup * pageSize;
      expect((first[Math.floor(at / width)] as number) + (at % width)).toBe(plan.positions[row]);
      const page = pages[Math.floor(at / pageSize)] as number;
      if (plan.writes) expect(page * pageSize + (at % pageSize)).toBe(plan.slots[row]);
      expect(seen.has(row)).toBe(false);
      seen.add(row);
    }
  }
  expect(seen.size).toBe(plan.rowCount);
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
              length: fc.constantFrom(3, 200, 255, 256, 300, 511, 600, 800, 1500),
              ending: fc.nat({ max: 5 }),
              atStep: fc.nat({ max: 12 }),
            }),
            { minLength: 1, maxLength: 12 },
          ),
          pageSize: fc.constantFrom(4, 16, 24, 64, 512),
          tokenBudget: fc.constantFrom(40, 256, 1000),
          leastRows: fc.constantFrom(1, 2),
        }),
        ({ arrivals, leastRows, ...setting }) => {
          const { scheduler, submit, commit, pagesOf } = rig(setting);
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
            const { wholeReads, wholeGroups } = check({ grid, plan, pageSize: setting.pageSize, pagesOf });
            shared += plan.sequenceCount === plan.rowCount ? wholeReads - wholeGroups : 0;
            commit(plan);
          }
        },
      ),
      { numRuns: 20, seed: 17 },
    );
    expect(shared).toBeGreaterThan(0);
  });

  it('gives every row all blocks of its sequence where nothing is kept', () => {
    const scheduler = new RecomputeScheduler({ maxSequences: 4, tokenBudget: 2000, maxWaiting: 10 });
    for (const length of [3, 700, 255, 900]) {
      const tokens = prompt(0, length, length);
      scheduler.submit({ prompt: tokens, maxTokens: 2, salt: '', priority: 0, mode: 'bypass', logits: 'all' });
    }
    const grid = new FixedGrid({ pageSize: 16, leastRows: 1 });
    const plan = scheduler.plan() as StepPlan;
    expect([plan.writes, plan.sequenceCount, plan.rowCount]).toEqual([false, 4, 1862]);
    grid.build(plan);
    expect(check({ grid, plan, pageSize: 16, pagesOf: () => [] })).toEqual({ wholeReads: 0, wholeGroups: 0 });
    expect(groupsOf(grid, 'written')).toBe(1 + 3 + 1 + 4);
  });

  it('takes no plan that leaves out the past of a row', () => {
    const { scheduler, submit, commit } = rig({ pageSize: 16, tokenBudget: 256 });
    submit(prompt(0, 600, 1), 4);
    commit(scheduler.plan() as StepPlan);
    const plan = scheduler.plan() as StepPlan;
    const grid = new FixedGrid({ pageSize: 16, leastRows: 1 });
    grid.build(plan);
    (plan.levels[0] as LevelPlan).tokens[0]! -= 16;
    expect(() => grid.build(plan)).toThrow('has a past of 256 tokens, but its group of the flat plan reads 240');
  });
});
