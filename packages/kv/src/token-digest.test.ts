import { describe, expect, it } from 'vitest';
import { TokenDigest } from './token-digest.ts';

function digestOf(salt: string, tokens: readonly number[]): string {
  const digest = new TokenDigest();
  digest.start(salt);
  digest.add(Uint32Array.from(tokens), 0, tokens.length);
  return `${digest.high} ${digest.low}`;
}

describe('TokenDigest', () => {
  it('is the same in one go and in pieces', () => {
    const tokens = Uint32Array.from([5, 0, 4_294_967_295, 7, 7]);
    const pieces = new TokenDigest();
    pieces.start('salt');
    pieces.add(tokens, 0, 2);
    const resumed = new TokenDigest();
    resumed.resume(pieces.high, pieces.low);
    resumed.add(tokens, 2, 5);
    expect(`${resumed.high} ${resumed.low}`).toBe(digestOf('salt', [...tokens]));
  });

  it('does not collide over all short token sequences of three salts', () => {
    const digests = new Set<string>();
    let count = 0;
    for (const salt of ['', 'a', 'b']) {
      for (let bits = 0; bits < 1 << 10; bits++) {
        const tokens = [...bits.toString(3)].map(Number);
        digests.add(digestOf(salt, tokens));
        count++;
      }
    }
    expect(count).toBe(3 * 1024);
    expect(digests.size).toBe(count);
  });

  it('spreads both halves over all their 30 bits', () => {
    const seen = { high: 0, low: 0 };
    for (let token = 0; token < 200; token++) {
      const digest = new TokenDigest();
      digest.start('');
      digest.add(Uint32Array.of(token), 0, 1);
      seen.high |= digest.high;
      seen.low |= digest.low;
    }
    expect(seen).toEqual({ high: 2 ** 30 - 1, low: 2 ** 30 - 1 });
  });
});
