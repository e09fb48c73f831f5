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

describe('steps with promptStepsInTurn', () => {
  it('lets decodes wait for so many steps of prompts, long chunks and short ones that are as long together in turn', () => {
    const world = worldOf({ tokenBudget: 10, longChunkTokens: 6, promptStepsInTurn: 3 });
    const stream = submit(world.scheduler, range(0, 3), { maxTokens: 20 });
    steps(world, 1);
    const long = submit(world.scheduler, range(100, 24), { maxTokens: 1 });
    const later = submit(world.scheduler, range(200, 14), { maxTokens: 1 });
    const short = submit(world.scheduler, range(300, 5), { maxTokens: 1 });
    expect(steps(world, 6)).toEqual([
      [[long, 10]],
      [[long, 10]],
      [
        [long, 4],
        [stream, 1],
      ],
      [[later, 10]],
      [
        [later, 4],
        [short, 5],
      ],
      [[stream, 1]],
    ]);
  });

  it('gives short chunks a step without decodes only when they are as long together as a long one', () => {
    const world = worldOf({ tokenBudget: 10, longChunkTokens: 6, promptStepsInTurn: 2 });
    const stream = submit(world.scheduler, range(0, 3), { maxTokens: 20 });
    steps(world, 1);
    const alone = submit(world.scheduler, range(100, 5), { maxTokens: 1 });
    expect(steps(world, 1)).toEqual([
      [
        [alone, 5],
        [stream, 1],
      ],
    ]);
    const pair = [200, 300].map((from) => submit(world.scheduler, range(from, 4), { maxTokens: 1 }));
    expect(steps(world, 2)).toEqual([
      [
        [pair[0], 4],
        [pair[1], 4],
      ],
      [[stream, 1]],
    ]);
  });

  it('never lets decodes wait for longer', () => {
    const world = worldOf({ tokenBudget: 10, longChunkTokens: 6, promptStepsInTurn: 2 });
    const stream = submit(world.scheduler, range(0, 3), { maxTokens: 20 });
    steps(world, 1);
    submit(world.scheduler, range(100, 80), { maxTokens: 1 });
    const ran = steps(world, 9).map((step) => step.some(([id]) => id === stream));
    expect(ran).toEqual([false, false, true, false, false, true, false, false, true]);
  });
});
