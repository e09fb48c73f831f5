/**
 * Attention over a shared prefix in levels against the same rows flat: the time of a decode step over long pasts minus that over short
 * ones, where everything but attention is the same.
 */
import { benchModel, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { median, spreadOf } from '../statistics.ts';
import { joined, seededIds } from '../token-ids.ts';
import { goldensChecked, withEngine } from './bench-session.ts';
import { type DecodeWindow, decodeWindow, tokensUntilEnd } from './decode-window.ts';

const SHORT_PAST = 2;

export async function runAttentionBench(effort: BenchEffort): Promise<BenchRow[]> {
  const smoke = effort === 'smoke';
  const shape = smoke ? 'tiny' : '135m';
  const { vocabulary } = shapes[shape];
  const [rows, sharedTokens, privateTokens, newTokens, rounds] = smoke ? [8, 128, 16, 8, 1] : [32, 1_024, 64, 24, 3];
  const checked = await goldensChecked();
  const model = await benchModel(shape);
  const shared = seededIds(71, sharedTokens, vocabulary);
  const prompts = (round: number) =>
    Array.from({ length: rows }, (_, row) =>
      joined([shared, seededIds(7_000 + round * rows + row, privateTokens, vocabulary)]),
    );
  const short = (round: number) =>
    Array.from({ length: rows }, (_, row) => seededIds(8_000 + round * rows + row, SHORT_PAST, vocabulary));
  const longest = sharedTokens + privateTokens + tokensUntilEnd(prompts(0), newTokens);
  const pages = 1 + rows * Math.ceil(longest / 16);
  const windows = async (sharing: boolean, count: number) =>
    withEngine(model, { weights: 'q4', maxSequences: rows, sharing, pages }, async (engine) => {
      const found: { long: DecodeWindow; short: DecodeWindow }[] = [];
      await decodeWindow(engine, short(0), newTokens);
      for (let round = 1; round <= count; round++) {
        found.push({
          long: await decodeWindow(engine, prompts(round), newTokens),
          short: await decodeWindow(engine, short(round), newTokens),
        });
      }
      return found;
    });
  // Flat, every prompt is computed whole, which takes minutes: one round.
  const inLevels = await windows(true, rounds);
  const flat = await windows(false, 1);
  const attention = ({ long, short: bare }: { long: DecodeWindow; short: DecodeWindow }) => long.runMs - bare.runMs;
  const row = (name: string, values: readonly number[], unit: string, aim?: string): BenchRow =>
    measured({
      name: `attention, ${rows} rows over ${sharedTokens} shared + ${privateTokens} private tokens: ${name}`,
      value: median(values),
      unit,
      aim,
      samples: values.length,
      spread: spreadOf(values),
      checked,
    });
  return [
    row(
      'a step in levels',
      inLevels.map(({ long }) => long.runMs),
      'ms',
    ),
    row(
      'a step flat',
      flat.map(({ long }) => long.runMs),
      'ms',
    ),
    row(
      'a step over two tokens',
      inLevels.map((round) => round.short.runMs),
      'ms',
    ),
    row('attention in levels', inLevels.map(attention), 'ms'),
    row('attention flat', flat.map(attention), 'ms'),
    row('flat / levels', [median(flat.map(attention)) / median(inLevels.map(attention))], 'x', '>= 5 x'),
  ];
}
