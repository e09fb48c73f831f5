import { GraphError } from '@octavo/graph';
import { TextError } from '@octavo/text';
import { describe, expect, it } from 'vitest';
import { EngineError } from './errors.ts';
import { fromWireError, toWireError } from './wire-error.ts';

describe('errors across the thread border', () => {
  it('keep code, message, details and cause', () => {
    const error = new EngineError('QUEUE_FULL', 'Too many.', { details: { waiting: 3 }, cause: new Error('because') });
    const copy = fromWireError(structuredClone(toWireError(error, 'REQUEST_FAILED')));
    expect(copy).toBeInstanceOf(EngineError);
    expect(copy).toMatchObject({
      name: 'EngineError',
      code: 'QUEUE_FULL',
      message: 'Too many.',
      details: { waiting: 3 },
    });
    expect(copy.cause).toContain('because');
  });

  it('keep the codes of the other packages, and the file at fault', () => {
    const graph = new GraphError('TENSOR_MISSING', 'No such tensor.', { file: 'a.safetensors', tensor: 'w' });
    expect(toWireError(graph, 'OPEN_FAILED')).toEqual({
      code: 'TENSOR_MISSING',
      message: 'No such tensor.',
      details: { file: 'a.safetensors', tensor: 'w' },
    });
    expect(toWireError(new TextError('TEMPLATE_FAILED', 'No.'), 'OPEN_FAILED').code).toBe('TEMPLATE_FAILED');
  });

  it('take the fallback for codes that are no promise of ours, and for what is no error', () => {
    const system = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
    expect(toWireError(system, 'OPEN_FAILED')).toEqual({
      code: 'OPEN_FAILED',
      message: 'ENOENT: no such file',
      details: {},
    });
    expect(toWireError('just text', 'REQUEST_FAILED')).toEqual({
      code: 'REQUEST_FAILED',
      message: 'just text',
      details: {},
    });
  });
});
