/** The claims of a cache file while it is open: they end as those in memory do, so that nothing comes back that was invalidated. */
import { Int32List } from './int32-list.ts';
import type { StoredClaim } from './stored-index.ts';

/** What a request says that ends claims of others. */
export interface ClaimSigns {
  readonly salt: string;
  readonly session?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly context?: readonly string[] | undefined;
}

export interface EndTarget {
  readonly tag?: string | undefined;
  readonly session?: string | undefined;
  readonly salt?: string | undefined;
}

export class StoredClaims {
  readonly #claims: StoredClaim[] = [];
  /** [claims] when each had the times that it says, on the clock that `now` is read from. */
  readonly #takenMs: number[] = [];
  /** [claims] 1: ended. */
  readonly #ended = new Int32List();
  #endedCount = 0;

  get count(): number {
    return this.#claims.length;
  }

  /** Those that were ended here; others are out of time. */
  get endedCount(): number {
    return this.#endedCount;
  }

  /** Returns its number. */
  add(claim: StoredClaim, nowMs: number): number {
    this.#takenMs.push(nowMs);
    this.#ended.push(0);
    return this.#claims.push(claim) - 1;
  }

  at(claim: number): StoredClaim {
    return this.#claims[claim] as StoredClaim;
  }

  /** Neither ended nor out of time. A sliding time to live counts from when the claim was taken down. */
  isLive(claim: number, nowMs: number): boolean {
    const { ttlMs = Number.POSITIVE_INFINITY, slidingTtlMs = Number.POSITIVE_INFINITY } = this.at(claim);
    const isInTime = nowMs - (this.#takenMs[claim] as number) < Math.min(ttlMs, slidingTtlMs);
    return isInTime && this.#ended.get(claim) === 0;
  }

  /** The claim with the time that it has left, in whole milliseconds. */
  remaining(claim: number, nowMs: number): StoredClaim {
    const given = this.at(claim);
    if (given.ttlMs === undefined) return given;
    return { ...given, ttlMs: Math.max(1, Math.floor(given.ttlMs - nowMs + (this.#takenMs[claim] as number))) };
  }

  /** Ends the claims that fit everything that is given. Returns how many. O(claims). */
  end({ tag, session, salt }: EndTarget): number {
    return this.#endThose(
      (claim) =>
        (salt === undefined || claim.salt === salt) &&
        (session === undefined || claim.session === session) &&
        (tag === undefined || claim.tags.some((own) => own === tag || nameOf(own) === tag)),
    );
  }

  /**
   * Ends what a request does away with: claims with another version of one of its tags, and those of its session whose context it has left.
   * O(claims), and nothing for a request without versions and context.
   */
  observe({ salt, session, tags = [], context }: ClaimSigns): number {
    const versions = new Map(tags.filter((tag) => tag.includes('@')).map((tag) => [nameOf(tag), tag]));
    const current = session !== undefined && context !== undefined ? new Set(context) : undefined;
    if (versions.size === 0 && current === undefined) return 0;
    const isOld = (tag: string) => (versions.get(nameOf(tag)) ?? tag) !== tag;
    return this.#endThose((claim) => {
      if (claim.salt !== salt) return false;
      if (current && claim.session === session && claim.context.some((tag) => !current.has(tag))) return true;
      return claim.tags.some(isOld) || claim.context.some(isOld);
    });
  }

  #endThose(isMeant: (claim: StoredClaim) => boolean): number {
    let count = 0;
    for (const [index, claim] of this.#claims.entries()) {
      if (this.#ended.get(index) === 1 || !isMeant(claim)) continue;
      this.#ended.set(index, 1);
      count += 1;
    }
    this.#endedCount += count;
    return count;
  }
}

/** What stands before the version of a tag. Pure. */
function nameOf(tag: string): string {
  const at = tag.indexOf('@');
  return at < 0 ? tag : tag.slice(0, at);
}
