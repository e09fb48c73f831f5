import type { ClaimPriority } from './lifetimes.ts';
import { ShardedMap } from './sharded-map.ts';

/** Bands of eviction, the first to go first; what is pinned never goes. */
export const BANDS = { low: 0, normal: 1, high: 2, pinned: 3 } as const;
export const BAND_COUNT = 4;

/** A client's conversation. */
export interface Session {
  readonly id: number;
  readonly salt: string;
  readonly name: string;
  readonly terms: Set<ClaimTerms>;
  /** Leases of running requests. */
  leases: number;
  /** Tags of the context that it named last; undefined: none. */
  context: ReadonlySet<string> | undefined;
  lastUsedMs: number;
}

/** Everything that claims say, except where they end and when: claims with the same terms share one of these. */
export interface ClaimTerms {
  readonly id: number;
  readonly key: string;
  readonly salt: string;
  readonly session: Session | undefined;
  /** Sorted, without repetition; those of the context are not among them. */
  readonly tags: readonly string[];
  readonly context: readonly string[];
  readonly band: number;
  /** Infinity: none. */
  readonly slidingTtlMs: number;
  /** Claims with these terms, held ones included. */
  claimCount: number;
  /** Head of the index's list of them; 0: empty. */
  firstClaim: number;
}

export interface TermsFields {
  readonly salt: string;
  readonly session?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly context?: readonly string[] | undefined;
  readonly priority?: ClaimPriority | undefined;
  readonly slidingTtlMs?: number | undefined;
  readonly isPinned?: boolean;
}

type TermsById = ShardedMap<number, ClaimTerms>;

const NO_TAGS: readonly string[] = Object.freeze([]);

/**
 * All terms that claims have, interned: so that equal claims are told by comparing one integer, and that a tag, a session or a salt leads
 * to its claims without a look at any other. Terms go with their last claim, sessions with their last terms and lease.
 */
export class TermsBook {
  readonly #byKey = new ShardedMap<string, ClaimTerms>();
  /** [BAND_COUNT] for each salt, the terms that say nothing but their band: those of most requests, found without making a key. */
  readonly #plain = new ShardedMap<string, (ClaimTerms | undefined)[]>();
  readonly #bySalt = new ShardedMap<string, TermsById>();
  readonly #byTag = new ShardedMap<string, TermsById>();
  /** Versions of a tag that have claims: name -> tag -> terms that have it. */
  readonly #versions = new ShardedMap<string, Set<string>>();
  readonly #sessions = new ShardedMap<string, Session>();
  readonly #bySession = new ShardedMap<string, Set<Session>>();
  #nextId = 1;
  readonly #spareSessionIds: number[] = [];
  #nextSessionId = 1;

  get sessionCount(): number {
    return this.#sessions.size;
  }

  get tagCount(): number {
    return this.#byTag.size;
  }

  /** The terms that say this. O(tags log tags). */
  intern(fields: TermsFields): ClaimTerms {
    const { salt } = fields;
    const band = fields.isPinned === true ? BANDS.pinned : BANDS[fields.priority ?? 'normal'];
    const tags = sorted(fields.tags);
    const context = sorted(fields.context);
    if (fields.session === undefined && fields.slidingTtlMs === undefined && tags.length + context.length === 0) {
      const plain = this.#plain.get(salt)?.[band];
      if (plain !== undefined) return plain;
    }
    const slidingTtlMs = fields.slidingTtlMs ?? Number.POSITIVE_INFINITY;
    const key = keyOf({ ...fields, tags, context, band, slidingTtlMs });
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const session = fields.session === undefined ? undefined : this.#openSession(salt, fields.session);
    const id = this.#nextId++;
    return { id, key, salt, session, tags, context, band, slidingTtlMs, claimCount: 0, firstClaim: 0 };
  }

  /** The terms of a claim that says nothing. O(1), allocates nothing once there is such a claim. */
  plain(salt: string): ClaimTerms {
    return this.#plain.get(salt)?.[BANDS.normal] ?? this.intern({ salt });
  }

