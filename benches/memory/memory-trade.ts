/**
 * The trade that a cache makes: how many sequences fit into a fixed number of bytes, and how fast they decode, by context length and format of
 * the pages; the bytes of the cache beside those of the weights; and what the process takes against what was predicted.
 */
import { type Engine, EngineError, type EngineInfo, type EngineOptions } from 'octavo';
import { benchModel, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { goldensChecked, withEngine } from '../step/bench-session.ts';
import { decodeWindow } from '../step/decode-window.ts';
import { seededIds } from '../token-ids.ts';

type PageFormat = NonNullable<EngineOptions['kvType']>;
const formats: readonly PageFormat[] = ['f32', 'f16', 'int8'];
const PAGE_TOKENS = 16;
const MOST_SEQUENCES = 64;

export async function runMemoryTrade(effort: BenchEffort): Promise<BenchRow[]> {
  const smoke = effort === 'smoke';
  const shape = smoke ? 'tiny' : '135m';
  const poolBytes = smoke ? 2 ** 20 : 256 * 2 ** 20;
  const contexts = smoke ? [64] : [512, 2_048];
  const newTokens = smoke ? 6 : 16;
  const checked = await goldensChecked();
  const model = await benchModel(shape);
  const row = (name: string, value: number, unit: string, aim?: string): BenchRow =>
    measured({ name: `memory, ${name}`, value, unit, aim, samples: 1, checked });
  const rows: BenchRow[] = [];
  const sixteen: Partial<Record<PageFormat, number>> = {};
  const tokensPerGb: Partial<Record<PageFormat, number>> = {};
  for (const kvType of formats) {
    const info = await infoWith(model, kvType);
    if (info === undefined) continue;
    const bytesPerToken = info.bytesPerToken;
    tokensPerGb[kvType] = 1e9 / bytesPerToken;
    rows.push(
      row(`${kvType}: bytes a token`, bytesPerToken, 'bytes'),
      row(`${kvType}: tokens a GB`, 1e9 / bytesPerToken, ''),
    );
    const pages = 1 + Math.floor(poolBytes / (bytesPerToken * PAGE_TOKENS));
    for (const context of contexts) {
      // Room for what a sequence makes while the others still read, so that none has to give its pages back.
      const room = Math.ceil((pages * PAGE_TOKENS) / 256) + MOST_SEQUENCES + 2 * newTokens;
      const need = Math.ceil((context + room) / PAGE_TOKENS);
      const batch = Math.min(MOST_SEQUENCES, Math.floor((pages - 1) / need));
      if (batch === 0) {
        rows.push(row(`${kvType}, ${context} tokens in ${poolBytes / 2 ** 20} MiB of pages: sequences`, 0, ''));
        continue;
      }
      const options = { weights: 'q4', kvType, pages, maxSequences: batch } as const;
      const { tokensPerSecond, resident, expected } = await withEngine(model, options, async (engine) => {
        const found = await decodeWindow(engine, privatePrompts(batch, context, shapes[shape].vocabulary), newTokens);
        return { ...found, ...residentOf(engine) };
      });
      const at = `${kvType}, ${context} tokens in ${poolBytes / 2 ** 20} MiB of pages`;
      rows.push(
        row(`${at}: sequences`, batch, ''),
        row(`${at}: tokens a second`, tokensPerSecond, '/s'),
        row(`${at}: cache`, (batch * context * bytesPerToken) / 2 ** 20, 'MiB'),
        row(`${at}: resident`, resident / 2 ** 20, 'MiB'),
        row(`${at}: predicted`, expected / 2 ** 20, 'MiB'),
      );
    }
    const atSixteen = { weights: 'q4', kvType, maxSequences: 16 } as const;
    const shared = smoke ? 64 : 512;
    sixteen[kvType] = await withEngine(model, atSixteen, async (engine) => {
      const prompts = privatePrompts(16, shared, shapes[shape].vocabulary);
      await decodeWindow(engine, prompts, newTokens);
      return (await decodeWindow(engine, prompts, newTokens)).stepMs;
    });
    rows.push(row(`${kvType}: step of 16 sequences over ${shared} tokens each`, sixteen[kvType] as number, 'ms'));
  }
  if (sixteen.int8 === undefined) return rows;
  const ratio = (of: Partial<Record<PageFormat, number>>) => (of.int8 as number) / (of.f32 as number);
  rows.push(
    row('int8 against f32: tokens a GB', ratio(tokensPerGb), 'x', '>= 3.7 x'),
    row('int8 against f32: step', ratio(sixteen), 'x', '<= 1.05 x'),
  );
  return rows;
}

/** Undefined for a format that this engine does not have. */
async function infoWith(model: string, kvType: PageFormat): Promise<EngineInfo | undefined> {
  try {
    return await withEngine(model, { weights: 'q4', kvType, pages: 2 }, async (engine) => engine.info);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'INVALID_OPTION') return undefined;
    throw error;
  }
}

function privatePrompts(count: number, tokens: number, vocabulary: number): Uint32Array[] {
  return Array.from({ length: count }, (_, index) => seededIds(30_000 + index, tokens, vocabulary));
}

function residentOf(engine: Engine): { readonly resident: number; readonly expected: EngineInfo['expectedBytes'] } {
  return { resident: process.memoryUsage.rss(), expected: engine.info.expectedBytes };
}
