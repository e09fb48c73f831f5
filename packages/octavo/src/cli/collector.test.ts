import { describe, expect, it } from 'vitest';
import { calmCollector } from './collector.ts';

describe('the collector', () => {
  it('collects in one thread on two cores, and as V8 likes on more', () => {
    const flagsOn = (cores: number): string[] => {
      const flags: string[] = [];
      calmCollector(cores, (flag) => flags.push(flag));
      return flags;
    };
    expect([1, 2, 3, 64].map(flagsOn)).toEqual([['--no-parallel-scavenge'], ['--no-parallel-scavenge'], [], []]);
  });
});
