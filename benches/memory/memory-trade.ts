/**
 * The trade that a cache makes: how many sequences fit into a fixed number of bytes, and how fast they decode, by context length and format of
 * the pages; what the formats cost in time; and what a process takes against what was predicted.
 */
import type { Engine, EngineInfo, EngineOptions } from 'octavo';
import { benchModel, type ShapeName, shapes } from '../engine/workload.ts';
import { type BenchRow, type MeasuredFields, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { median, spreadOf } from '../statistics.ts';
import { goldensChecked, withEngine } from '../step/bench-session.ts';
import { decodeWindow } from '../step/decode-window.ts';

import { seededIds } from '../token-ids.ts';
import { memoryAgainstPrediction } from './prediction.ts';

type PageFormat = NonNullable<EngineOptions['kvType']>;
const formats: readonly PageFormat[] = ['f32', 'f16', 'int8'];
const PAGE_TOKENS = 16;
const MOST_SEQUENCES = 64;

interface TradeSetting {
  readonly shape: ShapeName;
  readonly poolBytes: number;
  /** Tokens of the prompts. */
  readonly contexts: readonly number[];
  readonly newTokens: number;
  /** Sixteen sequences over that many tokens each are what the formats are timed with. */
  readonly pastTokens: number;
  readonly rounds: number;
}

const MIB = 2 ** 20;
const settings: Readonly<Record<BenchEffort, TradeSetting>> = {
  smoke: { shape: 'tiny', poolBytes: MIB, contexts: [64], newTokens: 6, pastTokens: 64, rounds: 1 },
  full: { shape: '135m', poolBytes: 256 * MIB, contexts: [512, 2_048], newTokens: 16, pastTokens: 512, rounds: 5 },
};

export async function runMemoryTrade(effort: BenchEffort): Promise<BenchRow[]> {
  const setting = settings[effort];
  const checked = await goldensChecked();
  const model = await benchModel(setting.shape);
  const bytesPerToken = {} as Record<PageFormat, number>;
  for (const kvType of formats) {
    const { bytesPerToken: bytes } = await withEngine(
      model,
      { weights: 'q4', kvType, pages: 2 },
      async ({ info }) => info,
    );
    bytesPerToken[kvType] = bytes;
  }
  const rows: Fields[] = [];
  for (const kvType of formats) {
    rows.push(
      { name: `${kvType}: bytes a token`, value: bytesPerToken[kvType], unit: 'bytes' },
      { name: `${kvType}: tokens a GB`, value: 1e9 / bytesPerToken[kvType], unit: '' },
    );
    for (const context of setting.contexts) {
      rows.push(...(await fitted(model, { ...setting, kvType, context, bytesPerToken: bytesPerToken[kvType] })));
    }
  }
  const ratio = bytesPerToken.f32 / bytesPerToken.int8;
  rows.push({ name: 'int8 against f32: tokens a GB', value: ratio, unit: 'x', aim: '>= 3.7 x' });
  rows.push(...(await stepTimes(model, setting)));
  const trade = rows.map((fields) => measured({ samples: 1, checked, ...fields, name: `memory, ${fields.name}` }));
  return [...trade, ...(await memoryAgainstPrediction(setting.shape))];
}

type Fields = Omit<MeasuredFields, 'samples' | 'checked'> & { readonly samples?: number };

/** As many sequences as fit at once, and how fast they decode. */
async function fitted(
  model: string,
  of: TradeSetting & { readonly kvType: PageFormat; readonly context: number; readonly bytesPerToken: number },
): Promise<Fields[]> {
  const { shape, poolBytes, kvType, context, bytesPerToken, newTokens } = of;
  const pages = 1 + Math.floor(poolBytes / (bytesPerToken * PAGE_TOKENS));
  // Room for what a sequence makes while the others still read, so that none has to give its pages back.
  const room = Math.ceil((pages * PAGE_TOKENS) / 256) + MOST_SEQUENCES + 2 * newTokens;
  const batch = Math.min(MOST_SEQUENCES, Math.floor((pages - 1) / Math.ceil((context + room) / PAGE_TOKENS)));
  const at = `${kvType}, ${context} tokens in ${poolBytes / MIB} MiB of pages`;
  if (batch === 0) return [{ name: `${at}: sequences`, value: 0, unit: '' }];
  const options = { weights: 'q4', kvType, pages, maxSequences: batch } as const;
  const prompts = privatePrompts(batch, context, shapes[shape].vocabulary);
  const { tokensPerSecond, besideMib } = await withEngine(model, options, async (engine) => {
    const { tokensPerSecond } = await decodeWindow(engine, prompts, newTokens);
    return { tokensPerSecond, besideMib: besidePages(engine.info) / MIB };
  });
  return [
    { name: `${at}: sequences`, value: batch, unit: '' },
    { name: `${at}: tokens a second`, value: tokensPerSecond, unit: '/s' },
    { name: `${at}: cache`, value: (batch * context * bytesPerToken) / MIB, unit: 'MiB' },
    { name: `${at}: weights and process beside it`, value: besideMib, unit: 'MiB' },
  ];
}

/** Bytes of weights and process, as the engine counts them. */
function besidePages({ expectedBytes, pages, pageSize, bytesPerToken }: EngineInfo): number {
  return expectedBytes - pages * pageSize * bytesPerToken;
}

/** Steps of 16 sequences in every format, in turns: machines drift. */
async function stepTimes(model: string, { shape, pastTokens, newTokens, rounds }: TradeSetting): Promise<Fields[]> {
  const times: Record<PageFormat, number[]> = { f32: [], f16: [], int8: [] };
  const prompts = privatePrompts(16, pastTokens, shapes[shape].vocabulary);
  const withFormat = (kvType: PageFormat, work: (engine: Engine) => Promise<void>) =>
    withEngine(model, { weights: 'q4', kvType, maxSequences: 16 }, async (engine) => {
      await decodeWindow(engine, prompts, newTokens);
      await work(engine);
    });
  await withFormat('f32', (f32) =>
    withFormat('f16', (f16) =>
      withFormat('int8', async (int8) => {
        for (let round = 0; round < rounds; round++) {
          for (const [kvType, engine] of [
            ['f32', f32],
            ['f16', f16],
            ['int8', int8],
          ] as const) {
            times[kvType].push((await decodeWindow(engine, prompts, newTokens)).stepMs);
          }
        }
      }),
    ),
  );
  const name = `step of 16 sequences over ${pastTokens} tokens each`;
  const ratios = times.int8.map((ms, round) => ms / (times.f32[round] as number));
  return [
    ...formats.map((kvType) => ({ name: `${kvType}: ${name}`, unit: 'ms', ...summary(times[kvType]) })),
    { name: 'int8 against f32: step', unit: 'x', aim: '<= 1.05 x', ...summary(ratios) },
  ];
}

function summary(values: readonly number[]): Pick<MeasuredFields, 'value' | 'spread' | 'samples'> {
  return { value: median(values), spread: spreadOf(values), samples: values.length };
}

function privatePrompts(count: number, tokens: number, vocabulary: number): Uint32Array[] {
  return Array.from({ length: count }, (_, index) => seededIds(30_000 + index, tokens, vocabulary));
}
