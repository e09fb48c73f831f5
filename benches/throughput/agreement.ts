/**
 * The same answers however they were computed. Sums of floats come out in another order when rows are grouped in another way, so where the
 * two best tokens are nearly tied either may win, and what follows differs; everything before such a tie must be the same.
 */
import type { Engine } from 'octavo';
import { joined } from '../token-ids.ts';
import type { Answer } from './serve.ts';

/**
 * Share of the spread (largest minus smallest) of the logits below which two tokens count as tied. Activations are rounded to 8 bits in
 * quantised products, and a last bit that falls the other way is worth about this much after 30 layers.
 */
const TIE = 0.01;

export interface Agreement {
  /** Answers that were compared. */
  readonly compared: number;
  /** Answers that part at a tie. */
  readonly ties: number;
}

/**
 * Compares the answers of one run with those of another, and those that it gave to one prompt with each other. Effect: scores the prompts of
 * answers that differ on `judge`. Throws when the runs have no prompt in common, or when two answers differ where there is no tie.
 */
export async function checkAgreement(
  judge: Engine,
  expected: ReadonlyMap<string, Answer>,
  given: ReadonlyMap<string, Answer>,
): Promise<Agreement> {
  let compared = 0;
  let ties = 0;
  for (const [key, { prompt, ids: first, others }] of given) {
    const known = expected.get(key);
    // A later turn of a conversation that parted at a tie is another prompt.
    if (known === undefined) continue;
    for (const ids of [first, ...others]) {
      compared += 1;
      const at = ids.findIndex((id, index) => id !== known.ids[index]);
      if (at === -1) continue;
      await checkTie(judge, joined([prompt, ids.slice(0, at)]), [ids[at] as number, known.ids[at] as number]);
      ties += 1;
    }
  }
  if (compared === 0) throw new Error('No answer could be compared.');
  return { compared, ties };
}

async function checkTie(judge: Engine, ids: Uint32Array, [one, other]: readonly [number, number]): Promise<void> {
  const { lastLogits } = await judge.score({ ids });
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const logit of lastLogits) {
    low = Math.min(low, logit);
    high = Math.max(high, logit);
  }
  const gap = Math.abs((lastLogits[one] as number) - (lastLogits[other] as number)) / (high - low);
  const below = (high - Math.max(lastLogits[one] as number, lastLogits[other] as number)) / (high - low);
  if (gap > TIE || below > TIE) {
    throw new Error(
      `after ${ids.length} tokens ${one} and ${other} were chosen, ${(100 * gap).toFixed(2)} % of the logits' spread apart`,
    );
  }
}
