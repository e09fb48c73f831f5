import { CHILD_LINKS, type ChildColumns, LINKS_PER_NODE } from './child-trees.ts';
import { NO_CLAIM } from './claim-columns.ts';
import type { ClaimRecord } from './claim-reader.ts';
import { BAND_COUNT } from './claim-terms.ts';
import { INTERNALS } from './internals.ts';
import type { PageTokens } from './page-tokens.ts';
import type { IndexView, NodeView } from './prefix-index.ts';
import { NODE_KINDS, type NodeColumns } from './radix-nodes.ts';
import type { RadixParts } from './radix-parts.ts';
import { recordOf } from './radix-reader.ts';
import { TokenDigest } from './token-digest.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** Copies a radix index for the checker, from its raw columns alone. O(nodes + pages). */
export function viewRadix(parts: RadixParts): IndexView {
  const columns = parts.nodes[INTERNALS]();
  const below = parts.nodes.claims[INTERNALS]();
  const nodes: NodeView[] = [];
  const faults: string[] = [];
  for (let id = 1; id < parts.nodes.end; id++) {
    const kind = columns.kind[id];
    if (kind === NODE_KINDS.free) continue;
    const node = id as NodeId;
    nodes.push({
      node,
      kind: kind === NODE_KINDS.root ? 'root' : kind === NODE_KINDS.live ? 'live' : 'dead',
      parent: columns.parent[id] === 0 ? undefined : (columns.parent[id] as NodeId),
      children: readChildren(columns.children, node, faults),
      pages: readLabel(columns, node, faults),
      lockCount: columns.lockCount[id] as number,
      claims: readClaims(parts, node),
      claimCounts: [...below.counts.subarray(id * BAND_COUNT, (id + 1) * BAND_COUNT)],
      heldCount: below.heldCount[id] as number,
      liveUntilMs: below.liveUntilMs[id] as number,
      isLoose: below.isLoose[id] === 1,
      isReused: below.isReused[id] === 1,
      savedTokens: below.savedTokens[id] as number,
      salt: parts.roots.of(node)?.salt,
    });
  }
  for (const salt of parts.roots.salts()) {
    const root = parts.roots.find(salt);
    if (root === undefined || parts.roots.of(root.node) !== root)
      faults.push(`law 12: the root of salt "${salt}" is lost`);
  }
  return {
    nodes,
    tokensOf: (page) => tokensOf(parts.tokens, page),
    hasDigestOf: (page, salt, tokens) => hasDigestOf(parts.tokens, page, { salt, tokens }),
    evictionOrders: parts.order.lists(),
    slotPages: parts.order.pageCounts(),
    pinnedPages: parts.locks.pinnedPages,
    claimCount: parts.columns.liveCount,
    evictablePages: parts.locks.evictablePages,
    nodeCount: parts.nodes.liveCount,
    faults,
  };
}

function readClaims(parts: RadixParts, node: NodeId): ClaimRecord[] {
  const { nodes, columns } = parts;
  const records: ClaimRecord[] = [];
  for (let claim = nodes.claims.firstClaim(node); claim !== NO_CLAIM; claim = columns.nextOfNode(claim)) {
    records.push(recordOf(parts, claim));
  }
  return records;
}

/** Goes through the search tree of a node's children, in order, and compares it with the links upwards and with the kept count. */
function readChildren({ links, count }: ChildColumns, node: NodeId, faults: string[]): NodeId[] {
  const children: NodeId[] = [];
  const linkOf = (of: number, link: keyof typeof CHILD_LINKS) =>
    links[of * LINKS_PER_NODE + CHILD_LINKS[link]] as number;
  const kept = count[node] as number;
  const open: number[] = [];
  let over = 0;
  let at = linkOf(node, 'top');
  while ((at !== 0 || open.length > 0) && open.length + children.length <= kept) {
    if (at !== 0) {
      if (linkOf(at, 'over') !== over) faults.push(`law 5: child ${at} of node ${node} does not point back to ${over}`);
      open.push(at);
      over = at;
      at = linkOf(at, 'lower');
    } else {
      over = open.pop() as number;
      children.push(over as NodeId);
      at = linkOf(over, 'higher');
    }
  }
  if (children.length !== kept || open.length > 0)
    faults.push(`law 5: node ${node} counts ${kept} children, but has ${children.length + open.length}`);
  return children;
}

/** Follows the chain forwards, compares it with the links backwards and with the kept ends and count. */
function readLabel(columns: NodeColumns, node: NodeId, faults: string[]): PageId[] {
  const pages: PageId[] = [];
  let previous = NULL_PAGE;
  let page = columns.firstPage[node] as PageId;
  while (page !== NULL_PAGE && pages.length < columns.nextPage.length) {
    if (columns.previousPage[page] !== previous)
      faults.push(`law 5: page ${page} of node ${node} does not point back to page ${previous}`);
    pages.push(page);
    previous = page;
    page = columns.nextPage[page] as PageId;
  }
  if (columns.lastPage[node] !== previous)
    faults.push(`law 5: the label of node ${node} does not end in page ${columns.lastPage[node]}`);
  if (columns.pageCount[node] !== pages.length) {
    faults.push(`law 5: node ${node} counts ${columns.pageCount[node]} pages, but its label has ${pages.length}`);
  }
  return pages;
}

function tokensOf(tokens: PageTokens, page: PageId): number[] {
  const columns = tokens[INTERNALS]();
  const first = page * tokens.pageSize;
  return [...columns.tokens.subarray(first, first + (columns.tokenCounts[page] as number))];
}

function hasDigestOf(tokens: PageTokens, page: PageId, path: { salt: string; tokens: readonly number[] }): boolean {
  const columns = tokens[INTERNALS]();
  const digest = new TokenDigest();
  digest.start(path.salt);
  digest.add(Uint32Array.from(path.tokens), 0, path.tokens.length);
  return columns.digestHigh[page] === digest.high && columns.digestLow[page] === digest.low;
}

/** All tokens from the root to the end of a node of the index. O(tokens). */
export function readWay(
  { nodes, roots, tokens }: RadixParts,
  node: NodeId,
): { readonly salt: string; readonly tokens: Uint32Array } {
  const pages: PageId[] = [];
  let root = node;
  for (; !nodes.isRoot(root); root = nodes.parent(root)) {
    for (let page = nodes.lastPage(root); page !== NULL_PAGE; page = nodes.previousPage(page)) pages.push(page);
  }
  const all = pages.reverse().flatMap((page) => tokensOf(tokens, page));
  return { salt: roots.of(root)?.salt ?? '', tokens: Uint32Array.from(all) };
}
