/** A cache as a tree in the terminal. */
import type { CacheClaim, CacheTreeEntry } from '@octavo/engine';
import { counted } from '../counted.ts';

/** Letters of a text, or ids, that are shown of an entry. */
const SHOWN_LETTERS = 48;
const SHOWN_IDS = 8;

/** Text of ids; undefined where there is no tokenizer. */
export type Decode = (ids: readonly number[]) => string | undefined;

/**
 * One line an entry: what it begins with, its tokens and pages, why it stays and what it saved. Entries that begin a prompt stand below their
 * salt. Pure. O(entries).
 */
export function drawTree(entries: readonly CacheTreeEntry[], decode: Decode): string {
  const children = new Map<number, number[]>();
  const salts = new Map<string, number[]>();
  for (const [index, { parent, salt }] of entries.entries()) {
    const siblings = parent < 0 ? salts.get(salt) : children.get(parent);
    if (siblings) siblings.push(index);
    else if (parent < 0) salts.set(salt, [index]);
    else children.set(parent, [index]);
  }
  const lines: string[] = [];
  for (const [salt, roots] of salts) {
    lines.push(salt === '' ? 'no salt' : `salt ${JSON.stringify(salt)}`);
    const open = roots.map((index, at) => ({ index, indent: '', isLast: at === roots.length - 1 })).reverse();
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { index, indent, isLast } = next;
      const entry = entries[index] as CacheTreeEntry;
      lines.push(`${indent}${isLast ? '└─ ' : '├─ '}${describeEntry(entry, decode)}`);
      const below = children.get(index) ?? [];
      const inner = `${indent}${isLast ? '   ' : '│  '}`;
      const nested = below.map((child, at) => ({ index: child, indent: inner, isLast: at === below.length - 1 }));
      open.push(...nested.reverse());
    }
  }
  return lines.join('\n');
}

function describeEntry({ ids, pages, savedTokens = 0, claims }: CacheTreeEntry, decode: Decode): string {
  const parts = [
    beginningOf(ids, decode),
    counted(ids.length, 'token'),
    counted(pages, 'page'),
    ...claims.map(describeClaim).filter((text) => text !== ''),
    ...(savedTokens > 0 ? [`saved ${counted(savedTokens, 'token')}`] : []),
  ];
  return parts.join(', ');
}

function beginningOf(ids: readonly number[], decode: Decode): string {
  const text = decode(ids);
  if (text === undefined) return `[${ids.slice(0, SHOWN_IDS).join(' ')}${ids.length > SHOWN_IDS ? ' ...' : ''}]`;
  const letters = [...text];
  return JSON.stringify(letters.length > SHOWN_LETTERS ? `${letters.slice(0, SHOWN_LETTERS).join('')}...` : text);
}

function describeClaim({ session, tags, context, priority, isPinned, ttlMs, slidingTtlMs }: CacheClaim): string {
  const parts = [
    ...(isPinned ? ['pinned'] : []),
    ...(session === undefined ? [] : [`session ${session}`]),
    ...[...new Set([...tags, ...context])],
    ...(priority === 'normal' || isPinned ? [] : [`${priority} priority`]),
    ...(ttlMs === undefined ? [] : [`${describeMs(ttlMs)} left`]),
    ...(slidingTtlMs === undefined ? [] : [`${describeMs(slidingTtlMs)} after its last use`]),
  ];
  return parts.join(' ');
}

function describeMs(milliseconds: number): string {
  if (milliseconds < 60_000) return `${Math.ceil(milliseconds / 1000)} s`;
  if (milliseconds < 7_200_000) return `${Math.round(milliseconds / 60_000)} min`;
  return `${Math.round(milliseconds / 3_600_000)} h`;
}
