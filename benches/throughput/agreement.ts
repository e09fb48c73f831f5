/**
 * The same answers however they were computed. Sums of floats come out in another order when rows are grouped in another way, so where the
 * two best tokens are nearly tied either may win, and what follows differs; everything before such a tie must be the same.
 */
import type { Engine, EngineOptions } from 'octavo';
import { joined } from '../token-ids.ts';
import type { Answer } from './serve.ts';

/**
 * Share of the spread (largest minus smallest) of the logits below which two tokens count as tied. Activations are rounded to 8 bits in
 * quantised products, and a last bit that falls the other way is worth about this much after 30 layers.
 */
const TIE = 0.01;

/**
 * Beyond that, what counts is what the order of sums does to the logits of this very prompt: the root mean square of their differences between
 * the judge and a deterministic engine of the same formats, each with the prompt alone and cold, so that nothing shared or batched has a part
 * in it. Float32 weights have none to speak of. The others round activations to 8 bits, and a last bit that falls the other way rounds anew what comes after:
 * so the noise is a part of the rounding error itself. Shares of the spread, six prompts of 816 tokens, shape of 135 million parameters, noise and distance
 * from float32: q8 0.22 to 0.32 % and 0.36 to 0.46 %, w8a8, which rounds a row with one scale, 0.37 to 0.55 % and 0.47 to 0.78 %; q4, whose activations are
 * those of q8, 0.21 to 0.25 %; q4+w8a8 against q4, whose matrices are the same, 0.57 to 0.80 %. More noise than the rounding error has other causes.
 */
const MOST_NOISE: Readonly<Record<Engine['info']['weights'], number>> = {
  f32: 0,
  q8: 0.004,
  q4: 0.004,
  w8a8: 0.007,
  'q4+w8a8': 0.009,
};

/** Standard deviations of a gap: thousands of tokens are chosen in a run, and noise is not the same everywhere. */
const DEVIATIONS = 5;

export interface Agreement {
  /** Answers that were compared. */
  readonly compared: number;
  /** Answers that part at a tie. */
  readonly ties: number;
  /** The widest of these ties, as a share of the logits' spread. */
  readonly widest: number;
}

/** Options of a deterministic engine with the same matrices: `q4+w8a8` has none, and `q4` is half of it. */
export function deterministicFormat(weights: EngineOptions['weights'] = 'f32'): EngineOptions {
  return { deterministic: true, weights: weights === 'q4+w8a8' ? 'q4' : weights };
}

/** Gives a deterministic engine of the judge's model and formats. */
export type OpenReference = () => Promise<Engine>;

/**
 * Compares the answers of one run with those of another, and those that it gave to one prompt with each other. Effect: scores the prompts of
 * answers that differ on `judge`, and where these are no plain ties on the reference. Throws when the runs have no prompt in common, or when
 * two answers differ where there is no tie.
 */
export async function checkAgreement(
  judge: Engine,
  expected: ReadonlyMap<string, Answer>,
  given: ReadonlyMap<string, Answer>,
  openReference?: OpenReference,
): Promise<Agreement> {
  let compared = 0;
  let ties = 0;
  let widest = 0;
  for (const [key, { prompt, ids: first, others }] of given) {
    const known = expected.get(key);
    // A later turn of a conversation that parted at a tie is another prompt.
    if (known === undefined) continue;
    for (const ids of [first, ...others]) {
      compared += 1;
      const at = ids.findIndex((id, index) => id !== known.ids[index]);
      if (at === -1) continue;
      const before = joined([prompt, ids.slice(0, at)]);
      const chosen = [ids[at] as number, known.ids[at] as number] as const;
      widest = Math.max(widest, await tieOf({ judge, openReference }, before, chosen));
      ties += 1;
    }
  }
  if (compared === 0) throw new Error('No answer could be compared.');
  return { compared, ties, widest };
}

interface Judges {
  readonly judge: Engine;
  readonly openReference: OpenReference | undefined;
}

/** How far two tokens are from each other, or the better one from the best, as a share of the logits' spread. Throws where that is no tie. */
async function tieOf(
  { judge, openReference }: Judges,
  ids: Uint32Array,
  [one, other]: readonly [number, number],
): Promise<number> {
  const { lastLogits: logits } = await judge.score({ ids });
  const { high, spread } = rangeOf(logits);
  const [first, second] = [logits[one] as number, logits[other] as number];
  const apart = Math.max(Math.abs(first - second), high - Math.max(first, second)) / spread;
  if (apart <= TIE) return apart;
  const noise = openReference && noiseBetween(logits, (await (await openReference()).score({ ids })).lastLogits);
  // Of the difference of two logits.
  if (noise !== undefined && noise <= MOST_NOISE[judge.info.weights] && apart <= DEVIATIONS * Math.SQRT2 * noise)
    return apart;
  const known = noise === undefined ? '' : `, where the order of sums makes ${percent(noise)}`;
  throw new Error(
    `after ${ids.length} tokens ${one} and ${other} were chosen, ${percent(apart)} of the logits' spread apart or below the best${known}`,
  );
}

function rangeOf(logits: readonly number[]): { readonly high: number; readonly spread: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const logit of logits) {
    low = Math.min(low, logit);
    high = Math.max(high, logit);
  }
  return { high, spread: high - low };
}

/** Root mean square of the differences, as a share of the spread. */
function noiseBetween(logits: readonly number[], others: readonly number[]): number {
  let squares = 0;
  for (const [id, logit] of logits.entries()) squares += (logit - (others[id] as number)) ** 2;
  return Math.sqrt(squares / logits.length) / rangeOf(logits).spread;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
