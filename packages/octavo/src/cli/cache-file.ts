/** `--cache-file`: the cache of one run is there for the next. */
import type { Engine } from '@octavo/engine';
import type { Command } from 'commander';
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

/**
 * Lends `work` what the file holds, and writes the file when it is done. A file that does not fit is told to the person and replaced; one that
 * is not there is no matter. What `work` throws is thrown without writing.
 */
export async function withCacheFile<Value>(
  engine: Engine,
  { cacheFile }: CacheFileFlags,
  output: Output,
  work: () => Promise<Value>,
): Promise<Value> {
  if (cacheFile === undefined) return work();
  const { pages, bytes, refusal } = await engine.cache.import(cacheFile);
  if (refusal === undefined) output.note(`[${formatCount(pages)} pages, ${formatBytes(bytes)}, in ${cacheFile}]`);
  else if (refusal.reason !== 'unreadable') output.note(`[${cacheFile}: ${refusal.message}]`);
  const value = await work();
  const written = await engine.cache.export(cacheFile);
  output.note(`[${formatCount(written.pages)} pages, ${formatBytes(written.bytes)}, written to ${cacheFile}]`);
  return value;
}
