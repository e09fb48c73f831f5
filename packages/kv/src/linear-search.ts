import type { Entry, LinearEntries } from './linear-entries.ts';
import { commonTokens, isNearer } from './token-order.ts';

export interface FoundPath {
  readonly path: Entry[];
  readonly source?: Entry;
  readonly sourceTokens: number;
  /** More would match if the time of an entry were not over. */
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
    const children = entries.childrenOf(at);
    const nearest = bestOf(children, wanted);
    const isOver = nearest !== undefined && !isAlive(nearest);
    const best = isOver ? bestOf(children.filter(isAlive), wanted) : nearest;
    const common = commonOf(best, wanted);
    const metExpired = commonOf(nearest, wanted) > common;
    if (best === undefined || common === 0) return { path, sourceTokens: 0, metExpired };
    if (common < pageSize) return { path, source: best, sourceTokens: common, metExpired };
    path.push(best);
    at = best;
  }
  return { path, sourceTokens: 0, metExpired: false };
}

function commonOf(entry: Entry | undefined, wanted: readonly number[]): number {
  return entry === undefined ? 0 : commonTokens(entry.tokens, wanted);
}

/** Most tokens in common; of equals, the next one in the order of tokens, and if there is none, the last one before. */
function bestOf(children: readonly Entry[], wanted: readonly number[]): Entry | undefined {
  let best: Entry | undefined;
  for (const child of children) {
    const gain = commonOf(child, wanted) - commonOf(best, wanted);
    if (best === undefined || gain > 0 || (gain === 0 && isNearer(child.tokens, best.tokens, wanted))) best = child;
  }
  return best;
}
