import { describe, expect, it } from 'vitest';
import { engineErrorFrom } from '../engine.testing.ts';
import { fakeShape } from '../fake-runner.ts';
import { type MemoryRequest, PROCESS_BYTES, pagesWithin } from './memory-plan.ts';
import { bytesPerToken } from './page-layout.ts';

const shape = { ...fakeShape, layers: 30, kvHeads: 3, headDim: 64 };
const request: MemoryRequest = {
  memory: 2e9,
  weightBytes: 5e8,
  shape,
  kvType: 'f32',
  pageSize: 16,
  leastTokens: 2,
  limit: 8e9,
};

describe('pagesWithin', () => {
  it('fills what weights and process leave with pages, and not one more', () => {
    for (const kvType of ['f32', 'f16', 'int8'] as const) {
      const pages = pagesWithin({ ...request, kvType });
      const pageBytes = 16 * bytesPerToken(shape, kvType);
      const total = PROCESS_BYTES + request.weightBytes + pages * pageBytes;
      expect(total).toBeLessThanOrEqual(request.memory);
      expect(total + pageBytes).toBeGreaterThan(request.memory);
    }
  });

  it('gives int8 pages at least 3.7 times the tokens of float32 ones', () => {
    expect(pagesWithin({ ...request, kvType: 'int8' }) / pagesWithin(request)).toBeGreaterThanOrEqual(3.7);
  });

  it('refuses more than the machine has, with both numbers', () => {
    const error = engineErrorFrom(() => pagesWithin({ ...request, memory: 9e9 }));
    expect(error.code).toBe('MEMORY_TOO_LARGE');
    expect(error.message).toBe('memory is 9,000 MB: this machine grants 8,000 MB, give at most that.');
  });

  it('refuses a memory that the weights fill, and one without room for a request, with what would do', () => {
    for (const given of [{ memory: 4e8 }, { memory: 7e8, leastTokens: 8192 }]) {
      const error = engineErrorFrom(() => pagesWithin({ ...request, ...given }));
      expect(error.code).toBe('MEMORY_TOO_SMALL');
      const { least } = error.details;
      expect(pagesWithin({ ...request, ...given, memory: least as number })).toBeGreaterThan(0);
      expect(() => pagesWithin({ ...request, ...given, memory: (least as number) - 1 })).toThrow(/give at least/);
    }
  });
});
