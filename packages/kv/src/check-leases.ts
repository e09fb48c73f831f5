import { type KvView, pathUp, saltOf, stateName } from './check-view.ts';
import type { LeaseView } from './lease-view.ts';
import { PAGE_STATES } from './page-pool.ts';
import type { NodeView } from './prefix-index.ts';
import type { PageId } from './units.ts';

/** A lease with the name that messages call it by. */
interface NamedLease {
  readonly name: string;
  readonly lease: LeaseView;
  /** The pages of its table. */
  readonly pages: readonly PageId[];
}

/** Laws 6, 7, 8, 12 and 13 as far as page tables go, and that a lease's path is what its table says (4). */
export function checkLeases(view: KvView): string[] {
  const leases = view.leases.map((lease, at) => ({
    name: `lease ${at} (salt "${lease.salt}")`,
    lease,
    pages: [...lease.table.array.subarray(0, lease.table.pageCount)] as PageId[],
  }));
  const perLease = leases.flatMap((named) => [
    ...checkTable(view, named),
    ...checkCounts(view, named),
    ...checkCopies(view, named),
    ...checkPath(view, named),
    ...checkBypass(view, named),
  ]);
  return [...perLease, ...checkWriteSets(view, leases), ...checkSalts(view, leases)];
}

/** Law 6: shared pages are read-only, the others are private. */
function checkTable(view: KvView, { name, lease, pages }: NamedLease): string[] {
  const faults: string[] = [];
  for (const [place, page] of pages.entries()) {
    const state = view.pool.states[page];
    const isReadOnly = state === PAGE_STATES.published || state === PAGE_STATES.detached;
    if (!isReadOnly && state !== PAGE_STATES.private) {
      faults.push(`law 6: the table of ${name} points at ${stateName(state)} page ${page}`);
    } else if (place < lease.table.sharedPages && !isReadOnly) {
      faults.push(`law 6: ${name} shares page ${page}, which is ${stateName(state)}`);
    } else if (place >= lease.table.sharedPages && isReadOnly) {
      faults.push(`law 6: ${name} would write page ${page}, which is ${stateName(state)}`);
    }
  }
  return faults;
}

/** Law 7: the counts fit the table, a page is in it once, and only the last shared page may be partly filled. */
function checkCounts(view: KvView, { name, lease, pages }: NamedLease): string[] {
  const faults: string[] = [];
  const { pageCount, sharedPages, array } = lease.table;
  if (pageCount > array.length) faults.push(`law 7: ${name} counts ${pageCount} pages in a table of ${array.length}`);
  if (sharedPages > pageCount) faults.push(`law 7: ${name} counts ${sharedPages} shared pages of ${pageCount}`);
  for (const [place, page] of pages.slice(0, Math.max(0, sharedPages)).entries()) {
    if (view.pool.states[page] !== PAGE_STATES.published) continue;
    const isLastOfSealed = lease.phase === 'sealed' && place === sharedPages - 1;
    if (view.index.tokensOf(page).length < view.pageSize && !isLastOfSealed) {
      faults.push(`law 7: page ${page} is partly filled, but is not the last of ${name}`);
    }
  }
  return faults;
}

/** Laws 3 and 6: a transfer reads a page that exists, and writes one that is the lease's own. */
function checkCopies(view: KvView, { name, lease, pages }: NamedLease): string[] {
  const faults: string[] = [];
  for (const { from, to, tokens } of lease.copies) {
    if (view.pool.states[from] === PAGE_STATES.free) faults.push(`law 3: ${name} is to copy from free page ${from}`);
    if (pages.indexOf(to) < lease.table.sharedPages)
      faults.push(`law 6: ${name} is to copy into page ${to}, which is not its own`);
    if (tokens < 1 || tokens > view.pageSize) faults.push(`law 7: ${name} is to copy ${tokens} rows of page ${from}`);
  }
  return faults;
}

