import type { KvCache, KvLease } from '@octavo/kv';
import { partsOf } from '../../packages/kv/src/paged-kv-cache.ts';
import type { IndexView, NodeView } from '../../packages/kv/src/prefix-index.ts';
import type { NodeId, PageId } from '../../packages/kv/src/units.ts';

const STATES = ['free', 'private', 'published', 'detached'] as const;

/** A cache as `docs/kv-by-example.md` draws it: page states with reference counts, page tables, and the tree with its locks. */
export function drawCache(cache: KvCache, leases: ReadonlyMap<string, KvLease>): string {
  const parts = partsOf(cache);
  const index = parts.index.view();
  const pages = Array.from({ length: cache.pages - 1 }, (_, at) => (at + 1) as PageId);
  const states = STATES.map((state) => {
    const inState = pages.filter((page) => parts.pool.state(page) === state);
    const drawn = inState.map((page) => (state === 'free' ? `${page}` : `${page}x${parts.pool.references(page)}`));
    return line(state, drawn.join(' '));
  });
  const tables = [...leases].map(([name, lease]) => {
    const table = [...lease.pageTable.subarray(0, lease.pageCount)].map(String);
    table.splice(lease.sharedPages, 0, '|');
    const copies = lease.copies.map(({ from, to, tokens }) => `   copy ${tokens} rows ${from} -> ${to}`);
    return line(name, table.join(' ')) + copies.join('');
  });
  const roots = index.nodes.filter(({ kind }) => kind === 'root');
  const trees = roots.flatMap((root) => drawNode(index, root, 0));
  return [states, tables, trees]
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
}

/** What is evicted first, page by page, as the document writes it. */
export function drawEvictionOrder(cache: KvCache): string {
  const { nodes, evictionOrder } = partsOf(cache).index.view();
  const labelOf = (node: NodeId) => nodes.find((candidate) => candidate.node === node)?.pages ?? [];
  return evictionOrder.flatMap((node) => [...labelOf(node)].reverse()).join(' ');
}

function drawNode(index: IndexView, node: NodeView, depth: number): string[] {
  const texts = node.pages.map((page) => String.fromCharCode(...index.tokensOf(page)));
  const name = node.kind === 'root' ? `${node.salt}` : `[${node.pages.join(' ')}] ${texts.join(' ')}`;
  const own = line(`${'  '.repeat(depth)}${name}`, `locks ${node.lockCount}`, 26);
  const children = node.children.flatMap((child) => {
    const found = index.nodes.find((candidate) => candidate.node === child);
    return found === undefined ? [] : drawNode(index, found, depth + 1);
  });
  return [own, ...children];
}

function line(name: string, value: string, width = 12): string {
  return `${name.padEnd(width)}${value || '-'}`;
}
