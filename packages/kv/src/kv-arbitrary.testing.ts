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

const SALTS = ['a', 'b'];
// Most prompts follow one of these for a while: random ones would rarely share a page.
const STEMS = [Array.from({ length: TOKENS }, () => 0), Array.from({ length: TOKENS }, (_, at) => at % 3)];

/**
 * Random lives of sequences over two salts, with prompts that often begin alike. Token streams are drawn as few small numbers and
 * expanded here: generating and shrinking long arrays would take most of the time.
 */
export function kvCommands(): fc.Arbitrary<Iterable<KvCommand>> {
  const bits = fc.nat(2 ** TOKENS - 1);
  const tokens = fc
    .tuple(fc.constantFrom(...STEMS), fc.integer({ min: 0, max: TOKENS }), bits)
    .map(([stem, cut, own]) => [...stem.slice(0, cut), ...bitsOf(own).slice(cut)]);
  const promptTokens = fc.integer({ min: 1, max: TOKENS });
  const fields = fc.record<AcquireFields>({
    tokens,
    promptTokens,
    salt: fc.constantFrom('a', 'a', 'a', ...SALTS),
    mode: fc.constantFrom<CacheMode>('share', 'share', 'share', 'share', 'bypass'),
    roomTokens: fc.constantFrom(0, 3, 8, TOKENS, TOKENS),
    keepPages: fc.constantFrom(0, 0, 0, 1, 2),
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
  return fc.commands([...often, ...often, ...often, ...sometimes, ...sometimes, ...seldom], {
    maxCommands: 40,
    size: 'max',
  });
}

function bitsOf(drawn: number): number[] {
  return Array.from({ length: TOKENS }, (_, at) => (drawn >>> at) & 1);
}
