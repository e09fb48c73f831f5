import { describe, expect, it } from 'vitest';
import { PagePool } from './page-pool.ts';
import { createRadixParts, type RadixParts } from './radix-parts.ts';
import { RadixRemoval } from './radix-removal.ts';
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
    node = parts.nodes.createChild(node, 0);
    parts.nodes.append(node, page);
    chain.push(node);
  }
  for (const unlocked of [...chain].reverse()) parts.order.add(unlocked);
  parts.locks.evictablePages += depth;
  return chain;
}

describe('RadixRemoval', () => {
  it('takes out a chain of 50,000 nodes', () => {
    const pool = new PagePool(50_001);
    const parts = createRadixParts({ pool, pageSize: 1, ghostEntries: 0 });
    createChain(parts, '', 50_000);
    expect(new RadixRemoval(parts).removeSalt('')).toBe(50_000);
    expect(pool.freePages).toBe(50_000);
    expect(parts.locks.evictablePages).toBe(0);
    expect(parts.order.list()).toEqual([]);
  });

  it('takes out the middle of a chain and leaves what is above', () => {
    const pool = new PagePool(10);
    const parts = createRadixParts({ pool, pageSize: 1, ghostEntries: 0 });
    const chain = createChain(parts, '', 5);
    expect(new RadixRemoval(parts).removeNode(chain[2] as NodeId)).toBe(3);
    expect(parts.order.list()).toEqual([chain[1], chain[0]]);
    expect(parts.nodes.liveCount).toBe(2);
    expect(parts.locks.evictablePages).toBe(2);
  });

  it('keeps a dead node, and the locks above it, until its lease is gone', () => {
    const pool = new PagePool(10);
    const parts = createRadixParts({ pool, pageSize: 1, ghostEntries: 0 });
    const chain = createChain(parts, '', 5);
    const [top, end] = [chain[1] as NodeId, chain[3] as NodeId];
    parts.locks.lock(end);
    expect(new RadixRemoval(parts).removeNode(chain[2] as NodeId)).toBe(3);
    expect(parts.nodes.isDead(end)).toBe(true);
    expect(parts.nodes.lockCount(top)).toBe(1);
    expect(parts.order.list()).toEqual([]);
    parts.locks.unlockUpTo(end, 0 as NodeId);
    expect(parts.nodes.isDead(end)).toBe(false);
    expect(parts.order.list()).toEqual([top, chain[0]]);
    expect(parts.locks.evictablePages).toBe(2);
  });

  it('drops a root with the last node below it', () => {
    const parts = createRadixParts({ pool: new PagePool(10), pageSize: 1, ghostEntries: 0 });
    const chain = createChain(parts, '', 2);
    new RadixRemoval(parts).removeNode(chain[0] as NodeId);
    expect(parts.roots.salts()).toEqual([]);
  });

  it('does not know a salt that has no pages', () => {
    const parts = createRadixParts({ pool: new PagePool(4), pageSize: 1, ghostEntries: 0 });
    expect(new RadixRemoval(parts).removeSalt('unknown')).toBe(0);
  });
});
