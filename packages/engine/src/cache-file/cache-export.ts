/**
 * One export on its way, a slice at a time, so that steps run in between. The cache changes meanwhile: what is written is what is there when it
 * is come to, each page behind the one before it, less what is ended before the file is whole.
 *
 *     memory --> open file --> flush --> ended pages --> index --> flush --(nothing ended meanwhile)--> rename --> flush
 *                                             ^-------------------------(something did)-------'
 */
import type { KvCache } from '@octavo/kv';
import type { CacheExport } from '../cache-file-api.ts';
import { pageBytesOf } from '../storage/page-bytes.ts';
import type { PageStore } from '../storage/page-store.ts';
import { type ExportSource, exportFile } from './exported-file.ts';
import { type ExportParts, exportMemory, LOOKS_PER_PAGE } from './exported-memory.ts';
import type { FilePort } from './file-port.ts';
import { IndexDraft, type IndexHead } from './index-draft.ts';
import { PlacedTokens } from './placed-tokens.ts';
import { SliceBudget } from './slice-budget.ts';
import { type ClaimSigns, type EndTarget, StoredClaims } from './stored-claims.ts';
import { CacheFileWriter } from './write-cache-file.ts';

/** Claims, or what takes as long, in a slice: a few milliseconds. A page counts for several. */
export const SLICE_LOOKS = 512;

export interface ExportTaskParts {
  readonly kv: KvCache;
  readonly store: PageStore;
  readonly files: FilePort;
  readonly path: string;
  /** Bytes of pages that are written at a time; at least one page is. */
  readonly sliceBytes: number;
  /** Milliseconds since the export began. */
  readonly elapsedMs: () => number;
  /** Asked when the index is written, perhaps more than once. */
  readonly head: () => IndexHead;
  /** A file that is open, whose pages go along. */
  readonly source?: ExportSource | undefined;
}

export class CacheExportTask {
  readonly #parts: ExportTaskParts;
  readonly #writer: CacheFileWriter;
  readonly #draft: IndexDraft;
  readonly #claims = new StoredClaims();
  readonly #looks = new SliceBudget(SLICE_LOOKS);
  readonly #bytes: SliceBudget;
  readonly #slices: Generator<'more' | 'flush', CacheExport>;
  /** Pages of the file that nobody can find any more. */
  #blankPages = 0;
  #isFlushDue = false;
  #isOver = false;

  /** Effect: makes the file. Throws what the files do. */
  constructor(parts: ExportTaskParts) {
    this.#parts = parts;
    const { kv, store, files, path, sliceBytes } = parts;
    this.#writer = new CacheFileWriter(files, path, pageBytesOf(store.layout));
    this.#draft = new IndexDraft(kv.pageSize);
    this.#bytes = new SliceBudget(sliceBytes);
    store.watchWrites();
    this.#slices = this.#run();
  }

  /** What is written should be flushed before the next slice, which waits for it otherwise. */
  get isFlushDue(): boolean {
    return this.#isFlushDue;
  }

  async flush(): Promise<void> {
    await this.#writer.flush();
  }

  /**
   * Some more of it, between two steps. Undefined: it goes on. Throws what the files do; then `abandon`. O(a slice), except that the way to a
   * claim is gone up as a whole.
   */
  advance(): CacheExport | undefined {
    if (this.#isOver) throw new Error('it was given up');
    const { done, value } = this.#slices.next();
    this.#isFlushDue = value === 'flush';
    if (!done) return undefined;
    this.#end();
    return value;
  }

  /** A request does away with older versions and contexts. */
  observe(signs: ClaimSigns): void {
    this.#claims.observe(signs);
  }

  end(target: EndTarget): void {
    this.#claims.end(target);
  }

  /** Effect: nothing is left of it, unless it is done. */
  abandon(): void {
    if (this.#isOver) return;
    this.#end();
    this.#writer.abandon();
  }

  #end(): void {
    this.#isOver = true;
    this.#parts.store.unwatchWrites();
  }

  *#run(): Generator<'more' | 'flush', CacheExport> {
    yield* slices(this.#takePages());
    // Most of what the disk has to do, while steps run.
    yield 'flush';
    for (let ended = -1; ended !== this.#claims.endedCount; ) {
      ended = this.#claims.endedCount;
      yield* slices(this.#writeIndex());
      yield 'flush';
    }
    const bytes = this.#writer.finish();
    yield 'flush';
    return { pages: this.#draft.records.count - this.#blankPages, bytes };
  }

  *#takePages(): Generator<void, void> {
    const { kv, store, elapsedMs, source } = this.#parts;
    const [writer, draft, claims, looks, bytes] = [this.#writer, this.#draft, this.#claims, this.#looks, this.#bytes];
    const there = source && new PlacedTokens(draft, kv.pages + source.stored.pageCount);
    const placed = there && ((place: number, tokens: Uint32Array) => there.add(place, tokens));
    const parts: ExportParts = { kv, store, writer, draft, claims, elapsedMs, looks, bytes, placed };
    yield* exportMemory(parts);
    if (source && there) yield* exportFile(parts, source, there);
  }

  *#writeIndex(): Generator<void, void> {
    const head = this.#parts.head();
    const nowMs = this.#parts.elapsedMs();
    const claims = {
      count: this.#claims.count,
      isLive: (claim: number) => this.#claims.isLive(claim, nowMs),
      claimOf: (claim: number) => this.#claims.remaining(claim, nowMs),
    };
    const { records } = this.#draft;
    yield* this.#draft.endUncovered(claims, this.#looks, (place) => {
      records.blank(place, this.#writer.clear(place));
      this.#blankPages += 1;
      const isOver = this.#looks.spend(LOOKS_PER_PAGE);
      return this.#bytes.spend(pageBytesOf(this.#parts.store.layout)) || isOver;
    });
    const index = yield* this.#draft.encode(head, claims, this.#looks);
    this.#writer.beginIndex(index.bytes);
    for (const piece of index) {
      this.#writer.appendIndex(piece);
      if (this.#bytes.spend(piece.length)) yield;
    }
    this.#writer.endIndex();
  }
}

function* slices(work: Generator<void, void>): Generator<'more', void> {
  for (const _ of work) yield 'more';
}
