/** Entries of a cache, in memory or in a file, as plain values that people can look at. */
import type { CacheEntry } from '@octavo/kv';
import type { CacheFileView, CacheTreeEntry } from '../cache-file-api.ts';
import { nodeFiles } from './file-port.ts';
import { openCacheFile } from './read-cache-file.ts';
import type { StoredClaim, StoredIndex } from './stored-index.ts';

/** Parents before children. O(tokens). */
export function treeOf(entries: Iterable<CacheEntry>): CacheTreeEntry[] {
  const places = new Map<number, number>();
  const tree: CacheTreeEntry[] = [];
  for (const { id, parent, salt, tokens, pages, savedTokens, claims } of entries) {
    places.set(id, tree.length);
    tree.push({
      parent: parent === undefined ? -1 : (places.get(parent) as number),
      salt,
      ids: Array.from(tokens),
      pages: pages.length,
      savedTokens,
      claims,
    });
  }
  return tree;
}

/** Looks at a cache file without a model. Never throws: what cannot be read is an answer with the reason. Reads the index. */
export function readCacheFile(path: string): CacheFileView {
  const opened = openCacheFile(nodeFiles, path);
  if (!opened.ok) return { ok: false, refusal: opened.refusal };
  const { index, fileBytes, close } = opened.value;
  close();
  const { identity, writtenMs, openings } = index;
  return { ok: true, identity, writtenMs, bytes: fileBytes, entries: entriesOf(index), openings: openings.map(plain) };
}

function plain({ salt, ids, count }: StoredIndex['openings'][number]): { salt: string; ids: number[]; count: number } {
  return { salt, ids: Array.from(ids), count };
}

/** Pages that follow one another without a branch or a claim between them are one entry. */
function entriesOf({ pages, claims }: StoredIndex): CacheTreeEntry[] {
  const childCount = new Uint32Array(pages.length);
  for (const { parent } of pages) if (parent >= 0) childCount[parent] = (childCount[parent] as number) + 1;
  const place = new Int32Array(pages.length);
  const tree: { parent: number; salt: string; ids: number[]; pages: number; claims: readonly StoredClaim[] }[] = [];
  for (const [index, page] of pages.entries()) {
    if (page.tokens.length === 0) continue;
    const before = page.parent < 0 ? undefined : tree[place[page.parent] as number];
    const goesOn = before !== undefined && childCount[page.parent] === 1 && before.claims.length === 0;
    const said = page.claims.map((claim) => claims[claim] as StoredClaim);
    if (goesOn) {
      place[index] = place[page.parent] as number;
      for (const id of page.tokens) before.ids.push(id);
      before.pages += 1;
      before.claims = said;
    } else {
      const parent = page.parent < 0 ? -1 : (place[page.parent] as number);
      place[index] = tree.length;
      tree.push({ parent, salt: page.salt, ids: Array.from(page.tokens), pages: 1, claims: said });
    }
  }
  return tree;
}
