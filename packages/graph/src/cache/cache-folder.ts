import { isAbsolute, join } from 'node:path';
import { GraphError } from '../errors.ts';

/**
 * Where compiled graphs are kept: OCTAVO_CACHE, else `octavo` in XDG_CACHE_HOME (ignored when relative, as its specification asks), in
 * LOCALAPPDATA (Windows), or in `.cache` of the home folder. Pure: pass `process.env`. Throws OPTION_INVALID when no home is known.
 */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (env.OCTAVO_CACHE) return env.OCTAVO_CACHE;
  if (env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME)) return join(env.XDG_CACHE_HOME, 'octavo');
  if (env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'octavo');
  const home = env.HOME || env.USERPROFILE;
  if (home) return join(home, '.cache', 'octavo');
  throw new GraphError('OPTION_INVALID', 'no folder for compiled graphs is known: set OCTAVO_CACHE to one');
}
