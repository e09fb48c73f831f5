/** `--cache-file`: the cache of one run is there for the next. */
import { statSync } from 'node:fs';
import { type CacheFileView, type CacheImport, type Engine, readCacheFile, type Usage } from '@octavo/engine';
import type { Command } from 'commander';
import { counted } from '../counted.ts';
import { CommandError } from './errors.ts';
import { formatBytes, formatCount, type Output } from './output.ts';

export interface CacheFileFlags {
  readonly cacheFile?: string;
}

export function addCacheFileOption(command: Command): Command {
  return command.option(
    '--cache-file <file>',
    'keep the cache for the next run: read this file first if it is there, write it at the end',
  );
}

/** A cache file, looked at without a model. Throws UNREADABLE_FILE or INVALID_FILE. */
export function readCacheView(path: string): Extract<CacheFileView, { ok: true }> {
  const view = readCacheFile(path);
  if (view.ok) return view;
  const code = view.refusal.reason === 'unreadable' ? 'UNREADABLE_FILE' : 'INVALID_FILE';
  throw new CommandError(code, `${path}: ${view.refusal.message}`);
}

/** To be called before a model is loaded. Throws INVALID_FILE for a file of something else: named by mistake, it would be written over. */
export function assertCacheFile({ cacheFile }: CacheFileFlags): void {
  if (cacheFile === undefined) return;
  const view = readCacheFile(cacheFile);
  // An empty one, as `mktemp` makes it, has nothing to lose.
  if (view.ok || view.refusal.reason !== 'not-a-cache-file' || statSync(cacheFile).size === 0) return;
  throw new CommandError('INVALID_FILE', `${cacheFile} is no cache file and would be written over; give another path.`);
}

/**
 * Lends `work` what the file holds, and writes the file when it is done. A cache file that does not fit is told to the person and replaced; one that
 * is not there is no matter. What `work` throws is thrown without writing.
 */
export async function withCacheFile<Value>(
  engine: Engine,
  { cacheFile }: CacheFileFlags,
  output: Output,
  work: () => Promise<Value>,
): Promise<Value> {
  if (cacheFile === undefined) return work();
  const { pages, bytes, pins = [], refusal } = await engine.cache.import(cacheFile);
  if (refusal === undefined) output.note(`[${counted(pages, 'page')}, ${formatBytes(bytes)}, in ${cacheFile}]`);
  else if (refusal.reason !== 'unreadable') output.note(`[${cacheFile}: ${refusal.message}]`);
  if (pins.length > 0) output.note(`[${describePins(pins)}]`);
  const value = await work();
  const written = await engine.cache.export(cacheFile);
  output.note(`[${counted(written.pages, 'page')}, ${formatBytes(written.bytes)}, written to ${cacheFile}]`);
  return value;
}

/** What became of the pins of a file, for a person. Pure. */
function describePins(pins: NonNullable<CacheImport['pins']>): string {
  const count = (outcome: (typeof pins)[number]['outcome']) => pins.filter((pin) => pin.outcome === outcome).length;
  const said = `${count('granted')} of ${counted(pins.length, 'pin')} of the file ${pins.length === 1 ? 'holds' : 'hold'}`;
  const lack = count('clipped') + count('refused');
  if (lack === 0) return said;
  return `${said}, ${count('clipped')} in part, ${count('refused')} not: --pin-budget-pages has no room for more`;
}

/** How many of the cached tokens came out of the file, for a person; empty when none did. Pure. */
export function describeFileTokens({ cachedFrom: { file } }: Usage): string {
  return file === 0 ? '' : ` (${formatCount(file)} from the file)`;
}