  /** One more claim has these terms: from the first on they can be found. */
  retain(terms: ClaimTerms): void {
    if (terms.claimCount++ > 0) return;
    this.#byKey.set(terms.key, terms);
    if (isPlain(terms)) this.#setPlain(terms.salt, terms.band, terms);
    addTerms(this.#bySalt, terms.salt, terms);
    for (const tag of tagsOf(terms)) {
      addTerms(this.#byTag, tag, terms);
      const name = versionedName(tag);
      if (name !== undefined) addTo(this.#versions, name, tag);
    }
    terms.session?.terms.add(terms);
  }

  /** One claim less. With the last one the terms are forgotten. */
  release(terms: ClaimTerms): void {
    if (--terms.claimCount > 0) return;
    this.#byKey.delete(terms.key);
    if (isPlain(terms)) this.#setPlain(terms.salt, terms.band, undefined);
    removeTerms(this.#bySalt, terms.salt, terms);
    for (const tag of tagsOf(terms)) {
      removeTerms(this.#byTag, tag, terms);
      const name = versionedName(tag);
      if (name !== undefined && !this.#byTag.has(tag)) removeFrom(this.#versions, name, tag);
    }
    terms.session?.terms.delete(terms);
    if (terms.session !== undefined) this.#dropUnused(terms.session);
  }

  /** A lease of the session began or ended. */
  countLease(session: Session, change: 1 | -1): void {
    session.leases += change;
    if (change < 0) this.#dropUnused(session);
  }

  /** Called with the id of each session that is forgotten. */
  onSessionGone: (session: Session) => void = () => {};

  /** Copies the terms that fit everything that is given. O(what fits one of them). */
  find(target: {
    readonly tag?: string | undefined;
    readonly session?: string | undefined;
    readonly salt?: string | undefined;
  }): ClaimTerms[] {
    const { tag, session, salt } = target;
    const fits = (terms: ClaimTerms) =>
      (tag === undefined || terms.tags.includes(tag) || terms.context.includes(tag)) &&
      (session === undefined || terms.session?.name === session) &&
      (salt === undefined || terms.salt === salt);
    return this.#candidates(tag, session, salt).filter(fits);
  }

  /** Terms of the salt that carry another version of one of the tags. */
  outdatedBy(salt: string, tags: readonly string[]): ClaimTerms[] {
    const found: ClaimTerms[] = [];
    for (const tag of tags) {
      const name = versionedName(tag);
      if (name === undefined) continue;
      for (const other of this.#versions.get(name) ?? []) {
        if (other === tag) continue;
        for (const terms of this.#byTag.get(other)?.values() ?? []) if (terms.salt === salt) found.push(terms);
      }
    }
    return found;
  }

  all(): Iterable<ClaimTerms> {
    return this.#byKey.values();
  }

  /** The session, made if need be: whoever asks makes a claim of it at once, and with the last one it goes. */
  #openSession(salt: string, name: string): Session {
    const key = sessionKey(salt, name);
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const id = this.#spareSessionIds.pop() ?? this.#nextSessionId++;
    const opened: Session = { id, salt, name, terms: new Set(), leases: 0, context: undefined, lastUsedMs: 0 };
    this.#sessions.set(key, opened);
    addTo(this.#bySession, name, opened);
    return opened;
  }

  #setPlain(salt: string, band: number, terms: ClaimTerms | undefined): void {
    const bands = this.#plain.get(salt) ?? [];
    bands[band] = terms;
    if (bands.some((each) => each !== undefined)) this.#plain.set(salt, bands);
    else this.#plain.delete(salt);
  }

  #candidates(tag: string | undefined, session: string | undefined, salt: string | undefined): ClaimTerms[] {
    if (session !== undefined) {
      return [...(this.#bySession.get(session) ?? [])].flatMap(({ terms }) => [...terms]);
    }
    if (tag !== undefined) return [...(this.#byTag.get(tag)?.values() ?? [])];
    return salt === undefined ? [] : [...(this.#bySalt.get(salt)?.values() ?? [])];
  }

  #dropUnused(session: Session): void {
    if (session.leases > 0 || session.terms.size > 0) return;
    if (!this.#sessions.delete(sessionKey(session.salt, session.name))) return;
    removeFrom(this.#bySession, session.name, session);
    this.onSessionGone(session);
    this.#spareSessionIds.push(session.id);
  }
}

/** Do the terms say nothing but their salt and band? */
function isPlain({ session, tags, context, slidingTtlMs }: ClaimTerms): boolean {
  return session === undefined && tags.length + context.length === 0 && slidingTtlMs === Number.POSITIVE_INFINITY;
}

/** All tags of the terms, those of the context included. */
export function tagsOf(terms: ClaimTerms): readonly string[] {
  return terms.context.length === 0 ? terms.tags : sorted([...terms.tags, ...terms.context]);
}

/** What stands before the last `@` of a tag with a version. */
export function versionedName(tag: string): string | undefined {
  const at = tag.lastIndexOf('@');
  return at > 0 ? tag.slice(0, at) : undefined;
}

function sorted(tags: readonly string[] | undefined): readonly string[] {
  if (tags === undefined || tags.length === 0) return NO_TAGS;
  return tags.length === 1 ? tags : [...new Set(tags)].sort();
}

function keyOf(terms: TermsFields & { readonly band: number; readonly slidingTtlMs: number }): string {
  const { salt, session, tags = NO_TAGS, context = NO_TAGS, band, slidingTtlMs } = terms;
  return JSON.stringify([
    band,
    slidingTtlMs === Number.POSITIVE_INFINITY ? 0 : slidingTtlMs,
    salt,
    session ?? null,
    tags,
    context,
  ]);
}

function sessionKey(salt: string, name: string): string {
  return `${salt.length} ${salt}${name}`;
}

function addTerms(map: ShardedMap<string, TermsById>, key: string, terms: ClaimTerms): void {
  const known = map.get(key) ?? new ShardedMap();
  if (known.size === 0) map.set(key, known);
  known.set(terms.id, terms);
}

function removeTerms(map: ShardedMap<string, TermsById>, key: string, terms: ClaimTerms): void {
  const known = map.get(key);
  known?.delete(terms.id);
  if (known?.size === 0) map.delete(key);
}

function addTo<Value>(map: ShardedMap<string, Set<Value>>, key: string, value: Value): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([value]));
  else known.add(value);
}

function removeFrom<Value>(map: ShardedMap<string, Set<Value>>, key: string, value: Value): void {
  const known = map.get(key);
  if (known === undefined) return;
  known.delete(value);
  if (known.size === 0) map.delete(key);
}
