import { describe, expect, it } from 'vitest';
import { parseEvalLine } from './eval-set.ts';
import { compared } from './measure.ts';
import { drawPlot, drawSvg } from './plot.ts';
import { frontierOf, gridOf, type Measured, recommend, trimsOf } from './settings.ts';

const measured = (name: string, accuracy: number, memoryBytes: number): Measured => ({
  name,
  options: {},
  right: 100 * accuracy,
  questions: 100,
  accuracy,
  lost: 0,
  bytesPerToken: memoryBytes / 10,
  bytesPerTokenSaved: 0,
  memoryBytes,
});

describe('a line of an eval file', () => {
  const isRight = (line: object, answer: string) => {
    const parsed = parseEvalLine(JSON.stringify(line));
    if (!parsed.ok) throw new Error(parsed.reason);
    return parsed.item.isRight(answer);
  };

  it('is right when the answer contains what is expected as a whole, or is it exactly', () => {
    const contains = { prompt: 'p', expected: '$449' };
    expect(isRight(contains, 'The price is $449.')).toBe(true);
    expect(isRight(contains, 'The price is $4490.')).toBe(false);
    const exact = { ...contains, match: 'exact' };
    expect(isRight(exact, ' $449 ')).toBe(true);
    expect(isRight(exact, 'The price is $449.')).toBe(false);
  });

  it('may be one of the shipped eval set, where an unstated fact wants the sentence that says so', () => {
    const line = { messages: [{ role: 'user', content: 'q' }], stated: false, expected_value: "It doesn't say." };
    expect(isRight(line, "It doesn't say.")).toBe(true);
    expect(isRight(line, "Well. It doesn't say. Or so.")).toBe(false);
  });

  it.each([
    ['nonsense', /not JSON/],
    ['[]', /not an object/],
    ['{"prompt": "p"}', /no "expected"/],
    ['{"expected": "x"}', /neither "prompt" nor "messages"/],
    ['{"expected": "x", "messages": [{"role": "user"}]}', /neither "prompt" nor "messages"/],
    ['{"expected": "x", "prompt": "p", "match": "like"}', /"match" is neither/],
  ])('that is %s is refused with the reason', (line, reason) => {
    expect(parseEvalLine(line)).toEqual({ ok: false, reason: expect.stringMatching(reason) });
  });
});

describe('the settings', () => {
  it('are every format of weights with every format of pages', () => {
    const grid = gridOf({ weights: ['f32', 'q8'], kvTypes: ['f32', 'int8'] });
    expect(grid.map(({ name }) => name)).toEqual([
      'f32 weights, f32 pages',
      'f32 weights, int8 pages',
      'q8 weights, f32 pages',
      'q8 weights, int8 pages',
    ]);
    expect(grid[3]?.options).toEqual({ weights: 'q8', kvType: 'int8' });
  });

  it('have each kind of trim that the model allows, mild and strong', () => {
    const first = { name: 'first', options: { weights: 'q8' } } as const;
    expect(trimsOf({ layers: 30, kvHeads: 4, contextTokens: 2048 }, first).map(({ name }) => name)).toEqual([
      '1 layer fewer',
      '8 layers fewer',
      '2 K/V heads (mean)',
      '2 K/V heads (first)',
      'window of 512',
      'window of 128',
    ]);
    expect(trimsOf({ layers: 1, kvHeads: 3, contextTokens: 8 }, first).map(({ name }) => name)).toEqual([
      'window of 2',
      'window of 1',
    ]);
  });

  it('are compared with the first one', () => {
    const [first, second] = compared([measured('a', 1, 100), measured('b', 0.75, 60)]);
    expect(first).toMatchObject({ lost: 0, bytesPerTokenSaved: 0 });
    expect(second).toMatchObject({ lost: 0.25, bytesPerTokenSaved: 4 });
    expect(compared([])).toEqual([]);
  });

  const some = [
    measured('large', 0.9, 100),
    measured('even', 0.9, 80),
    measured('small', 0.5, 40),
    measured('bad', 0.4, 60),
  ];

  it('are recommended for their accuracy, then for their size, within the memory', () => {
    expect(recommend(some, Number.POSITIVE_INFINITY)?.name).toBe('even');
    expect(recommend(some, 79)?.name).toBe('small');
    expect(recommend(some, 39)).toBeUndefined();
  });

  it('have a frontier that nothing smaller reaches', () => {
    expect(frontierOf(some).map(({ name }) => name)).toEqual(['small', 'even']);
  });
});

describe('the plot', () => {
  const bytes = (value: number) => `${value} B`;

  it('puts each setting where its memory and accuracy are', () => {
    const lines = drawPlot([measured('a', 1, 100), measured('b', 0.5, 40)], bytes).split('\n');
    expect(lines[1]).toMatch(/^ 100\.0 % \| {59}1$/);
    expect(lines[12]).toMatch(/^ {2}50\.0 % \|2$/);
    expect(lines.at(-1)).toMatch(/40 B +100 B {2}memory$/);
  });

  it('draws one setting alone, and several in one place as a star', () => {
    expect(drawPlot([measured('a', 1, 100)], bytes)).toContain('1');
    expect(drawPlot([measured('a', 1, 100), measured('b', 1, 100)], bytes)).toContain('*');
  });

  it('is an SVG with a point and a name for each setting', () => {
    const svg = drawSvg([measured('a < b', 1, 100), measured('c', 0.5, 40)], bytes);
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(svg).toContain('a &lt; b');
    expect(svg).not.toContain('NaN');
  });
});
