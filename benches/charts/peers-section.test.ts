import { describe, expect, it } from 'vitest';
import type { Comparison } from '../peers/comparison.ts';
import { peerChart, peerTables } from './peers-section.ts';

const prefill: Comparison = {
  task: 'prefill',
  figure: 'prompt tokens a second',
  unit: '/s',
  weights: '4 bits',
  against: 'node-llama-cpp',
  octavo: { value: 600, weightBits: 4 },
  other: { value: 650, weightBits: 4 },
  ratio: 600 / 650,
  goal: 1.2,
};
const best: Comparison = {
  ...prefill,
  weights: 'best',
  octavo: { value: 900, weightBits: 8 },
  ratio: 900 / 650,
};

describe('peerTables', () => {
  it('says of both comparisons which goals are reached, and which weights each engine had', () => {
    const text = peerTables([prefill, best]);
    expect(text).toContain('**Weights of 4 bits everywhere**: 0 of 1 goals reached.');
    expect(text).toContain('| 600 /s (q4+w8a8) | node-llama-cpp | 650 /s (Q4_0) | 0.92 x | 1.2 x: **missed** |');
    expect(text).toContain('**Each engine with the weights that suit it best**: 1 of 1 goals reached.');
    expect(text).toContain('| 900 /s (w8a8) | node-llama-cpp | 650 /s (Q4_0) | 1.38 x | 1.2 x: reached |');
  });

  it('says so where the best is not known yet', () => {
    expect(peerTables([prefill])).toContain('suit it best**: _not measured yet');
  });
});

describe('peerChart', () => {
  it('draws the best weights above those of 4 bits, each with its goal', () => {
    const { svg } = peerChart([prefill, best]);
    expect(svg.indexOf('1.38 x')).toBeLessThan(svg.indexOf('0.92 x'));
    expect(svg.match(/stroke="#c0392b"/g)).toHaveLength(2);
    expect(svg).toContain('weights of 4 bits');
  });
});
