import { createKvCache, type KvCache } from '@octavo/kv';

export const PAGE_SIZE = 16;
const PROMPT_TOKENS = 1_000;
// The last token is never matched, so the prompt's page 62 is matched by 7 of its rows.
export const EXPECTED_MATCH = PROMPT_TOKENS - 1;
const PROMPT_PAGES = Math.ceil(PROMPT_TOKENS / PAGE_SIZE);

/** One index and the prompts that are matched in it. */
export interface MatchWorkload {
  readonly cache: KvCache;
  /** The whole prompt but its last page is one label. */
  readonly longLabel: Uint32Array;
  /** Every page of the prompt is a node of its own. */
  readonly chain: Uint32Array;
  /** The prompt's second page is one of `siblings` children that all begin with the same half page. */
  readonly crowd: Uint32Array;
}

/** How large an index to build. */
export interface WorkloadScale {
  readonly index: 'radix' | 'linear';
  /** Pages of other prompts, each a node. */
  readonly others: number;
  readonly siblings: number;
}

/** Fills an index with prompts of other customers and the three to be matched. Deterministic. */
export function createMatchWorkload({ index, others, siblings }: WorkloadScale): MatchWorkload {
  const cache = createKvCache({ pages: others + siblings + 10 * PROMPT_PAGES, pageSize: PAGE_SIZE, index });
  const groups = Math.ceil(Math.sqrt(others));
  for (let other = 0; other < others; other++) {
    publish(cache, [...pageOf(1, other % groups), ...pageOf(2, Math.floor(other / groups))]);
  }
  const longLabel = promptOf(10);
  publish(cache, longLabel);
  const chain = promptOf(11);
  publish(cache, chain);
  for (let pages = 1; pages < PROMPT_PAGES; pages++) {
    publish(cache, [...chain.subarray(0, pages * PAGE_SIZE), ...pageOf(3, pages)]);
  }
  const crowd = promptOf(12);
  const [first, second] = [crowd.subarray(0, PAGE_SIZE), crowd.subarray(PAGE_SIZE, 2 * PAGE_SIZE)];
  for (let sibling = 1; sibling < siblings; sibling++) {
    const half = second.subarray(0, PAGE_SIZE / 2);
    publish(cache, [...first, ...half, ...pageOf(4, sibling).slice(0, PAGE_SIZE / 2)]);
  }
  publish(cache, crowd);
  return {
    cache,
    longLabel: longLabel.slice(0, PROMPT_TOKENS),
    chain: chain.slice(0, PROMPT_TOKENS),
    crowd: crowd.slice(0, PROMPT_TOKENS),
  };
}

function publish(cache: KvCache, prompt: ArrayLike<number>): void {
  const tokens = Uint32Array.from(prompt);
  const result = cache.acquire({
    tokens,
    tokenCount: tokens.length,
    salt: '',
    mode: 'share',
    roomTokens: tokens.length,
    keepPages: 0,
  });
  if (!result.ok) throw new Error(`The pool is too small: ${result.neededPages} pages needed.`);
  result.lease.transferred();
  result.lease.publish(tokens, tokens.length);
  result.lease.release();
}

function promptOf(kind: number): Uint32Array {
  const tokens = new Uint32Array(PROMPT_PAGES * PAGE_SIZE);
  for (let page = 0; page < PROMPT_PAGES; page++) tokens.set(pageOf(kind, page), page * PAGE_SIZE);
  return tokens;
}

/** A page of tokens that look random and differ between any two (kind, page). */
function pageOf(kind: number, page: number): number[] {
  let state = (kind * 1_000_003 + page) >>> 0;
  return Array.from({ length: PAGE_SIZE }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % 49_152;
  });
}
