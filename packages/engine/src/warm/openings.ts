/**
 * What prompts began with in the last day: a warm list that is learned. A trie of pages of tokens, each with counts for the last 24 hours;
 * memory is bounded, and what was asked for least is forgotten first.
 */

/** Beginnings that prompts of one salt had in common. */
export interface Opening {
  readonly salt: string;
  /** A multiple of the page size. */
  readonly ids: Uint32Array;
  /** Prompts of the last 24 hours that began with it. */
  readonly count: number;
}

export interface OpeningsOptions {
  /** Tokens a page: beginnings are counted in whole pages, since those are what can be shared. */
  readonly pageSize: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  /** Pages of tokens that are remembered. Default 8,192: about 1.5 MiB with pages of 16 tokens. */
  readonly mostPages?: number;
  /** Pages of a prompt that are looked at. Default 128. */
  readonly depthPages?: number;
}

const HOUR_MS = 3_600_000;
const HOURS = 24;

class PageNode {
  readonly parent: PageNode | undefined;
  /** [pageSize]; empty at a root. */
  readonly ids: Uint32Array;
  readonly children = new Map<string, PageNode>();
  /** [24] prompts in each hour, by the hour's number modulo 24. */
  readonly #hours = new Uint32Array(HOURS);
  #lastHour: number;

  constructor(parent: PageNode | undefined, ids: Uint32Array, hour: number) {
    this.parent = parent;
    this.ids = ids;
    this.#lastHour = hour;
  }

  add(hour: number, count: number): void {
    this.#forget(hour);
    const at = hour % HOURS;
    this.#hours[at] = (this.#hours[at] as number) + count;
  }

  count(hour: number): number {
    this.#forget(hour);
    return this.#hours.reduce((sum, count) => sum + count, 0);
  }

  /** Empties the hours that are over since the last look. */
  #forget(hour: number): void {
    const past = Math.min(HOURS, hour - this.#lastHour);
    for (let back = 0; back < past; back += 1) this.#hours[(hour - back) % HOURS] = 0;
    this.#lastHour = Math.max(this.#lastHour, hour);
  }
}

export class Openings {
  readonly #options: Required<OpeningsOptions>;
  readonly #roots = new Map<string, PageNode>();
  #pages = 0;

  constructor(options: OpeningsOptions) {
    this.#options = { mostPages: 8192, depthPages: 128, ...options };
  }

  /** Pages that are remembered. */
  get pageCount(): number {
    return this.#pages;
  }

  /** Counts a prompt, `count` times. Amortised O(pages of the prompt). */
  observe(salt: string, ids: Uint32Array, count = 1): void {
    const { pageSize, depthPages, mostPages } = this.#options;
    const hour = this.#hour();
    let node = this.#rootOf(salt, hour);
    const pages = Math.min(depthPages, Math.floor(ids.length / pageSize));
    for (let page = 0; page < pages; page += 1) {
      node = this.#childOf(node, ids.subarray(page * pageSize, (page + 1) * pageSize), hour);
      node.add(hour, count);
    }
    if (this.#pages > mostPages) this.#forgetLeast(hour);
  }

  /**
   * The beginnings that at least two prompts had in common, where they part: of those the most frequent, longer ones first among
   * equals. O(pages that are remembered).
   */
  list(most: number): Opening[] {
    const hour = this.#hour();
    const found: Opening[] = [];
    for (const [salt, root] of this.#roots) {
      for (const node of nodesBelow(root)) {
        const count = node.count(hour);
        if (count < 2) continue;
        // All of them went on the same way: the beginning that they have in common is longer.
        const goesOn = [...node.children.values()].some((child) => child.count(hour) === count);
        if (!goesOn) found.push({ salt, ids: idsOf(node, this.#options.pageSize), count });
      }
    }
    found.sort((a, b) => b.count - a.count || b.ids.length - a.ids.length);
    return found.slice(0, most);
  }

  #hour(): number {
    return Math.floor(this.#options.clock() / HOUR_MS);
  }

  #rootOf(salt: string, hour: number): PageNode {
    const known = this.#roots.get(salt);
    if (known) return known;
    const root = new PageNode(undefined, new Uint32Array(), hour);
    this.#roots.set(salt, root);
    return root;
  }

  #childOf(node: PageNode, ids: Uint32Array, hour: number): PageNode {
    const key = ids.join();
    const known = node.children.get(key);
    if (known) return known;
    const child = new PageNode(node, ids.slice(), hour);
    node.children.set(key, child);
    this.#pages += 1;
    return child;
  }

  /** Drops a quarter of the pages: those with the lowest counts, ends before beginnings. */
  #forgetLeast(hour: number): void {
    const counted = [...this.#roots.values()].flatMap((root) =>
      [...nodesBelow(root)].map((node) => ({ node, count: node.count(hour) })),
    );
    // Parents come before children and count at least as much: backwards, ends come first.
    counted.reverse().sort((a, b) => a.count - b.count);
    for (const { node } of counted.slice(0, Math.ceil(counted.length / 4))) {
      if (node.children.size > 0) continue;
      node.parent?.children.delete(node.ids.join());
      this.#pages -= 1;
    }
    for (const [salt, root] of this.#roots) if (root.children.size === 0) this.#roots.delete(salt);
  }
}

/** All nodes below a root, parents before children. */
function* nodesBelow(root: PageNode): Generator<PageNode> {
  const waiting = [...root.children.values()];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    yield node;
    waiting.push(...node.children.values());
  }
}

function idsOf(end: PageNode, pageSize: number): Uint32Array {
  const pages: Uint32Array[] = [];
  for (let node: PageNode | undefined = end; node?.parent !== undefined; node = node.parent) pages.unshift(node.ids);
  const ids = new Uint32Array(pages.length * pageSize);
  for (const [at, page] of pages.entries()) ids.set(page, at * pageSize);
  return ids;
}