/** Law 4: what a lease locks is what its table shares. */
function checkPath(view: KvView, { name, lease, pages }: NamedLease): string[] {
  if (lease.endNode === undefined) return [];
  const end = view.nodes.get(lease.endNode);
  if (end === undefined) return [`law 4: ${name} ends in node ${lease.endNode}, which does not exist`];
  const faults: string[] = [];
  const path = pathUp(view, lease.endNode).reverse();
  const onPath = path.flatMap((node) => node.pages);
  // A lease that stores nothing (any more) may share detached pages with its forks.
  const mayDetach = end.kind === 'dead' || lease.claim === undefined;
  const expected = mayDetach ? onPath.length : Math.max(onPath.length, lease.table.sharedPages);
  for (let place = 0; place < expected; place++) {
    if (pages[place] === onPath[place]) continue;
    faults.push(
      `law 4: page ${place} of ${name} is ${pages[place]}, but its path to node ${end.node} says ${onPath[place]}`,
    );
  }
  const below = pathUp(view, lease.lockNode);
  if (!below.includes(end))
    faults.push(`law 4: ${name} locks node ${lease.lockNode}, which is not below its end ${end.node}`);
  if (lease.lockNode !== lease.endNode) faults.push(...checkSource(below[0], { name, lease, pages }));
  return faults;
}

function checkSource(source: NodeView | undefined, { name, lease }: NamedLease): string[] {
  const isRead = lease.copies.some(({ from }) => source?.kind === 'dead' || from === source?.pages.at(-1));
  return isRead ? [] : [`law 4: ${name} locks node ${lease.lockNode} although it copies nothing from there`];
}

/** Law 13: what bypasses the index is not in it. */
function checkBypass(view: KvView, { name, lease, pages }: NamedLease): string[] {
  if (lease.mode !== 'bypass') return [];
  const faults =
    lease.endNode === undefined ? [] : [`law 13: ${name} bypasses the index, but ends in node ${lease.endNode}`];
  for (const page of pages) {
    if (view.pool.states[page] === PAGE_STATES.published) {
      faults.push(`law 13: ${name} bypasses the index, but its page ${page} is published`);
    }
  }
  return faults;
}

/** Laws 6 and 8: a private page is in exactly one table, so no two rows of a step write the same slot. */
function checkWriteSets(view: KvView, leases: readonly NamedLease[]): string[] {
  const faults: string[] = [];
  const holders = new Map<PageId, number>();
  const writers = new Map<PageId, string>();
  for (const { name, lease, pages } of leases) {
    for (const [place, page] of pages.entries()) {
      holders.set(page, (holders.get(page) ?? 0) + 1);
      if (place < lease.table.sharedPages) continue;
      const other = writers.get(page);
      if (other !== undefined) faults.push(`law 8: the slots of page ${page} are written by ${other} and by ${name}`);
      writers.set(page, name);
    }
  }
  for (let page = 1 as PageId; page < view.pages; page++) {
    const count = holders.get(page) ?? 0;
    if (view.pool.states[page] === PAGE_STATES.private && count !== 1) {
      faults.push(`law 6: private page ${page} is in ${count} page tables`);
    }
  }
  return faults;
}

/** Law 12: whoever holds a page, and the tree that it is in, have one salt. */
function checkSalts(view: KvView, leases: readonly NamedLease[]): string[] {
  const faults: string[] = [];
  const salts = new Map<PageId, string>();
  for (const node of view.index.nodes) {
    const salt = saltOf(view, node);
    if (salt !== undefined) for (const page of node.pages) salts.set(page, salt);
  }
  for (const { name, lease, pages } of leases) {
    for (const page of [...pages, ...lease.copies.map(({ from }) => from)]) {
      const other = salts.get(page) ?? lease.salt;
      if (other !== lease.salt) faults.push(`law 12: page ${page} is shared by salt "${other}" and by ${name}`);
      salts.set(page, other);
    }
  }
  return faults;
}
