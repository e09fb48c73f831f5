import { describe, expect, it } from 'vitest';
import { comparisons, formatComparisons, type PeerResult } from './comparison.ts';
import type { PeerName } from './measure-peer.ts';
import { peerTasks, type TaskName } from './tasks.ts';

const tasks = peerTasks(1_000, 'smoke');
const settings = { threads: 1, sequences: 1, reuse: false };
const result = (peer: PeerName, task: TaskName, values: number[]): PeerResult => ({ peer, task, settings, values });

describe('comparisons', () => {
  it('takes the best setting of each engine, by its median', () => {
    const rows = comparisons(
      [
        result('octavo', 'single', [100, 90, 300]),
        result('node-llama-cpp', 'single', [40]),
        result('node-llama-cpp', 'single', [50, 50, 500]),
      ],
      tasks,
    );
    expect(rows).toMatchObject([{ octavo: 100, other: 50, ratio: 2, goal: 1.2 }]);
    expect(formatComparisons(rows)).toContain('goal 1.2 x: reached');
  });

  it('counts less as better where time is measured', () => {
    const rows = comparisons(
      [
        result('octavo', 'burst', [100]),
        result('node-llama-cpp', 'burst', [900]),
        result('node-llama-cpp', 'burst', [500]),
      ],
      tasks,
    );
    expect(rows).toMatchObject([{ ratio: 5, goal: 10 }]);
    expect(formatComparisons(rows)).toContain('MISSED');
  });
});

describe('peerTasks', () => {
  it('measures decoding from the last first token to the first end', () => {
    const stream = (first: number, last: number) => ({
      submittedMs: 0,
      tokensMs: Array.from({ length: last - first + 1 }, (_, at) => first + at),
    });
    // Both decode from 5 to 8 ms: three tokens each.
    expect(tasks.streams.measure([stream(1, 8), stream(5, 12)], [])).toBeCloseTo((6 / 3) * 1_000);
  });
});
