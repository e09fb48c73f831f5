import { describe, expect, it } from 'vitest';
import { parseRequestLine } from './request-line.ts';

describe('parseRequestLine', () => {
  it('keeps every field but the id as an option of the request', () => {
    const line = {
      id: 7,
      ids: [1, 2],
      maxTokens: 3,
      temperature: 0.5,
      ignoreEos: true,
      salt: 'a',
      priority: -1,
      seed: 4,
    };
    const { id, ...request } = line;
    expect(parseRequestLine(JSON.stringify(line))).toEqual({ ok: true, id, request });
  });

  it.each([
    ['{"id":"a","prompt":', null, 'not JSON'],
    ['[1]', null, 'not an object'],
    ['{"prompt":"x"}', null, 'no "id"'],
    ['{"id":{},"prompt":"x"}', null, '"id" has another type'],
    ['{"id":"a"}', 'a', '0 of ids, prompt, messages'],
    ['{"id":"a","prompt":"x","ids":[1]}', 'a', '2 of ids, prompt, messages'],
    ['{"id":"a","prompt":"x","max_tokens":3}', 'a', '"max_tokens" is unknown'],
    ['{"id":"a","prompt":"x","__proto__":3}', 'a', '"__proto__" is unknown'],
    ['{"id":"a","ids":[1.5]}', 'a', '"ids" has another type'],
    ['{"id":"a","ids":"1,2"}', 'a', '"ids" has another type'],
    ['{"id":"a","messages":[{"role":"user"}]}', 'a', '"messages" has another type'],
    ['{"id":"a","prompt":"x","maxTokens":"ten"}', 'a', '"maxTokens" has another type'],
    ['{"id":"a","prompt":"x","ignoreEos":1}', 'a', '"ignoreEos" has another type'],
  ])('says what is wrong with %s', (line, id, reason) => {
    expect(parseRequestLine(line)).toEqual({ ok: false, id, reason: expect.stringContaining(reason) });
  });
});
