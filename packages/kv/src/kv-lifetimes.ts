import type { CacheClock } from './cache-clock.ts';
import { type ClaimTerms, type Session, type TermsBook, tagsOf } from './claim-terms.ts';
import { ObjectColumn } from './growing-columns.ts';
import type { AcquireRequest } from './kv-cache.ts';
import type { LeaseLifetime } from './lease-lifetime.ts';
import type { ClaimOptions, InvalidationTarget, LifetimeDefaults, TagLifetime } from './lifetimes.ts';
import type { PrefixIndex } from './prefix-index.ts';
import { TimingWheel } from './timing-wheel.ts';
import type { NodeId } from './units.ts';

const NEVER = Number.POSITIVE_INFINITY;
const NO_RANGES: LeaseLifetime['ranges'] = Object.freeze([]);

/** Work of one `expire`: timers moved, claims ended, pages freed. A few tenths of a millisecond, and 3 ms among a million entries. */
export const EXPIRY_WORK = 500;

/** Sessions, contexts, versions and defaults: which claims requests make, and which they end. The index knows none of these. */
export class Lifetimes {
  readonly #index: PrefixIndex;
  readonly #book: TermsBook;
  readonly #clock: CacheClock;
  readonly #defaults: LifetimeDefaults;
  /** Idle limits, by session id. */
  readonly #idle: TimingWheel;
  readonly #sessions = new ObjectColumn<Session>(64);
  readonly #work = { left: 0 };

  constructor(index: PrefixIndex, book: TermsBook, clock: CacheClock, defaults: LifetimeDefaults) {
    this.#index = index;
    this.#book = book;
    this.#clock = clock;
    this.#defaults = defaults;
    this.#idle = new TimingWheel(clock.nowMs);
    book.onSessionGone = ({ id }) => {
      this.#idle.stop(id);
      this.#sessions.reserve(id + 1);
      this.#sessions.set(id, undefined);
    };
  }

  /** What the claim of a request will say. O(tags). */
  lifetimeOf({ salt, claim, breakpoints }: AcquireRequest): LeaseLifetime {
    if (breakpoints === undefined && (claim === undefined || isTimeOnly(claim)))
      return this.#plainLifetime(salt, claim);
    const resolved = this.resolve(claim);
    const ranges: LeaseLifetime['ranges'][number][] = [];
    const last = breakpoints?.at(-1);
    for (const { tokens, priority = resolved.priority } of breakpoints ?? []) {
      if (tokens === last?.tokens || priority === resolved.priority) continue;
      ranges.push({ tokens, fields: { salt, ...claim, ...resolved, priority } });
    }
    const priority = last?.priority ?? resolved.priority;
    const terms = this.#book.intern({ salt, ...claim, ...resolved, priority });
    return { terms, ttlMs: resolved.ttlMs ?? NEVER, storeTokens: last?.tokens ?? NEVER, ranges };
  }

