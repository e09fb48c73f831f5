/** The JSON part of a cache file's index, checked field by field: what has another type is not guessed at. */
import type { Opening } from '../warm/openings.ts';
import type { CacheIdentity, StoredClaim } from './stored-index.ts';

export interface IndexHead {
  readonly identity: CacheIdentity;
  readonly writtenMs: number;
  readonly pageCount: number;
  readonly refCount: number;
  readonly salts: readonly string[];
  readonly claims: readonly unknown[];
  readonly openings: readonly unknown[];
}

/** What a claim may say: whatever else it said might take away what these give. */
const CLAIM_FIELDS: ReadonlySet<string> = new Set([
  'salt',
  'session',
  'tags',
  'context',
  'priority',
  'isPinned',
  'ttlMs',
  'slidingTtlMs',
]);

/** Tokens a page that no pool has; keeps products of what a file says within exact numbers. */
const MOST_PAGE_TOKENS = 2 ** 20;

/** Undefined: it does not hold what it should. Pure. */
export function headOf(json: string): IndexHead | undefined {
  const fields = parsed(json);
  if (!isRecord(fields)) return undefined;
  const identity = identityOf(fields.identity);
  const { writtenMs, pageCount, refCount, salts, claims, openings } = fields;
  if (identity === undefined || !isCount(writtenMs) || !isCount(pageCount) || !isCount(refCount)) return undefined;
  if (!isTexts(salts) || !Array.isArray(claims) || !Array.isArray(openings)) return undefined;
  return { identity, writtenMs, pageCount, refCount, salts, claims, openings };
}

/** Undefined: it does not hold what it should. Pure. */
export function claimOf(given: unknown, salts: readonly string[]): StoredClaim | undefined {
  if (!isRecord(given) || !Object.keys(given).every((name) => CLAIM_FIELDS.has(name))) return undefined;
  const { session, tags, context, priority, isPinned, ttlMs, slidingTtlMs } = given;
  const salt = salts[given.salt as number];
  if (salt === undefined || !isTexts(tags) || !isTexts(context) || typeof isPinned !== 'boolean') return undefined;
  if (priority !== 'low' && priority !== 'normal' && priority !== 'high') return undefined;
  if (session !== undefined && typeof session !== 'string') return undefined;
  if ((ttlMs !== undefined && !isTime(ttlMs)) || (slidingTtlMs !== undefined && !isTime(slidingTtlMs)))
    return undefined;
  return {
    salt,
    tags,
    context,
    priority,
    isPinned,
    ...(session === undefined ? {} : { session }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(slidingTtlMs === undefined ? {} : { slidingTtlMs }),
  };
}

/** Undefined: it does not hold what it should. Pure. */
export function openingOf(given: unknown, salts: readonly string[]): Opening | undefined {
  if (!isRecord(given)) return undefined;
  const { ids, count } = given;
  const salt = salts[given.salt as number];
  const isId = (id: unknown) => isCount(id) && id <= 0xffffffff;
  if (salt === undefined || !Array.isArray(ids) || !ids.every(isId) || !isCount(count)) return undefined;
  return { salt, ids: Uint32Array.from(ids), count };
}

function identityOf(given: unknown): CacheIdentity | undefined {
  if (!isRecord(given)) return undefined;
  const { model, weights, tokenizer, kvType, pageSize, layers, kvHeads, headDim } = given;
  if (![model, weights, tokenizer, kvType].every((text) => typeof text === 'string')) return undefined;
  if (![pageSize, layers, kvHeads, headDim].every((count) => isCount(count) && count > 0)) return undefined;
  if ((pageSize as number) > MOST_PAGE_TOKENS) return undefined;
  // Their types were checked above.
  return { model, weights, tokenizer, kvType, pageSize, layers, kvHeads, headDim } as CacheIdentity;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
