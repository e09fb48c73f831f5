import { describe, expect, it } from 'vitest';
import { tokensOf } from './cache.testing.ts';
import { PageTokens } from './page-tokens.ts';
import type { PageId } from './units.ts';

const PAGE = 2 as PageId;

function pageWith(text: string): PageTokens {
  const tokens = new PageTokens(4, 4);
  tokens.store(PAGE, tokensOf(`--${text}`), 2, text.length);
  return tokens;
}

describe('PageTokens', () => {
  it.each([
    ['abcd', 'abcd', 4],
    ['abcd', 'abcx', 3],
    ['abcd', 'xbcd', 0],
    ['ab', 'abcd', 2],
    ['abcd', 'ab', 2],
  ])('finds what page %s and prompt %s have in common: %i tokens', (page, prompt, common) => {
    expect(pageWith(page).common(PAGE, tokensOf(prompt), 0, prompt.length)).toBe(common);
  });

  it.each([
    ['abcd', 'abcd', 0],
    ['abcd', 'abce', -1],
    ['b', 'abcd', 1],
    ['ab', 'abcd', -1],
    ['abcd', 'ab', 1],
  ])('orders page %s against %s as %i: by tokens, a prefix first', (page, prompt, order) => {
    expect(Math.sign(pageWith(page).compare(PAGE, tokensOf(prompt), 0, prompt.length))).toBe(order);
  });

  it('orders the largest token ids as unsigned', () => {
    const tokens = new PageTokens(4, 4);
    tokens.store(PAGE, Uint32Array.of(4_294_967_295), 0, 1);
    expect(tokens.compare(PAGE, Uint32Array.of(1), 0, 1)).toBeGreaterThan(0);
    expect(tokens.isBelow(PAGE, 0, 1)).toBe(false);
  });
});
