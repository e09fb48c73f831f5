import { describe, expect, it } from 'vitest';
import { chosenRevision, parseModelName } from './model-name.ts';

describe('parseModelName', () => {
  it('reads ORG/NAME, with a revision or without', () => {
    expect(parseModelName('org/name')).toEqual({ name: 'org/name' });
    expect(parseModelName('Org_1/Name-2.5@v1.0')).toEqual({ name: 'Org_1/Name-2.5', revision: 'v1.0' });
    expect(parseModelName('org/name@refs/pr/7')).toEqual({ name: 'org/name', revision: 'refs/pr/7' });
  });

  it.each([
    [
      '',
      'name',
      '/name',
      'org/',
      'a/b/c',
      '../b',
      'a/..',
      './a',
      '.a/b',
      '-a/b',
      'a--b/c',
      'a/b c',
      'a/b@',
      'a/b@../c',
    ],
    ['a/b@.hidden', 'a/b@x/', 'a/b@x//y', 'a/b@x/.y', 'a/b@x@{1}', 'a/b@x\n', 'a\\b/c', `a/${'n'.repeat(97)}`],
  ])('refuses whatever could not be one, among it every way out of the cache', (...texts) => {
    for (const text of texts) expect([text, parseModelName(text)]).toEqual([text, undefined]);
  });
});

describe('chosenRevision', () => {
  it('is the one that was given, once or twice the same, else main', () => {
    expect(chosenRevision({ name: 'a/b' }, undefined)).toBe('main');
    expect(chosenRevision({ name: 'a/b' }, 'dev')).toBe('dev');
    expect(chosenRevision({ name: 'a/b', revision: 'dev' }, 'dev')).toBe('dev');
  });

  it('refuses two that differ, and one that could be none', () => {
    expect(() => chosenRevision({ name: 'a/b', revision: 'v1' }, 'v2')).toThrow(/contradict each other/);
    expect(() => chosenRevision({ name: 'a/b' }, '../../x')).toThrow(/no branch, tag or commit/);
  });
});
