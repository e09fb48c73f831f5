import fc from 'fast-check';
import type { CacheMode } from './kv-cache.ts';
import {
  Acquire,
  type AcquireFields,
  Clear,
  Compute,
  Fork,
  type KvCommand,
  Publish,
  Release,
  Seal,
  Serve,
  TOKENS,
  Transferred,
} from './kv-commands.testing.ts';
import { Advance, Invalidate, Pin, Restore, Unpin } from './lifetime-commands.testing.ts';
import type { Breakpoint, ClaimOptions } from './lifetimes.ts';

const SALTS = ['a', 'b'];
/** `plain`: no lifetimes. `timely`: with them, and expiry is never late. `late`: it often is. */
export type Lives = 'plain' | 'timely' | 'late';

const CLAIMS: readonly ClaimOptions[] = [
  { tags: ['x'] },
  { tags: ['y', 'x'], priority: 'low' },
  { tags: ['v@1'] },
  { tags: ['v@2'], priority: 'high' },
  { session: 's' },
  { session: 't', context: ['c1'] },
  { session: 't', context: ['c2', 'c1'] },
  { priority: 'high' },
];
const TIMED: readonly ClaimOptions[] = [
  { ttlMs: 50 },
  { slidingTtlMs: 40 },
  { ttlMs: 80, slidingTtlMs: 30, tags: ['x'] },
];
const BREAKPOINTS: readonly (readonly Breakpoint[])[] = [
  [],
  [],
  [],
  [{ tokens: 5 }],
  [{ tokens: 4, priority: 'high' }, { tokens: 11 }],
];

function claimOptions(lives: Lives): fc.Arbitrary<ClaimOptions> {
  if (lives === 'plain') return fc.constant({});
  return fc.constantFrom({}, {}, {}, ...CLAIMS, ...TIMED);
}

// Most prompts follow one of these for a while: random ones would rarely share a page.
const STEMS = [Array.from({ length: TOKENS }, () => 0), Array.from({ length: TOKENS }, (_, at) => at % 3)];

/**
 * Random lives of sequences over two salts, with prompts that often begin alike. Token streams are drawn as few small numbers and
 * expanded here: generating and shrinking long arrays would take most of the time.
 */
export function kvCommands(lives: Lives): fc.Arbitrary<Iterable<KvCommand>> {
  const bits = fc.nat(2 ** TOKENS - 1);
  const tokens = fc
    .tuple(fc.constantFrom(...STEMS), fc.integer({ min: 0, max: TOKENS }), bits)
    .map(([stem, cut, own]) => [...stem.slice(0, cut), ...bitsOf(own).slice(cut)]);
  const promptTokens = fc.integer({ min: 1, max: TOKENS });
  const fields = fc.record<AcquireFields>({
    tokens,
    promptTokens,
    salt: fc.constantFrom('a', 'a', 'a', ...SALTS),
    mode: fc.constantFrom<CacheMode>('share', 'share', 'share', 'share', 'use-only', 'bypass'),
    roomTokens: fc.constantFrom(0, 3, 8, TOKENS, TOKENS),
    keepPages: fc.constantFrom(0, 0, 0, 1, 2),
    claim: claimOptions(lives),
    breakpoints: lives === 'plain' ? fc.constant([]) : fc.constantFrom<readonly Breakpoint[]>(...BREAKPOINTS),
  });
  const pick = fc.nat(7);
  const acquires = fields.map((values) => new Acquire(values));
  const serves = fields.map((values) => new Serve({ ...values, mode: 'share', roomTokens: TOKENS }));
  const computes = fc.tuple(pick, fc.constantFrom(1, 2, 5, TOKENS)).map(([at, count]) => new Compute(at, count));
  const publishes = pick.map((at) => new Publish(at));
  const releases = pick.map((at) => new Release(at));
  const forks = fc.tuple(pick, bits).map(([at, tail]) => new Fork(at, bitsOf(tail)));
  const often = [acquires, serves, computes, publishes, releases];
  const sometimes = [pick.map((at) => new Seal(at)), pick.map((at) => new Transferred(at)), forks];
  const seldom = [fc.constantFrom(undefined, ...SALTS).map((salt) => new Clear(salt))];
  const often3 = [...often, ...often, ...often];
  const ending = lives === 'plain' ? [] : lifetimeCommands(lives, tokens);
  return fc.commands([...often3, ...sometimes, ...sometimes, ...ending, ...seldom], {
    maxCommands: 40,
    size: 'max',
  });
}

function lifetimeCommands(lives: Lives, tokens: fc.Arbitrary<number[]>): fc.Arbitrary<KvCommand>[] {
  const wheel = lives === 'late' ? (['turns', 'is late', 'is late'] as const) : (['turns'] as const);
  const advances = fc
    .tuple(fc.constantFrom(1, 10, 60, 1_000), fc.constantFrom(...wheel))
    .map(([ms, turn]) => new Advance(ms, turn));
  const targets = fc.constantFrom(
    ...[
      { tag: 'x' },
      { tag: 'v@1' },
      { tag: 'c1' },
      { session: 's' },
      { session: 't', salt: 'a' },
      { tag: 'x', salt: 'b' },
    ],
    ...[{ salt: 'b' }, { tag: 'nobody has it' }],
  );
  const prefix = fc.tuple(fc.constantFrom(...SALTS), tokens, fc.integer({ min: 1, max: TOKENS }));
  const pinned = fc.constantFrom<ClaimOptions>({}, {}, { tags: ['x'] }, { ttlMs: 70 });
  const pins = fc
    .tuple(prefix, pinned)
    .map(([[salt, all, count], options]) => new Pin(salt, all.slice(0, count), options));
  const ends = fc.constantFrom('published' as const, 'published' as const, 'half of it' as const, 'abandoned' as const);
  const restores = fc
    .tuple(prefix, claimOptions(lives), ends)
    .map(([[salt, all, count], options, end]) => new Restore(salt, all.slice(0, count), options, end));
  const invalidates = targets.map((target) => new Invalidate(target));
  return [advances, advances, invalidates, pins, fc.nat(7).map((at) => new Unpin(at)), restores];
}

function bitsOf(drawn: number): number[] {
  return Array.from({ length: TOKENS }, (_, at) => (drawn >>> at) & 1);
}
