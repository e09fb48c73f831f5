import { describe, expect, it } from 'vitest';
import { plainIndexOptions } from './index-options.testing.ts';
import { PagePool } from './page-pool.ts';
import { NO_NODE } from './radix-nodes.ts';
import { createRadixParts, type RadixParts } from './radix-parts.ts';
import type { NodeId } from './units.ts';

/** A chain of unlocked one-page nodes below a new root. Returns the nodes, the topmost first. */
function createChain(parts: RadixParts, salt: string, depth: number): NodeId[] {
  const chain: NodeId[] = [];
  let node = parts.roots.findOrCreate(salt).node;
  for (let at = 0; at < depth; at++) {
    const page = parts.pool.alloc();
    parts.tokens.store(page, Uint32Array.of(at), 0, 1);
    parts.pool.publish(page);
    parts.pool.release(page);
    node = parts.nodes.createChild(node, { below: NO_NODE, above: NO_NODE });
    parts.nodes.append(node, page);
    chain.push(node);
  }
  for (const unlocked of [...chain].reverse()) parts.order.add(unlocked);
  parts.locks.evictablePages += depth;
  return chain;
}

function removeSalt(parts: RadixParts, salt: string): number {
  return parts.removal.removeSalt(salt, undefined, (node, pinEnd) => parts.claims.abandon(node, pinEnd));
}

describe('RadixRemoval', () => {
  it('takes out a chain of 50,000 nodes', () => {
    const pool = new PagePool(50_001);
    const parts = createRadixParts(plainIndexOptions(pool, 1, 0));
    createChain(parts, '', 50_000);
    expect(removeSalt(parts, '')).toBe(50_000);
    expect(pool.freePages).toBe(50_000);
    expect(parts.locks.evictablePages).toBe(0);
    expect(parts.order.lists().flat()).toEqual([]);
  });

  it('takes out a leaf and leaves what is above', () => {
    const pool = new PagePool(10);
    const parts = createRadixParts(plainIndexOptions(pool, 1, 0));
    const chain = createChain(parts, '', 5);
    parts.removal.removeLeaf(chain[4] as NodeId, 'invalidated');
    expect(parts.order.lists().flat()).toEqual([chain[3], chain[2], chain[1], chain[0]]);
    expect(parts.nodes.liveCount).toBe(4);
    expect(parts.locks.evictablePages).toBe(4);
    expect(parts.removal.removedPages).toBe(1);
  });

  it('keeps a dead node, and the locks above it, until its lease is gone', () => {
    const pool = new PagePool(10);
    const parts = createRadixParts(plainIndexOptions(pool, 1, 0));
    const chain = createChain(parts, '', 3);
    const [top, end] = [chain[1] as NodeId, chain[2] as NodeId];
    parts.locks.lock(end);
    parts.removal.removeLeaf(end, 'expired');
    expect(parts.nodes.isDead(end)).toBe(true);
    expect(parts.nodes.lockCount(top)).toBe(1);
    expect(parts.order.lists().flat()).toEqual([]);
    parts.locks.unlockUpTo(end, 0 as NodeId);
    expect(parts.nodes.isDead(end)).toBe(false);
    expect(parts.order.lists().flat()).toEqual([top, chain[0]]);
    expect(parts.locks.evictablePages).toBe(2);
  });

  it('does not know a salt that has no pages', () => {
    const parts = createRadixParts(plainIndexOptions(new PagePool(4), 1, 0));
    expect(removeSalt(parts, 'unknown')).toBe(0);
  });
});
