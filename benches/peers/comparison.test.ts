import { describe, expect, it } from 'vitest';
import { comparisons, formatComparisons, type PeerResult, withEarlier } from './comparison.ts';
import type { PeerName, WeightBits } from './peer.ts';
import { peerTasks, type TaskName } from './tasks.ts';

const tasks = peerTasks(1_000, 'smoke');
const result = (peer: PeerName, task: TaskName, values: number[], weightBits: WeightBits = 4): PeerResult => ({
  peer,
  task,
  settings: { weightBits, threads: 1, sequences: 1, reuse: false },
  values,
});

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
    expect(rows).toMatchObject([{ octavo: { value: 100 }, other: { value: 50 }, ratio: 2, goal: 1.2 }]);
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

  it('compares weights of 4 bits with each other, and the best of each engine with the best of the other', () => {
    const rows = comparisons(
      [
        result('octavo', 'prefill', [600], 4),
        result('octavo', 'prefill', [900], 8),
        result('node-llama-cpp', 'prefill', [650], 4),
        result('node-llama-cpp', 'prefill', [400], 8),
        result('node-llama-cpp', 'prefill', [750], 8),
      ],
      tasks,
    );
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({ weights: '4 bits', octavo: { value: 600, weightBits: 4 }, other: { value: 650 } });
    expect(rows[1]).toMatchObject({
      weights: 'best',
      octavo: { value: 900, weightBits: 8 },
      other: { value: 750, weightBits: 8 },
      ratio: 1.2,
      goal: 1.2,
    });
    expect(formatComparisons(rows)).toMatch(/4 bits everywhere:\n.*MISSED\n\neach engine.*w8a8.*Q8_0.*reached/s);
  });

  it('calls nothing best before both engines have run with both widths', () => {
    const rows = comparisons(
      [
        result('octavo', 'prefill', [600], 4),
        result('octavo', 'prefill', [900], 8),
        result('node-llama-cpp', 'prefill', [650], 4),
      ],
      tasks,
    );
    expect(rows.map(({ weights }) => weights)).toEqual(['4 bits']);
  });
});

describe('withEarlier', () => {
  it('replaces all settings of a task, an engine and a width that ran again, and keeps all others', () => {
    const earlier = [
      result('octavo', 'single', [1]),
      result('octavo', 'single', [2]),
      result('octavo', 'single', [3], 8),
      result('octavo', 'burst', [4]),
      result('node-llama-cpp', 'single', [5]),
    ];
    const merged = withEarlier([result('octavo', 'single', [6])], earlier);
    expect(merged.map(({ values }) => values[0])).toEqual([3, 4, 5, 6]);
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
