import { expect, it } from 'vitest';
import { fakeShape } from '../fake-runner.ts';
import { defaultThreads } from './threads.ts';

it('gives a small model one thread, and a larger one as many as there are processors, up to 8', () => {
  expect(defaultThreads({ ...fakeShape, hidden: 128 }, 4)).toBe(1);
  expect(defaultThreads({ ...fakeShape, hidden: 576 }, 4)).toBe(4);
  expect(defaultThreads({ ...fakeShape, hidden: 576 }, 64)).toBe(8);
});
