/** What a cache file says about its pages: plain values, one record a page. Bytes of pages lie elsewhere in the file. */
import type { CacheClaim, CacheRefusalReason } from '../cache-file-api.ts';
import type { Opening } from '../warm/openings.ts';

/** What has to be the same for a page of a file to be a page of this engine. */
export type CacheIdentity = {
  /** Fingerprint of the compiled model: architecture, weights and their format, trims. */
  readonly model: string;
  readonly weights: string;
  /** Fingerprint of the tokenizer; empty without one. */
  readonly tokenizer: string;
  /** Format of an element of K and V. */
  readonly kvType: string;
  readonly pageSize: number;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
};

/** One claim, as many pages as may refer to it. */
export interface StoredClaim extends CacheClaim {
  readonly salt: string;
}

export interface StoredPage {
  /** Index of the page before it; -1 for the first one of a prompt. Smaller than the page's own index. */
  readonly parent: number;
  readonly salt: string;
  /** [1..pageSize] tokens of this page; only a page without children may have fewer than `pageSize`. None: the page is not used. */
  readonly tokens: Uint32Array;
  /** Indexes of claims that end here. */
  readonly claims: readonly number[];
  /** [16] of the page's bytes. */
  readonly checksum: Uint8Array;
}

export interface StoredIndex {
  readonly identity: CacheIdentity;
  /** Wall clock, milliseconds: what times to live are counted from. */
  readonly writtenMs: number;
  readonly claims: readonly StoredClaim[];
  readonly pages: readonly StoredPage[];
  /** What prompts began with, to go on counting. */
  readonly openings: readonly Opening[];
}

export interface CacheRefusal {
  readonly reason: CacheRefusalReason;
  /** One sentence, with the values. */
  readonly message: string;
}

export type Checked<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly refusal: CacheRefusal };

export function refused(reason: CacheRefusalReason, message: string): { ok: false; refusal: CacheRefusal } {
  return { ok: false, refusal: { reason, message } };
}

/** Says what keeps pages of `found` from being pages of `wanted`; undefined when nothing does. Pure. */
export function identityMismatch(found: CacheIdentity, wanted: CacheIdentity): CacheRefusal | undefined {
  const rows: readonly (readonly [keyof CacheIdentity, CacheRefusalReason, string])[] = [
    ['pageSize', 'page-size', 'tokens a page'],
    ['kvType', 'page-format', 'page format'],
    ['weights', 'weights', 'weight format'],
    ['layers', 'model', 'layers'],
    ['kvHeads', 'model', 'K/V heads'],
    ['headDim', 'model', 'elements a head'],
    ['model', 'model', 'model fingerprint'],
    ['tokenizer', 'tokenizer', 'tokenizer fingerprint'],
  ];
  const differing = rows.find(([field]) => found[field] !== wanted[field]);
  if (differing === undefined) return undefined;
  const [field, reason, words] = differing;
  const message = `The file is of another ${words} (${short(found[field])}, and the engine has ${short(wanted[field])}): its pages are not used.`;
  return { reason, message };
}

function short(value: string | number): string {
  const text = String(value);
  return text.length > 16 ? `${text.slice(0, 12)}...` : text;
}
