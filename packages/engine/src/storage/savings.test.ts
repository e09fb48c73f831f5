import { describe, expect, it } from 'vitest';
import { fakeShape } from '../fake-runner.ts';
import { bytesPerToken } from './page-layout.ts';
import { savingsOf } from './savings.ts';

describe('savings', () => {
  const whole = { ...fakeShape, layers: 4, kvHeads: 4, headDim: 8 };

  it('are none of a model as it is', () => {
    expect(savingsOf(whole, whole, 'f32')).toEqual([]);
  });

  it('add up to the difference, whatever is taken', () => {
    const shape = { ...whole, layers: 3, kvHeads: 2, windows: [64], hasFullLayers: false };
    const savings = savingsOf(whole, shape, 'int8');
    expect(savings).toEqual([
      // 2 x 4 heads x 8 elements x 4 bytes a layer.
      { trim: 'dropLayers', bytesPerTokenSaved: 256 },
      { trim: 'kvHeads', bytesPerTokenSaved: 384 },
      { trim: 'windowTokens', bytesPerTokenSaved: 0 },
      { trim: 'kvType', bytesPerTokenSaved: 384 - 12 * (8 + 4) },
    ]);
    const sum = savings.reduce((total, { bytesPerTokenSaved }) => total + bytesPerTokenSaved, 0);
    expect(sum).toBe(bytesPerToken(whole, 'f32') - bytesPerToken(shape, 'int8'));
  });
});
