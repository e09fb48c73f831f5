import { describe, expect, it } from 'vitest';
import { barChart, lineChart } from './svg.ts';

describe('charts', () => {
  it('draw a bar as long as its value, and mark the goal', () => {
    const bars = [
      { label: 'a < b', value: 2, text: '2 x', goal: 4, series: 0 },
      { label: 'c', value: 1, text: '1 x', series: 0 },
    ];
    const svg = barChart({ title: 'Bars', bars });
    const widths = [...svg.matchAll(/<rect [^>]*width="([0-9.]+)"/g)].map(([, width]) => Number(width));
    expect(widths).toHaveLength(2);
    expect(widths[0]).toBeCloseTo(2 * (widths[1] ?? 0), 0);
    expect(svg.match(/stroke="#c0392b"/g)).toHaveLength(1);
    expect(svg).toContain('a &lt; b');
  });

  it('draw every point of a line', () => {
    const lines = [{ name: 'one', points: [0, 5, 10].map((x) => ({ x, y: x * x })) }];
    const svg = lineChart({ title: 'Line', x: 'x', y: 'ms', lines });
    expect(svg.match(/<circle/g)).toHaveLength(3);
    expect(svg).toContain('<polyline');
  });
});
