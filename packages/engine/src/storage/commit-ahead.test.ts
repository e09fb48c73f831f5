import { afterEach, describe, expect, it, vi } from 'vitest';
import { fakeShape } from '../fake-runner.ts';
import { FakeTime } from '../fake-time.testing.ts';
import { CommitAhead, SLICE_MS } from './commit-ahead.ts';
import { PageLayout } from './page-layout.ts';
import { PageStore } from './page-store.ts';

const shape = { ...fakeShape, layers: 2, kvHeads: 3, headDim: 20 };
const formats = ['f32', 'f16', 'int8'] as const;
type Format = (typeof formats)[number];

function newStore(kvType: Format = 'f32', pages = 101, pageSize = 5): PageStore {
  return new PageStore(new PageLayout(shape, { pages, pageSize, kvType }));
}

function commitOf(store: PageStore, { time = new FakeTime(), available = 1e12 } = {}): CommitAhead {
  return new CommitAhead({ store, clock: time.clock, availableBytes: () => available });
}

/** Every pool of a store as bytes: K and V of all layers, and their scales. */
function bytesOf({ keys, values }: PageStore): Uint8Array[] {
  return [keys, values].flatMap(({ elements, scales }) =>
    [...elements, ...scales].map((column) => new Uint8Array(column.buffer)),
  );
}

/** Places of a pool's buffer that are written, in order. */
function watchWrites(): { readonly buffer: ArrayBufferLike; readonly at: number }[] {
  const writes: { buffer: ArrayBufferLike; at: number }[] = [];
  const plain = Atomics.or;
  vi.spyOn(Atomics, 'or').mockImplementation((...[array, at, value]: Parameters<typeof Atomics.or>) => {
    writes.push({ buffer: array.buffer, at: at * array.BYTES_PER_ELEMENT });
    return plain(array, at, value) as never;
  });
  return writes;
}

describe('CommitAhead', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('makes the memory of the pools resident', async () => {
    // Two pools of 40 MiB: more than an allocator keeps from what was freed before.
    const big = { ...fakeShape, layers: 1, kvHeads: 1, headDim: 64 };
    const before = process.memoryUsage.rss();
    const store = new PageStore(new PageLayout(big, { pages: 10_240, pageSize: 16 }));
    const reserved = process.memoryUsage.rss();
    await commitOf(store).all();
    const committed = process.memoryUsage.rss();
    const half = store.layout.totalBytes / 2;
    expect(half).toBe(40 * 2 ** 20);
    // Half, since the process has other memory, some of which it may give back meanwhile.
    expect(reserved - before).toBeLessThan(half);
    expect(committed - reserved).toBeGreaterThan(half);
  });

  it.each(formats)('changes no byte of %s pages, written or not', async (kvType) => {
    const store = newStore(kvType);
    const { layout } = store;
    for (const bytes of bytesOf(store)) for (let i = 0; i < bytes.length; i += 3) bytes[i] = (i * 31) % 251;
    const before = bytesOf(store).map((bytes) => bytes.slice());
    const commit = commitOf(store);
    expect(commit.leftBytes).toBe(layout.totalBytes);
    await commit.all();
    expect(commit).toMatchObject({ isDone: true, leftBytes: 0 });
    expect(bytesOf(store).map((bytes, pool) => Buffer.compare(bytes, before[pool] as Uint8Array))).toEqual(
      before.map(() => 0),
    );
  });

  it.each(formats)('writes to every 4 KiB of every pool of %s pages, and to the last byte', async (kvType) => {
    const store = newStore(kvType, 1001);
    const writes = watchWrites();
    await commitOf(store).all();
    for (const bytes of bytesOf(store)) {
      const places = new Set(writes.filter(({ buffer }) => buffer === bytes.buffer).map(({ at }) => at));
      for (let at = 0; at < bytes.length; at += 4096) expect(places.has(at), `byte ${at}`).toBe(true);
      expect(places.has(bytes.length - 1)).toBe(true);
    }
    // No more than some of them again, where the rows of a head begin and end.
    expect(writes.length).toBeLessThan(6 * (store.layout.totalBytes / 4096));
  });

  it.each(formats)(
    'goes through %s pages in the order in which they are handed out, all layers and heads of each',
    (kvType) => {
      const store = newStore(kvType, 4001);
      const { layout } = store;
      const pageBytes = layout.totalBytes / layout.pages;
      const writes = watchWrites();
      const commit = commitOf(store, { time: new FakeTime(SLICE_MS / 4) });
      for (let slice = 0; slice < 5; slice += 1) commit.trySlice();
      const done = layout.pages - commit.leftBytes / pageBytes;
      expect(done).toBeGreaterThan(100);
      expect(done).toBeLessThan(layout.pages / 2);
      // As many pages as fill 4 KiB with the rows of one head.
      const stretch = Math.ceil(
        4096 / (layout.pageSize * layout.headDim * (store.keys.elements[0]?.BYTES_PER_ELEMENT ?? 0)),
      );
      for (const bytes of bytesOf(store)) {
        const rowBytes = bytes.length / layout.poolRows;
        const places = new Set(writes.filter(({ buffer }) => buffer === bytes.buffer).map(({ at }) => at));
        for (let head = 0; head < layout.kvHeads; head += 1) {
          const [from, to, next] = [0, done, done + stretch].map(
            (page) => layout.rowNumber(head, layout.firstSlot(page)) * rowBytes,
          ) as [number, number, number];
          for (let at = Math.ceil(from / 4096) * 4096; at < to; at += 4096)
            expect(places.has(at), `byte ${at}`).toBe(true);
          const end = layout.rowNumber(head + 1, 0) * rowBytes;
          const beyond = [...places].filter((at) => at >= next && at < end - (end % 4096));
          expect(beyond).toEqual([]);
        }
      }
    },
  );

  it('takes about two milliseconds at a time, as long as the clock goes on', () => {
    const store = newStore('f32', 4001);
    const writes = watchWrites();
    const commit = commitOf(store, { time: new FakeTime(SLICE_MS / 8) });
    commit.trySlice();
    // Eight looks at the clock, with sixteen writes (and one at the end of each run of rows) before each.
    expect(writes.length).toBeGreaterThanOrEqual(8 * 16);
    expect(writes.length).toBeLessThanOrEqual(2 * 8 * 16);
    expect(commit.isDone).toBe(false);
  });

  it('gives the rest up where it would take more than half of the memory that is left', () => {
    const store = newStore('f32', 4001);
    const writes = watchWrites();
    let available = 2 * store.layout.totalBytes;
    const time = new FakeTime(SLICE_MS / 8);
    const commit = new CommitAhead({ store, clock: time.clock, availableBytes: () => available });
    commit.trySlice();
    const written = writes.length;
    expect(written).toBeGreaterThan(0);
    available = commit.leftBytes;
    commit.trySlice();
    expect(commit.isDone).toBe(true);
    expect(commit.leftBytes).toBeGreaterThan(0);
    available = 1e12;
    commit.trySlice();
    expect(writes).toHaveLength(written);
  });
});
