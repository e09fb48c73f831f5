/** Answers what an operator asks of cache files. */

import { treeOf } from '../cache-file/cache-tree.ts';
import type { LearnedOpening } from '../cache-file-api.ts';
import type { EngineParts } from '../engine-parts.ts';
import { EngineError } from '../errors.ts';
import type { CallMessage, Calls } from '../protocol.ts';

export type CacheFileCall = Extract<
  CallMessage,
  { readonly kind: 'cacheExport' | 'cacheImport' | 'cacheTree' | 'openings' }
>;

export function isCacheFileCall(call: CallMessage): call is CacheFileCall {
  return ['cacheExport', 'cacheImport', 'cacheTree', 'openings'].includes(call.kind);
}

export class CacheFileDesk {
  readonly #parts: EngineParts;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Only between steps: what is written must not change meanwhile. Throws INVALID_OPTION, CACHE_FILE_UNWRITABLE. */
  answer(call: CacheFileCall): Calls[CacheFileCall['kind']]['output'] {
    if (call.kind === 'openings') return this.#openings(call.input);
    const { cacheFiles, kv } = this.#parts;
    if (call.kind === 'cacheTree') return kv ? treeOf(kv.entries()) : [];
    if (!cacheFiles) {
      throw new EngineError('INVALID_OPTION', 'The engine keeps no K/V (kvCache is false): open it with a cache.');
    }
    return call.kind === 'cacheExport' ? cacheFiles.export(call.input) : cacheFiles.import(call.input);
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
