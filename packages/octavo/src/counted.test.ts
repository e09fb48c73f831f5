import { expect, it } from 'vitest';
import { counted } from './counted.ts';

it('says one of a thing, and any other number of things', () => {
  expect([0, 1, 2, 1200].map((count) => counted(count, 'page'))).toEqual([
    '0 pages',
    '1 page',
    '2 pages',
    '1,200 pages',
  ]);
  expect([1, 2].map((count) => counted(count, 'prompt is warm', 'prompts are warm'))).toEqual([
    '1 prompt is warm',
    '2 prompts are warm',
  ]);
});
