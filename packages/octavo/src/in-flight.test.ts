import { describe, expect, it } from 'vitest';
import { eachInFlight } from './in-flight.ts';

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('eachInFlight', () => {
  it('works on every item, never on more than the limit at a time', async () => {
    const done: number[] = [];
    let inFlight = 0;
    let peak = 0;
    await eachInFlight([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      peak = Math.max(peak, ++inFlight);
      await pause();
      inFlight--;
      done.push(item);
    });
    expect(done.sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(peak).toBe(3);
  });

  it('hands out nothing more after a failure, awaits what is in flight and throws the first failure', async () => {
    const begun: number[] = [];
    let ended = 0;
    const work = async (item: number): Promise<void> => {
      begun.push(item);
      if (item === 2) throw new Error('two');
      await pause();
      ended++;
    };
    await expect(eachInFlight([1, 2, 3, 4, 5, 6], 2, work)).rejects.toThrow('two');
    expect(begun).toEqual([1, 2]);
    expect(ended).toBe(1);
  });

  it('passes on a failure of the source and lets it clean up', async () => {
    let cleaned = false;
    async function* source() {
      try {
        yield 1;
        throw new Error('unreadable');
      } finally {
        cleaned = true;
      }
    }
    await expect(eachInFlight(source(), 4, pause)).rejects.toThrow('unreadable');
    expect(cleaned).toBe(true);
  });
});
