/** Damaged files, and how much memory reading them asks for. */
import fc from 'fast-check';

/** What lies are made of: values where others belong, brackets that do not match, numbers that no file can mean. */
const TOKENS = [
  '-1',
  '0',
  '1',
  '7',
  '1.5',
  '10000000',
  '4294967296',
  '9007199254740993',
  '1e308',
  '1e999',
  'null',
  'true',
  '""',
  '"../x"',
  '[]',
  '{}',
  '[',
  ']',
  '{',
  '}',
  ',',
  ':',
  '\\u0000',
  '"__proto__":1,',
  '[['.repeat(40),
];

type Damage =
  | { readonly kind: 'set'; readonly at: number; readonly to: number }
  | { readonly kind: 'cut'; readonly at: number; readonly bytes: number }
  | { readonly kind: 'insert'; readonly at: number; readonly token: string }
  /** A run of digits becomes something else. */
  | { readonly kind: 'lie'; readonly number: number; readonly token: string };

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), to: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), bytes: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), token: fc.constantFrom(...TOKENS) }),
  fc.record({ kind: fc.constant('lie' as const), number: fc.nat(), token: fc.constantFrom(...TOKENS) }),
);

/** Copies of `bytes` with one to four damages each. */
export function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc
    .array(damage, { minLength: 1, maxLength: 4 })
    .map((damages) => damages.reduce((sound, each) => apply(sound, each), bytes));
}

function apply(bytes: Uint8Array, damage: Damage): Uint8Array {
  const at = damage.kind === 'lie' ? 0 : damage.at % (bytes.length + 1);
  if (damage.kind === 'set') {
    const copy = Uint8Array.from(bytes);
    if (at < copy.length) copy[at] = damage.to;
    return copy;
  }
  if (damage.kind === 'cut') return spliced(bytes, { at, removed: damage.bytes, token: '' });
  if (damage.kind === 'insert') return spliced(bytes, { at, removed: 0, token: damage.token });
  const numbers = [...Buffer.from(bytes).toString('latin1').matchAll(/\d+/g)];
  const found = numbers[damage.number % Math.max(1, numbers.length)];
  return found === undefined
    ? bytes
    : spliced(bytes, { at: found.index, removed: found[0].length, token: damage.token });
}

function spliced(
  bytes: Uint8Array,
  { at, removed, token }: { at: number; removed: number; token: string },
): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(token), bytes.subarray(at + removed)]);
}

const counted = ['ArrayBuffer', 'Uint8Array', 'Uint16Array', 'Uint32Array', 'Float32Array'] as const;

/** Runs `work`; returns the bytes of the largest buffer or typed array that it asked for by length, whether or not it got it. */
export async function largestAllocation(work: () => Promise<unknown>): Promise<number> {
  let largest = 0;
  const originals = counted.map((name) => [name, globalThis[name]] as const);
  for (const [name, original] of originals) {
    const width = 'BYTES_PER_ELEMENT' in original ? original.BYTES_PER_ELEMENT : 1;
    const watched = new Proxy(original, {
      construct(target, args: unknown[], newTarget) {
        if (typeof args[0] === 'number') largest = Math.max(largest, args[0] * width);
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
    Object.assign(globalThis, { [name]: watched });
  }
  try {
    await work();
  } finally {
    Object.assign(globalThis, Object.fromEntries(originals));
  }
  return largest;
}
