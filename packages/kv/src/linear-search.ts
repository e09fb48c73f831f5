import type { Entry, LinearEntries } from './linear-entries.ts';
import { commonTokens, isNearer } from './token-order.ts';

export interface FoundPath {
  readonly path: Entry[];
  readonly source?: Entry;
  readonly sourceTokens: number;
  /** It stopped at an entry whose time is over. */
  readonly metExpired: boolean;
}

interface SearchPlace {
  readonly root: Entry | undefined;
  readonly pageSize: number;
  readonly isAlive: (entry: Entry) => boolean;
}

/** The longest way through the entries along `tokens`, and the page that continues it. */
export function findPath(entries: LinearEntries, place: SearchPlace, tokens: readonly number[]): FoundPath {
  const { root, pageSize, isAlive } = place;
  const path: Entry[] = [];
  let at = root;
  while (at !== undefined && path.length * pageSize < tokens.length) {
    const wanted = tokens.slice(path.length * pageSize, (path.length + 1) * pageSize);
    const best = bestChild(entries, at, wanted);
    const common = best === undefined ? 0 : commonTokens(best.tokens, wanted);
    if (best === undefined || common === 0) break;
    if (!isAlive(best)) return { path, sourceTokens: 0, metExpired: true };
    if (common < pageSize) return { path, source: best, sourceTokens: common, metExpired: false };
    path.push(best);
    at = best;
  }
  return { path, sourceTokens: 0, metExpired: false };
}

/** Most tokens in common; of equals, the next one in the order of tokens, and if there is none, the last one before. */
function bestChild(entries: LinearEntries, parent: Entry, wanted: readonly number[]): Entry | undefined {
  let best: Entry | undefined;
  for (const child of entries.childrenOf(parent)) {
    if (best === undefined) {
      best = child;
      continue;
    }
    const gain = commonTokens(child.tokens, wanted) - commonTokens(best.tokens, wanted);
    if (gain > 0 || (gain === 0 && isNearer(child.tokens, best.tokens, wanted))) best = child;
  }
  return best;
}
