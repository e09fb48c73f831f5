import { describe, expect, it } from 'vitest';
import { matchesPattern } from './file-pattern.ts';

describe('matchesPattern', () => {
  it.each([
    ['onnx/model_q4.onnx', 'model_q4.onnx', true],
    ['onnx/model_q4.onnx', '*q4*', true],
    ['onnx/model_q4f16.onnx', '*q4.onnx', false],
    ['onnx/model.onnx', 'onnx/*', true],
    ['onnx/deep/model.onnx', 'onnx/*', false],
    ['model.onnx', 'onnx/model.onnx', false],
    ['modelxonnx', 'model.onnx', false],
    ['a+b(c).onnx', 'a+b(c).onnx', true],
    ['model.onnx', 'Model.onnx', false],
    ['model.onnx_data', 'model.onnx', false],
  ])('%s by %s: %s', (path, pattern, expected) => {
    expect(matchesPattern(path, pattern)).toBe(expected);
  });
});
