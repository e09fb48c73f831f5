import { describe, expect, it } from 'vitest';
import type { SourceDim } from './probes.ts';
import { type RowOperand, rowsOf } from './row-rules.ts';

const MIXED = expect.any(String);
const rows = (...dims: SourceDim[]): RowOperand => ({ dims, row: dims.indexOf('M') });
const table = (...dims: SourceDim[]): RowOperand => ({ dims, row: undefined });

interface Case {
  readonly operator: string;
  readonly inputs: readonly (RowOperand | undefined)[];
  readonly out: readonly SourceDim[];
  readonly ints?: Readonly<Record<string, readonly number[]>>;
  readonly attributes?: Readonly<Record<string, number>>;
}

function axesOf({ operator, inputs, out, ints = {}, attributes = {} }: Case): ReturnType<typeof rowsOf> {
  const [domain = '', name = operator] = operator.includes('.') ? ['com.microsoft', operator.slice(14)] : [];
  return rowsOf({
    node: {
      label: operator,
      operator: name,
      domain,
      inputs: inputs.map((_, index) => `in${index}`),
      outputs: ['out'],
      attributes: new Map(Object.entries(attributes).map(([key, int]) => [key, { kind: 'int', int }])),
    },
    opset: 17,
    inputs,
    outputs: [out],
    ints: (attribute) => ints[attribute],
  });
}

describe('rowsOf', () => {
  it('keeps rows that a slice takes in their order, and no others', () => {
    const cut = { operator: 'Slice', inputs: [rows('M', 8), undefined, undefined, undefined, undefined] };
    expect(axesOf({ ...cut, out: ['M', 4], ints: { steps: [1] } })).toEqual([0]);
    expect(axesOf({ ...cut, out: ['M', 8], ints: { steps: [-1] } })).toEqual(MIXED);
    expect(axesOf({ ...cut, out: ['M', 8] })).toEqual(MIXED);
    expect(axesOf({ ...cut, inputs: cut.inputs.slice(0, 3), out: ['M', 4] })).toEqual([0]);
  });

  it.each(['GatherElements', 'ScatterElements'])('lets %s choose within a row, and not among rows', (operator) => {
    const inputs = [rows('M', 8), rows('M', 2), rows('M', 2)].slice(0, operator === 'GatherElements' ? 2 : 3);
    expect(axesOf({ operator, inputs, out: ['M', 2], attributes: { axis: 1 } })).toEqual([0]);
    expect(axesOf({ operator, inputs, out: ['M', 2], attributes: { axis: -1 } })).toEqual([0]);
    expect(axesOf({ operator, inputs, out: ['M', 2], attributes: { axis: 0 } })).toEqual(MIXED);
    // Element [i, j] of a table would be read for row i of the step, whoever it belongs to.
    const fromTable = [table(64, 8), ...inputs.slice(1)];
    expect(axesOf({ operator, inputs: fromTable, out: ['M', 2], attributes: { axis: 1 } })).toEqual(MIXED);
  });

  it('rotates rows by positions of their own only', () => {
    const tables = [table(128, 4), table(128, 4)];
    const rotary = { operator: 'com.microsoft.RotaryEmbedding', out: [1, 'M', 64] as const };
    expect(axesOf({ ...rotary, inputs: [rows(1, 'M', 64), rows(1, 'M'), ...tables] })).toEqual([1]);
    expect(axesOf({ ...rotary, inputs: [rows(1, 'M', 64), table(1), ...tables] })).toEqual(MIXED);
  });

  it('does not follow rows through a product that moves its batch axes', () => {
    const product = { operator: 'com.microsoft.FusedMatMul', inputs: [rows('M', 4, 8), table(8, 3)] };
    expect(axesOf({ ...product, out: ['M', 4, 3] })).toEqual([0]);
    for (const moved of ['transA', 'transBatchA', 'transBatchB'])
      expect(axesOf({ ...product, out: ['M', 4, 3], attributes: { [moved]: 1 } })).toEqual(MIXED);
  });
});
