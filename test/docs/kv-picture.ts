import { type InspectedNode, inspectKv, type KvCache, type KvLease } from '@octavo/kv';

const STATES = ['free', 'private', 'published', 'detached'] as const;

/** A cache as `docs/kv-by-example.md` draws it: page states with reference counts, page tables, and the trees with their locks. */
export function drawCache(cache: KvCache, leases: ReadonlyMap<string, KvLease>): string {
  const { pages, trees } = inspectKv(cache);
  const states = STATES.map((state) => {
    const inState = pages.filter((page) => page.state === state);
    return line(
      state,
      inState.map(({ page, references }) => (state === 'free' ? page : `${page}x${references}`)).join(' '),
    );
  });
  const tables = [...leases].map(([name, lease]) => drawTable(name, lease));
  const nodes = trees.flatMap(({ salt, root }) => drawNode(salt, root, ''));
  return [states, tables, nodes]
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
}

/** What is evicted first, page by page. */
export function drawEvictionOrder(cache: KvCache): string {
  return inspectKv(cache).evictionOrder.join(' ');
}

function drawTable(name: string, lease: KvLease): string {
  const table = [...lease.pageTable.subarray(0, lease.pageCount)].map(String);
  table.splice(lease.sharedPages, 0, '|');
  const copies = lease.copies.map(({ from, to, tokens }) => `   copy ${tokens} rows ${from} -> ${to}`);
  return line(name, table.join(' ')) + copies.join('');
}

function drawNode(name: string, { lockCount, children }: InspectedNode, indent: string): string[] {
  const below = children.flatMap((child) => {
    const tokens = child.tokens.map((page) => String.fromCharCode(...page));
    return drawNode(`[${child.pages.join(' ')}] ${tokens.join(' ')}`, child, `${indent}  `);
  });
  return [line(indent + name, `locks ${lockCount}`, 26), ...below];
}

function line(name: string, value: string, width = 12): string {
  return `${name.padEnd(width)}${value || '-'}`;
}
