import { describe, expect, it } from 'vitest';
import { PagePool } from './page-pool.ts';
import { NULL_PAGE, type PageId } from './units.ts';

const page = (id: number) => id as PageId;

describe('PagePool', () => {
  it('hands out all pages but the null page, lowest first, each once', () => {
    const pool = new PagePool(5);
    expect([pool.alloc(), pool.alloc(), pool.alloc(), pool.alloc()]).toEqual([1, 2, 3, 4]);
    expect(pool.freePages).toBe(0);
    expect(() => pool.alloc()).toThrow(expect.objectContaining({ code: 'POOL_EMPTY' }));
  });

  it('hands out the page that was freed last', () => {
    const pool = new PagePool(5);
    const [first, second] = [pool.alloc(), pool.alloc()];
    pool.release(second);
    pool.release(first);
    expect([pool.alloc(), pool.alloc(), pool.alloc()]).toEqual([1, 2, 3]);
  });

  it('keeps a published page until it is unpublished, however often it is released', () => {
    const pool = new PagePool(5);
    const shared = pool.alloc();
    pool.publish(shared);
    pool.retain(shared);
    pool.release(shared);
    pool.release(shared);
    expect(pool.state(shared)).toBe('published');
    expect(pool.references(shared)).toBe(0);
    pool.unpublish(shared);
    expect(pool.state(shared)).toBe('free');
  });

  it('detaches a published page that is unpublished while a table holds it, and frees it with the last release', () => {
    const pool = new PagePool(5);
    const shared = pool.alloc();
    pool.publish(shared);
    pool.retain(shared);
    pool.unpublish(shared);
    expect(pool.state(shared)).toBe('detached');
    pool.release(shared);
    expect(pool.state(shared)).toBe('detached');
    pool.release(shared);
    expect(pool.state(shared)).toBe('free');
  });

  it('detaches a private page that its table lets go of while a transfer reads it', () => {
    const pool = new PagePool(5);
    const source = pool.alloc();
    pool.startTransfer(source);
    pool.release(source);
    expect(pool.state(source)).toBe('detached');
    pool.endTransfer(source);
    expect(pool.state(source)).toBe('free');
  });

  it('leaves a published page published when a transfer from it ends', () => {
    const pool = new PagePool(5);
    const source = pool.alloc();
    pool.publish(source);
    pool.release(source);
    pool.startTransfer(source);
    pool.endTransfer(source);
    expect(pool.state(source)).toBe('published');
  });

  it('counts the pages in each state', () => {
    const pool = new PagePool(6);
    const [, second, third] = [pool.alloc(), pool.alloc(), pool.alloc()];
    pool.publish(second);
    pool.detach(third);
    const counts = (['free', 'private', 'published', 'detached'] as const).map((state) => pool.count(state));
    expect(counts).toEqual([2, 1, 1, 1]);
  });

  it('names the page that is released twice', () => {
    const pool = new PagePool(5);
    const released = pool.alloc();
    pool.release(released);
    expect(() => pool.release(released)).toThrow(
      expect.objectContaining({ code: 'PAGE_DOUBLE_FREE', message: expect.stringContaining('Page 1 ') }),
    );
    expect(pool.freePages).toBe(4);
  });

  it('names the page that is used after it was freed', () => {
    const pool = new PagePool(5);
    expect(() => pool.retain(page(3))).toThrow(
      expect.objectContaining({ code: 'PAGE_FREED', message: expect.stringContaining('Page 3 ') }),
    );
    expect(() => pool.startTransfer(page(3))).toThrow(expect.objectContaining({ code: 'PAGE_FREED' }));
  });

  it('refuses to let two tables hold a private page', () => {
    const pool = new PagePool(5);
    const written = pool.alloc();
    expect(() => pool.retain(written)).toThrow('law 6');
  });

  it('refuses a change of state that its page is not in', () => {
    const pool = new PagePool(5);
    expect(() => pool.publish(page(2))).toThrow('law 1: page 2 is free, expected private');
    expect(() => pool.unpublish(pool.alloc())).toThrow('law 1: page 1 is private, expected published');
  });

  it.each([0, -1, 5, 1.5, Number.NaN])('knows no page %s', (id) => {
    const pool = new PagePool(5);
    expect(() => pool.release(page(id))).toThrow(expect.objectContaining({ code: 'PAGE_UNKNOWN' }));
  });

  it('never frees the null page', () => {
    const pool = new PagePool(5);
    expect(() => pool.release(NULL_PAGE)).toThrow(expect.objectContaining({ code: 'PAGE_UNKNOWN' }));
  });

  it.each([1, 0, -4, 2.5, Number.NaN])('refuses a pool of %s pages', (pages) => {
    expect(() => new PagePool(pages)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
  });
});
