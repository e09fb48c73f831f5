/** Answers what an operator asks of cache files. What takes long is done a part at a time between steps, one such call after the other. */

import type { CacheExportTask } from '../cache-file/cache-export.ts';
import type { CacheFiles } from '../cache-file/cache-files.ts';
import { treeOf } from '../cache-file/cache-tree.ts';
import type { LearnedOpening } from '../cache-file-api.ts';
import type { EngineParts } from '../engine-parts.ts';
import { EngineError } from '../errors.ts';
import type { CallMessage } from '../protocol.ts';
import { type Settle, settled } from './settle.ts';

export type CacheFileCall = Extract<
  CallMessage,
  { readonly kind: 'cacheExport' | 'cacheImport' | 'cacheTree' | 'openings' }
>;

export function isCacheFileCall(call: CallMessage): call is CacheFileCall {
  return ['cacheExport', 'cacheImport', 'cacheTree', 'openings'].includes(call.kind);
}

/** Calls back when no step is in flight. */
type BetweenSteps = (work: () => void) => void;

export class CacheFileDesk {
  readonly #parts: EngineParts;
  readonly #betweenSteps: BetweenSteps;
  /** Calls that wait for the one that is under way. */
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;

  constructor(parts: EngineParts, betweenSteps: BetweenSteps) {
    this.#parts = parts;
    this.#betweenSteps = betweenSteps;
  }

  /** Answers between two steps, or after a few of them. Throws INVALID_OPTION; fails with CACHE_FILE_UNWRITABLE. */
  ask(call: CacheFileCall, settle: Settle): void {
    const { cacheFiles, kv } = this.#parts;
    const { kind, input } = call;
    if (kind === 'openings') this.#betweenSteps(() => settled(settle, () => this.#openings(input)));
    else if (kind === 'cacheTree') this.#betweenSteps(() => settled(settle, () => (kv ? treeOf(kv.entries()) : [])));
    else if (!cacheFiles) {
      throw new EngineError('INVALID_OPTION', 'The engine keeps no K/V (kvCache is false): open it with a cache.');
    } else if (kind === 'cacheExport') this.#enqueue(() => this.#export(cacheFiles, input, settle));
    else this.#enqueue(() => this.#import(cacheFiles, input, settle));
  }

  /** Calls back between steps, when no file is being written or opened. */
  afterFiles(work: () => void): void {
    this.#enqueue(() => this.#over(work));
  }

  #enqueue(work: () => void): void {
    this.#waiting.push(work);
    if (!this.#isBusy) this.#next();
  }

  /** The call that was under way is over. */
  #next(): void {
    const work = this.#waiting.shift();
    this.#isBusy = work !== undefined;
    if (work) this.#betweenSteps(work);
  }

  #over(settle: () => void): void {
    settle();
    this.#next();
  }

  #export(files: CacheFiles, path: string, settle: Settle): void {
    let task: CacheExportTask | undefined;
    const fail = (cause: unknown) => {
      if (task) files.ended(task);
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `The cache file ${path} cannot be written: ${reason}.`;
      this.#over(() => settle.fail(new EngineError('CACHE_FILE_UNWRITABLE', message, { cause })));
    };
    const goOn = () => this.#betweenSteps(slice);
    const slice = () => {
      try {
        task ??= files.export(path);
        const written = task.advance();
        if (written) {
          files.ended(task);
          this.#over(() => settle.answer(written));
        } else if (task.isFlushDue) task.flush().then(goOn, fail);
        else goOn();
      } catch (error) {
        fail(error);
      }
    };
    slice();
  }

  #import(files: CacheFiles, path: string, settle: Settle): void {
    const { pins, ...opened } = files.import(path);
    const slice = () => {
      try {
        if (pins && !pins.advance()) this.#betweenSteps(slice);
        else this.#over(() => settle.answer(pins?.results.length ? { ...opened, pins: pins.results } : opened));
      } catch (error) {
        this.#over(() => settle.fail(error));
      }
    };
    slice();
  }

  #openings(most: number): LearnedOpening[] {
    const { openings, text } = this.#parts;
    return openings.list(most).map(({ salt, ids, count }) => {
      const known = text && Array.from(ids).every((id) => id < text.vocabularyCount);
      return {
        salt,
        ids: Array.from(ids),
        ...(text && known ? { text: text.decode(ids, { specialTokens: 'keep' }) } : {}),
        count,
      };
    });
  }
}
