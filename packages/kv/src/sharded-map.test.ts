import { describe, expect, it } from 'vitest';
import { ShardedMap } from './sharded-map.ts';

describe('ShardedMap', () => {
  it.each([
    ['strings', (key: number) => `key ${key}`],
    ['numbers', (key: number) => key],
  ])('agrees with a map, small and large, with keys that are %s', (_kind, keyOf) => {
    const [map, oracle] = [new ShardedMap<string | number, number>(), new Map<string | number, number>()];
    let seed = 1;
    for (let step = 0; step < 30_000; step++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      const key = keyOf(seed % 6_000);
      if (step % 3 === 2) expect(map.delete(key)).toBe(oracle.delete(key));
      else {
        map.set(key, step);
        oracle.set(key, step);
      }
      if (step % 1_000 === 0) {
        expect([map.size, map.has(key), map.get(key)]).toEqual([oracle.size, oracle.has(key), oracle.get(key)]);
        expect([...map.values()].sort()).toEqual([...oracle.values()].sort());
      }
    }
    expect(oracle.size).toBeGreaterThan(2_048);
    for (const key of oracle.keys()) expect(map.get(key)).toBe(oracle.get(key));
  });

  it('lets what it gives out be deleted on the way', () => {
    const map = new ShardedMap<number, number>();
    for (let key = 0; key < 5_000; key++) map.set(key, key);
    for (const value of map.values()) map.delete(value);
    expect([map.size, [...map.values()]]).toEqual([0, []]);
  });
});
