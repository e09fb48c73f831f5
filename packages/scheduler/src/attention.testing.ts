/** Steps for the attention planner, described by hand, and what its levels come to. */
import { pagesFor } from '@octavo/kv';
import type { AttentionPlanner } from './attention-planner.ts';
import { PastColumns } from './past-columns.ts';

/** A sequence of a step: the pages of its past, how many tokens they hold, and how many rows it computes. */
export interface Member {
  readonly pages: readonly number[];
  readonly tokens: number;
  readonly rows: number;
  /** Names the sequence over several steps. Default: its place. */
  readonly name?: number;
}

/** A member whose last page is filled except for `missing` tokens. */
export function member(pages: readonly number[], pageSize: number, rows = 1, missing = 0): Member {
  return { pages, rows, tokens: pages.length * pageSize - missing };
}

/** Effect: `past` holds the members, whose rows follow each other. Returns the rows of the step. */
export function fillPast(past: PastColumns, members: readonly Member[]): number {
  past.begin();
  let row = 0;
  for (const [place, { pages, tokens, rows, name = place }] of members.entries()) {
    const sequence = { pageTable: Int32Array.from(pages), computedTokens: tokens, seat: name, admission: name + 1 };
    past.add(sequence, row, rows);
    row += rows;
  }
  return row;
}

/** [rows] the (page, tokens) pairs that each row reads, in order of page. */
export function readsOf(planner: AttentionPlanner, rowCount: number, pageSize: number): string[] {
  const reads: [page: number, tokens: number][][] = Array.from({ length: rowCount }, () => []);
  for (const level of planner.levels) {
    for (let row = 0; level.groupCount > 0 && row < rowCount; row += 1) {
      const group = Math.floor(level.rowAt[row]! / level.rowsPerGroup);
      const tokens = level.tokens[group]!;
      if (tokens > 0 && level.rows[level.rowAt[row]!] !== row) throw new Error(`row ${row} is not where it should be`);
      for (let page = 0; page < pagesFor(tokens, pageSize); page += 1) {
        reads[row]!.push([
          level.pages[group * level.pagesPerGroup + page]!,
          Math.min(pageSize, tokens - page * pageSize),
        ]);
      }
    }
  }
  return reads.map((pairs) => JSON.stringify(pairs.sort((left, right) => left[0] - right[0])));
}

/** What `readsOf` has to say about members. */
export function ownReads(members: readonly Member[], pageSize: number): string[] {
  return members.flatMap(({ pages, tokens, rows }) => {
    const pairs = pages.map((page, at) => [page, Math.min(pageSize, tokens - at * pageSize)] as [number, number]);
    const own = JSON.stringify(pairs.sort((left, right) => left[0] - right[0]));
    return Array.from({ length: rows }, () => own);
  });
}

/**
 * [rows] positions of the past that each row reads through the planner's first window, with the page of each. Throws when a group begins
 * with a page that none of its rows sees.
 */
export function windowReadsOf(planner: AttentionPlanner, members: readonly Member[], pageSize: number): string[] {
  const positions = members.flatMap(({ tokens, rows }) => Array.from({ length: rows }, (_, at) => tokens + at));
  const { window, levels } = planner.windows[0]!;
  const seen = new Set<string>();
  const reads = positions.map((rowPosition, row) => {
    const found: [position: number, page: number][] = [];
    for (const [at, level] of levels.entries()) {
      if (level.groupCount === 0) continue;
      const full = planner.levels[at]!;
      const group = Math.floor(full.rowAt[row]! / full.rowsPerGroup);
      for (let token = 0; token < level.tokens[group]!; token += 1) {
        const position = level.firstPositions[group]! + token;
        if (rowPosition - position >= window) continue;
        if (token < pageSize) seen.add(`${at}:${group}`);
        found.push([position, level.pages[group * level.pagesPerGroup + Math.floor(token / pageSize)]!]);
      }
    }
    return JSON.stringify(found.sort((left, right) => left[0] - right[0]));
  });
  for (const [at, level] of levels.entries()) {
    for (let group = 0; group < level.groupCount; group += 1) {
      if (level.tokens[group]! > 0 && !seen.has(`${at}:${group}`))
        throw new Error(`level ${at}: group ${group} reads too much`);
    }
  }
  return reads;
}

/** What `windowReadsOf` has to say about members. */
export function ownWindowReads(members: readonly Member[], window: number, pageSize: number): string[] {
  return members.flatMap(({ pages, tokens, rows }) =>
    Array.from({ length: rows }, (_, row) => {
      const lowest = Math.max(0, tokens + row - window + 1);
      const held = Array.from({ length: Math.max(0, tokens - lowest) }, (_, at) => lowest + at);
      return JSON.stringify(held.map((position) => [position, pages[Math.floor(position / pageSize)]!]));
    }),
  );
}

/** Groups, rows a group and pages a group of each used level. */
export function shapesOf(planner: AttentionPlanner): number[][] {
  return planner.levels
    .filter((level) => level.groupCount > 0)
    .map((level) => [level.groupCount, level.rowsPerGroup, level.pagesPerGroup]);
}

/** A new `PastColumns` with the members. */
export function pastOf(members: readonly Member[]): { readonly past: PastColumns; readonly rowCount: number } {
  const past = new PastColumns();
  return { past, rowCount: fillPast(past, members) };
}

/** `count` page ids that nobody else has. */
export function pageRun(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}