  /** As below, for what most requests say: nothing, or just how long. Allocates the answer and nothing else. */
  #plainLifetime(salt: string, claim: ClaimOptions | undefined): LeaseLifetime {
    const said = claim?.ttlMs !== undefined || claim?.slidingTtlMs !== undefined ? claim : this.#defaults;
    const { ttlMs = NEVER, slidingTtlMs } = said;
    const terms = slidingTtlMs === undefined ? this.#book.plain(salt) : this.#book.intern({ salt, slidingTtlMs });
    return { terms, ttlMs, storeTokens: NEVER, ranges: NO_RANGES };
  }

  /** The claim's own time and priority, or those of its tags, or the general ones. */
  resolve(claim: ClaimOptions | undefined): TagLifetime {
    const { tags = {}, ttlMs, slidingTtlMs } = this.#defaults;
    let found: TagLifetime = {};
    for (const tag of [...(claim?.tags ?? []), ...(claim?.context ?? [])]) {
      const of = tags[tag] ?? tags[namespaceOf(tag)];
      if (of !== undefined) found = stricter(found, of);
    }
    const priority = claim?.priority ?? found.priority ?? 'normal';
    if (claim?.ttlMs !== undefined || claim?.slidingTtlMs !== undefined) {
      return { ...pick(claim), priority };
    }
    if (found.ttlMs !== undefined || found.slidingTtlMs !== undefined) return { ...pick(found), priority };
    return { ...pick({ ttlMs, slidingTtlMs }), priority };
  }

  /**
   * A request with these terms was granted, and its own claim covers what it matched: what it makes obsolete ends now. That is, claims of
   * its session whose context is not its own any more, and claims with another version of one of its tags.
   */
  supersede(terms: ClaimTerms): void {
    const { session } = terms;
    if (session !== undefined && terms.context.length > 0) this.#switchContext(session, terms.context);
    if (terms.tags.length + terms.context.length === 0) return;
    for (const outdated of this.#book.outdatedBy(terms.salt, tagsOf(terms)))
      this.#index.endAll(outdated, 'invalidated');
  }

  leaseBegan({ session }: ClaimTerms): void {
    if (session === undefined) return;
    this.#book.countLease(session, 1);
    session.lastUsedMs = this.#clock.nowMs;
    const { sessionIdleMs } = this.#defaults;
    if (sessionIdleMs === undefined || this.#idle.isRunning(session.id)) return;
    this.#sessions.reserve(session.id + 1);
    this.#sessions.set(session.id, session);
    this.#idle.start(session.id, this.#clock.nowMs + sessionIdleMs);
  }

  leaseEnded({ session }: ClaimTerms): void {
    if (session === undefined) return;
    session.lastUsedMs = this.#clock.nowMs;
    this.#book.countLease(session, -1);
  }

  /** A bounded part of what is due. */
  expire(): void {
    const work = this.#work;
    work.left = EXPIRY_WORK;
    this.#index.expire(work);
    const { sessionIdleMs = NEVER } = this.#defaults;
    for (let id = this.#nextIdle(); id !== 0; id = this.#nextIdle()) {
      const session = this.#sessions.get(id) as Session;
      const idleAt = (session.leases > 0 ? this.#clock.nowMs : session.lastUsedMs) + sessionIdleMs;
      if (idleAt > this.#clock.nowMs) this.#idle.start(id, idleAt);
      else this.#closeIdle(session);
    }
  }

  /** Is something due that `expire` has not come to, or may it be, as of the last look at the clock? Pure, O(1). */
  get isExpiryBehind(): boolean {
    return this.#index.isExpiryBehind() || this.#idle.isBehind(this.#clock.nowMs);
  }

  /** As much of it as there is work left for; the rest with the next `expire`. */
  #closeIdle(session: Session): void {
    for (const terms of session.terms) {
      if (this.#work.left <= 0) break;
      this.#index.endAll(terms, 'expired', this.#work);
    }
    if (session.terms.size > 0) this.#idle.start(session.id, this.#clock.nowMs);
  }

  /** A settled claim at a locked node. */
  claimAt(node: NodeId, salt: string, claim: ClaimOptions): void {
    const { ttlMs = NEVER, ...said } = claim;
    this.#index.settle(this.#index.hold(node, this.#book.intern({ salt, ...said })), this.#clock.nowMs + ttlMs);
  }

  end(target: InvalidationTarget): void {
    for (const terms of this.#book.find(target)) this.#index.endAll(terms, 'invalidated');
  }

  #nextIdle(): number {
    return this.#work.left > 0 ? this.#idle.next(this.#clock.nowMs, this.#work) : 0;
  }

  #switchContext(session: Session, context: readonly string[]): void {
    const before = session.context;
    session.context = new Set(context);
    if (before === undefined) return;
    const isSame = before.size === context.length && context.every((tag) => before.has(tag));
    if (isSame) return;
    for (const terms of [...session.terms]) {
      if (terms.context.some((tag) => !session.context?.has(tag))) this.#index.endAll(terms, 'invalidated');
    }
  }
}

function isTimeOnly({ session, tags, context, priority }: ClaimOptions): boolean {
  return session === undefined && priority === undefined && (tags?.length ?? 0) + (context?.length ?? 0) === 0;
}

function pick({ ttlMs, slidingTtlMs }: { ttlMs?: number | undefined; slidingTtlMs?: number | undefined }): TagLifetime {
  return { ...(ttlMs === undefined ? {} : { ttlMs }), ...(slidingTtlMs === undefined ? {} : { slidingTtlMs }) };
}

/** What stands before the first `:` or `@` of a tag. */
function namespaceOf(tag: string): string {
  return tag.slice(0, Math.max(0, tag.search(/[:@]/)));
}

const PRIORITIES = ['low', 'normal', 'high'] as const;

/** The shorter times and the higher priority. */
function stricter(a: TagLifetime, b: TagLifetime): TagLifetime {
  const shorter = (left: number | undefined, right: number | undefined) =>
    left === undefined || right === undefined ? (left ?? right) : Math.min(left, right);
  const priority = PRIORITIES[Math.max(...[a, b].map((each) => PRIORITIES.indexOf(each.priority ?? 'low')))];
  const hasPriority = a.priority !== undefined || b.priority !== undefined;
  return {
    ...pick({ ttlMs: shorter(a.ttlMs, b.ttlMs), slidingTtlMs: shorter(a.slidingTtlMs, b.slidingTtlMs) }),
    ...(hasPriority && priority !== undefined ? { priority } : {}),
  };
}
