import { type KvView, stateName } from './check-view.ts';
import { PAGE_STATES } from './page-pool.ts';
import { NULL_PAGE } from './units.ts';

const STATE_NAMES = Object.entries(PAGE_STATES);

/** Laws 1 to 3: states, free list, reference counts. */
export function checkPages(view: KvView): string[] {
  return [...checkStates(view), ...checkFreeList(view), ...checkReferences(view)];
}

function checkStates(view: KvView): string[] {
  const faults: string[] = [];
  const { states, stateCounts } = view.pool;
  if (states[NULL_PAGE] !== PAGE_STATES.null) faults.push(`law 1: the null page is ${stateName(states[NULL_PAGE])}`);
  const counted = new Map<number, number>();
  for (let page = 1; page < view.pages; page++) {
    const state = states[page] as number;
    counted.set(state, (counted.get(state) ?? 0) + 1);
    if (state === PAGE_STATES.null || !STATE_NAMES.some(([, known]) => known === state)) {
      faults.push(`law 1: page ${page} is in state ${stateName(state)}, which is none of the four`);
    }
  }
  for (const [name, state] of STATE_NAMES) {
    const actual = state === PAGE_STATES.null ? 1 : (counted.get(state) ?? 0);
    if (stateCounts[state] !== actual)
      faults.push(`law 1: ${actual} pages are ${name}, but ${stateCounts[state]} are counted`);
  }
  return faults;
}

function checkFreeList(view: KvView): string[] {
  const faults: string[] = [];
  const { states, freeStack, freeAt, stateCounts } = view.pool;
  const listed = new Set<number>();
  for (let place = 0; place < (stateCounts[PAGE_STATES.free] as number); place++) {
    const page = freeStack[place] as number;
    if (listed.has(page)) faults.push(`law 2: page ${page} is in the free list twice`);
    listed.add(page);
    if (states[page] !== PAGE_STATES.free)
      faults.push(`law 2: page ${page} is in the free list, but is ${stateName(states[page])}`);
    if (freeAt[page] !== place)
      faults.push(`law 2: page ${page} is at ${place} of the free list, not at ${freeAt[page]}`);
  }
  for (let page = 1; page < view.pages; page++) {
    if (states[page] === PAGE_STATES.free && !listed.has(page))
      faults.push(`law 2: free page ${page} is not in the free list`);
  }
  return faults;
}

function checkReferences(view: KvView): string[] {
  const faults: string[] = [];
  const { states, references } = view.pool;
  const tables = new Map<number, number>();
  const transfers = new Map<number, number>();
  for (const lease of view.leases) {
    for (const page of lease.table.array.subarray(0, lease.table.pageCount))
      tables.set(page, (tables.get(page) ?? 0) + 1);
    for (const { from } of lease.copies) transfers.set(from, (transfers.get(from) ?? 0) + 1);
  }
  for (let page = 1; page < view.pages; page++) {
    const held = tables.get(page) ?? 0;
    const read = transfers.get(page) ?? 0;
    if (references[page] !== held + read) {
      faults.push(
        `law 3: page ${page} has reference count ${references[page]}, but ${held} page tables hold it and ${read} transfers read it`,
      );
    }
    if (held + read === 0 && (states[page] === PAGE_STATES.private || states[page] === PAGE_STATES.detached)) {
      faults.push(`law 3: page ${page} is ${stateName(states[page])}, but nothing holds it`);
    }
  }
  return faults;
}
