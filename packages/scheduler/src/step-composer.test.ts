import { describe, expect, it } from 'vitest';
import { range, steps, submit, worldOf } from './scheduler.testing.ts';

describe('steps with longChunkTokens', () => {
  it('runs long chunks alone, the oldest first, in turn with all others together', () => {
    const world = worldOf({ tokenBudget: 10, longChunkTokens: 6 });
    const stream = submit(world.scheduler, range(0, 3), { maxTokens: 20 });
    steps(world, 1);
    const long = submit(world.scheduler, range(100, 24));
    const later = submit(world.scheduler, range(200, 12));
    const short = submit(world.scheduler, range(300, 5));
    expect(steps(world, 7)).toEqual([
      [[long, 10]],
      [[stream, 1]],
      [[long, 10]],
      [
        [stream, 1],
        [long, 4],
      ],
      [[later, 10]],
      [
        [stream, 1],
        [long, 1],
        [later, 2],
        [short, 5],
      ],
      [
        [stream, 1],
        [long, 1],
        [later, 1],
        [short, 1],
      ],
    ]);
  });

  it('runs one long chunk after the other where nothing else is left', () => {
    const world = worldOf({ tokenBudget: 10, longChunkTokens: 6 });
    const first = submit(world.scheduler, range(0, 30), { maxTokens: 1 });
    const second = submit(world.scheduler, range(100, 10), { maxTokens: 1 });
    expect(steps(world, 4)).toEqual([[[first, 10]], [[first, 10]], [[first, 10]], [[second, 10]]]);
  });
});
