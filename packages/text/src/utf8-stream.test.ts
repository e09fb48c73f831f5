import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { propertyRuns } from './folders.testing.ts';
import { incompleteTail, Utf8Stream } from './utf8-stream.ts';

const whole = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes that make valid, cut and broken code points: lead and continuation bytes at the borders of what is allowed. */
const anyByte = fc.oneof(
  fc.constantFrom(
    0x41,
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc1,
    0xc2,
    0xdf,
    0xe0,
    0xe1,
    0xed,
    0xef,
    0xf0,
    0xf1,
    0xf4,
    0xf5,
  ),
  fc.constantFrom(0xef, 0xbb, 0xbf),
  fc.nat({ max: 255 }),
);

describe('Utf8Stream', () => {
  it('joins to one decoding of all bytes, wherever they are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyByte, { maxLength: 6 }), { maxLength: 12 }), (parts) => {
        const stream = new Utf8Stream({ byteOrderMark: 'keep' });
        let text = '';
        for (const part of parts) {
          for (const byte of part) stream.put(byte);
          text += stream.take();
        }
        expect(text + stream.flush()).toBe(whole.decode(Uint8Array.from(parts.flat())));
      }),
      { numRuns: propertyRuns * 5 },
    );
  });

  it('holds exactly the bytes that may still become a code point', () => {
    const cases: readonly (readonly [readonly number[], number])[] = [
      [[0x41], 0],
      [[0xc3], 1],
      [[0xc3, 0xa9], 0],
      [[0xe2, 0x82], 2],
      [[0xe2, 0x82, 0xac], 0],
      [[0xf0, 0x9f, 0x98], 3],
      [[0xf0, 0x9f, 0x98, 0x80], 0],
      [[0xe0, 0x80], 0],
      [[0xed, 0xa0], 0],
      [[0xf4, 0x90], 0],
      [[0xf5], 0],
      [[0xc1], 0],
      [[0x80, 0x80, 0x80], 0],
      [[0xf0, 0xf0], 1],
    ];
    for (const [bytes, held] of cases) expect(incompleteTail(Uint8Array.from(bytes), bytes.length)).toBe(held);
  });

  it('grows for a token that is longer than its buffer', () => {
    const stream = new Utf8Stream({ byteOrderMark: 'keep' });
    for (let count = 0; count < 1_000; count += 1) stream.put(0x61);
    expect(stream.take()).toBe('a'.repeat(1_000));
  });

  it('drops a byte order mark at the beginning only, when asked to', () => {
    const stream = new Utf8Stream({ byteOrderMark: 'drop' });
    const mark = [0xef, 0xbb, 0xbf];
    for (const byte of [...mark, ...mark, 0x61]) stream.put(byte);
    expect(stream.take()).toBe('\uFEFFa');
    for (const byte of mark) stream.put(byte);
    expect(stream.take() + stream.flush()).toBe('\uFEFF');
    for (const byte of mark) stream.put(byte);
    expect(stream.flush()).toBe('');
  });
});
