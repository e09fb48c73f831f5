/** Answers an eval set with one setting. */
import type { Engine } from '@octavo/engine';
import { eachInFlight } from '../in-flight.ts';
import type { EvalItem } from './eval-set.ts';
import type { Measured, Setting } from './settings.ts';

/** Questions in flight. */
const TUNE_CONCURRENCY = 16;

export interface MeasureOptions {
  readonly signal: AbortSignal;
  readonly onAnswer: () => void;
}

/** Greedy answers to all questions. Throws what a request throws. */
export async function measure(
  engine: Engine,
  setting: Setting,
  items: readonly EvalItem[],
  { signal, onAnswer }: MeasureOptions,
): Promise<Omit<Measured, 'lost' | 'bytesPerTokenSaved'>> {
  let right = 0;
  await eachInFlight(items, TUNE_CONCURRENCY, async ({ request, isRight }) => {
    const asked = { ...request, signal };
    const generation = 'messages' in asked ? engine.chat(asked) : engine.generate(asked);
    const { text = '' } = await generation.result();
    if (isRight(text)) right++;
    onAnswer();
  });
  const { bytesPerToken, expectedBytes } = engine.info;
  return {
    ...setting,
    right,
    questions: items.length,
    accuracy: right / items.length,
    bytesPerToken,
    memoryBytes: expectedBytes,
  };
}

/** What each setting lost and saved against the first one. Pure. */
export function compared(rows: readonly Omit<Measured, 'lost' | 'bytesPerTokenSaved'>[]): Measured[] {
  const [first] = rows;
  if (first === undefined) return [];
  return rows.map((row) => ({
    ...row,
    lost: first.accuracy - row.accuracy,
    bytesPerTokenSaved: first.bytesPerToken - row.bytesPerToken,
  }));
}
