import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failureOf, propertyRuns } from './folders.testing.ts';
import { StopMatcher } from './stop-matcher.ts';

/** By definition: the stop that is complete first, of those the longest; its beginning, or undefined. */
function referenceStop(text: string, stops: readonly string[]): number | undefined {
  let best: { begin: number; end: number } | undefined;
  for (const stop of stops) {
    const begin = text.indexOf(stop);
    const end = begin + stop.length;
    if (begin === -1) continue;
    if (best === undefined || end < best.end || (end === best.end && begin < best.begin)) best = { begin, end };
  }
  return best?.begin;
}

/** By definition: the length of the longest suffix of the text that begins a stop and is not all of it. */
function referenceHeld(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let count = 1; count < stop.length; count += 1) {
      if (text.endsWith(stop.slice(0, count))) longest = Math.max(longest, count);
    }
  }
  return longest;
}

const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 6 }), {
  maxLength: 4,
});

describe('StopMatcher', () => {
  it('shows the text before the first stop, whatever the deltas are', () => {
    let stoppedRuns = 0;
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), stops, (deltas, stopStrings) => {
        const whole = deltas.join('');
        const matcher = new StopMatcher(stopStrings);
        let shown = '';
        let seen = '';
        const begin = referenceStop(whole, stopStrings);
        for (const delta of deltas) {
          const match = matcher.push(delta);
          shown += match.text;
          seen += delta;
          const here = referenceStop(seen, stopStrings);
          expect(match.stopped).toBe(here !== undefined);
          expect(shown).toBe(
            here === undefined ? seen.slice(0, seen.length - referenceHeld(seen, stopStrings)) : whole.slice(0, here),
          );
        }
        expect(shown + matcher.flush()).toBe(whole.slice(0, begin));
        if (begin !== undefined) stoppedRuns += 1;
      }),
      { numRuns: propertyRuns * 5 },
    );
    expect(stoppedRuns).toBeGreaterThan(propertyRuns);
  });

  it('holds back what may begin a stop and lets it go when it does not', () => {
    const matcher = new StopMatcher(['\n\nUser:', 'END']);
    expect(matcher.push('yes.\n\nUs')).toEqual({ text: 'yes.', stopped: false });
    expect(matcher.push('ual E')).toEqual({ text: '\n\nUsual ', stopped: false });
    expect(matcher.push('N')).toEqual({ text: '', stopped: false });
    expect(matcher.push('D, and more')).toEqual({ text: '', stopped: true });
    expect(matcher.push('more')).toEqual({ text: '', stopped: true });
    expect(matcher.flush()).toBe('');
  });

  it('takes the stop that is complete first, and the longest of those that end together', () => {
    expect(new StopMatcher(['abcd', 'c']).push('xabcd')).toEqual({ text: 'xab', stopped: true });
    expect(new StopMatcher(['c', 'abc']).push('xabc')).toEqual({ text: 'x', stopped: true });
  });

  it('holds nothing without stops', () => {
    const matcher = new StopMatcher([]);
    expect(matcher.push('anything')).toEqual({ text: 'anything', stopped: false });
    expect(matcher.flush()).toBe('');
  });

  it('is as new after flush', () => {
    const matcher = new StopMatcher(['END']);
    expect(matcher.push('EN').text + matcher.flush()).toBe('EN');
    expect(matcher.push('D')).toEqual({ text: 'D', stopped: false });
  });

  it('refuses an empty stop string and names it', () => {
    const failure = failureOf(() => new StopMatcher(['END', '']));
    expect(failure.code).toBe('STOP_INVALID');
    expect(failure.message).toContain('Stop string 1');
  });

  it('takes time in proportion to the text, also when nearly all of a long stop repeats', () => {
    const timeOf = (length: number) => {
      const matcher = new StopMatcher([`${'a'.repeat(length)}b`]);
      const begin = performance.now();
      for (let at = 0; at < length * 4; at += 1) matcher.push('a');
      return performance.now() - begin;
    };
    timeOf(2_000);
    const short = Math.max(Math.min(timeOf(2_000), timeOf(2_000)), 0.2);
    // 16 times the length of the stop and the text: quadratic would be 256 times.
    expect(Math.min(timeOf(32_000), timeOf(32_000))).toBeLessThan(short * 100);
  });
});
