/**
 * How long entries stay: what a request may say about it, and what an operator may do.
 *
 * Each request that stores leaves a *claim* where its tokens end. A page stays while any claim ends at it or below it; what no claim
 * covers leaves at once. Claims end by request (`invalidate`, a closed session, another context, a newer version of a tagged text), by time,
 * or when their last page is evicted. This frees memory and serves privacy; other tokens never match, with or without it.
 */

/** How much an entry is worth keeping when pages run out: lower ones are evicted first. */
export type ClaimPriority = 'low' | 'normal' | 'high';

/** What a request says about the lifetime of what it stores. Claims that say the same at the same place merge, the later end holds. */
export interface ClaimOptions {
  /** The client's conversation, in this salt. What only it used goes when it is closed or idle for its limit. */
  readonly session?: string;
  /**
   * What the entry is about, such as `product:tv-55`. The part after an `@` is a version (`file:src/a.ts@9f3c`): a request that names
   * another version of the same tag ends all claims, in this salt, that carry the old one.
   */
  readonly tags?: readonly string[];
  /**
   * The session's context, as tags. A request that names another set than the session's last one ends the session's claims that carry a
   * context tag which is not in the new set. Needs `session`.
   */
  readonly context?: readonly string[];
  /** Milliseconds from the end of the request on, however often the entry is used. */
  readonly ttlMs?: number;
  /** Milliseconds from the last use of the place where the claim ends, by anybody. */
  readonly slidingTtlMs?: number;
  /** Default `normal`. */
  readonly priority?: ClaimPriority;
}

/** A position up to which a prompt is worth keeping. */
export interface Breakpoint {
  readonly tokens: number;
  /** Priority of the tokens up to here. Default: that of the request. */
  readonly priority?: ClaimPriority;
}

/** Lifetimes that hold where a request does not say its own. */
export interface LifetimeDefaults {
  readonly ttlMs?: number;
  readonly slidingTtlMs?: number;
  /** A session that nobody used for so long is closed. */
  readonly sessionIdleMs?: number;
  /** By tag, or by what stands before its first `:` or `@`. Of several the shortest time and the highest priority hold. */
  readonly tags?: Readonly<Record<string, TagLifetime>>;
}

export type TagLifetime = Pick<ClaimOptions, 'ttlMs' | 'slidingTtlMs' | 'priority'>;

/** Which claims to end: those that fit everything that is given (at least one thing). Without `salt`, in all salts. */
export interface InvalidationTarget {
  readonly tag?: string;
  readonly session?: string;
  readonly salt?: string;
}

/** What ending claims did. All 0 for what nobody knows. */
export interface Invalidation {
  /** Claims that ended, those of running requests included (these publish no more). */
  readonly claims: number;
  /** Pages that no other claim covered: they left the index. */
  readonly pages: number;
  /** Of these, freed at once; the others are detached until the last lease lets go. */
  readonly freedPages: number;
  readonly endedPins: number;
}

/** Names a pin for as long as it holds; never used again. */
export type PinId = number;

export interface PinRequest {
  readonly tokens: Uint32Array;
  readonly tokenCount: number;
  readonly salt: string;
  /** When the promise ends by itself; `priority` means nothing here. */
  readonly claim?: ClaimOptions;
}

/** A promise that pages are not evicted. It ends by `unpin`, explicit invalidation, its own time to live, or `clear`. */
export type PinResult =
  /** `tokens` from the start on are pinned, the last page perhaps beyond; `newPages` of the budget were taken. */
  | { readonly outcome: 'granted'; readonly pin: PinId; readonly tokens: number; readonly newPages: number }
  /** Only the leading `tokens` of `wantedTokens`: the rest is not in the cache or not in the budget. */
  | {
      readonly outcome: 'clipped';
      readonly reason: 'budget' | 'not-cached';
      readonly pin: PinId;
      readonly tokens: number;
      readonly newPages: number;
      readonly wantedTokens: number;
      /** Further pages that the whole would have taken. */
      readonly missingPages: number;
    }
  | {
      readonly outcome: 'refused';
      readonly reason: 'budget' | 'not-cached';
      readonly neededPages: number;
      /** Pages left in the budget. */
      readonly availablePages: number;
    };

export type PinEnd = 'unpinned' | 'invalidated' | 'expired' | 'cleared';

/** A claim as it is exported. */
export interface ClaimView {
  readonly session?: string;
  readonly tags: readonly string[];
  readonly context: readonly string[];
  readonly priority: ClaimPriority;
  readonly isPinned: boolean;
  /** Milliseconds left of an absolute time to live. */
  readonly ttlMs?: number;
  readonly slidingTtlMs?: number;
}

/** One node of the index: tokens that continue those of its parent. */
export interface CacheEntry {
  /** Unique within one enumeration; parents come before their children. */
  readonly id: number;
  /** Undefined: the entry starts at the first token. */
  readonly parent: number | undefined;
  readonly salt: string;
  /** Tokens before this entry, on the way to it. */
  readonly startTokens: number;
  /** [tokens] the entry's own tokens; the last page may be partly filled. */
  readonly tokens: Uint32Array;
  readonly pages: readonly number[];
  /** Prompt tokens that requests found ending here and did not compute. */
  readonly savedTokens: number;
  /** Claims that end here. */
  readonly claims: readonly ClaimView[];
}

/**
 * A way through everything that is cached which may stop anywhere while the cache goes on: claim by claim, since each page is there for one.
 * Claims of requests that ended before the beginning, and that are there at the end, are met, others may be; those of running requests are not.
 */
export interface CacheWalk {
  /** There is nothing more. */
  readonly isOver: boolean;
  /** Goes on to the next claim, past at most `most` numbers that name none. Undefined: none so far; see `isOver`. O(most). */
  next(most: number): WalkedClaim | undefined;
  /** The claim that was found last once more. Undefined: it is gone. O(1). */
  again(): WalkedClaim | undefined;
  /** The way to the claim that was found last, before the cache changed. O(pages that are not known). */
  way(isKnown: (page: number) => boolean): WalkedWay;
  /** [1..pageSize] of a page of the way: a view, to be copied before the cache changes. */
  tokensOf(page: number): Uint32Array;
}

export interface WalkedClaim {
  readonly salt: string;
  /** The same number: `view` says the same, but for the time that is left. */
  readonly terms: number;
  readonly view: ClaimView;
}

export interface WalkedWay {
  /** The last page of the way that is known; 0: none. */
  readonly known: number;
  /** Pages behind it, in order. */
  readonly pages: readonly number[];
}

/** A prefix, and the prompt tokens that requests found up to its end and did not compute. */
export interface PrefixSavings {
  readonly salt: string;
  readonly tokens: Uint32Array;
  readonly savedTokens: number;
}

export interface RestoreRequest {
  readonly salt: string;
  /** [>= tokenCount] the whole way from the first token. */
  readonly tokens: Uint32Array;
  readonly tokenCount: number;
  /** At least one. Pins are counted against the budget as by `pin`. */
  readonly claims: readonly (ClaimOptions & { readonly isPinned?: boolean })[];
}

/** Pages that wait for their bytes. End it with `publish` or `abandon`, once. */
export interface Restoration {
  /** Tokens that are in the index already, a multiple of the page size or all of them. */
  readonly presentTokens: number;
  /** Pages to be written, in order: the first holds the tokens from `presentTokens` on. */
  readonly pages: readonly number[];
  /** The bytes of the first `pages` pages are there (default: all): they are published with the claims. Written, then published. */
  publish(pages?: number): void;
  abandon(): void;
}

export type RestoreResult =
  | { readonly ok: true; readonly restoration: Restoration }
  | { readonly ok: false; readonly reason: 'no-room'; readonly neededPages: number; readonly availablePages: number };

/** Where the bytes of a page are. */
export type CacheMedium = 'memory';

/** What happened to the index, in order. `keys` name a page by a 60-bit digest of its salt and of all tokens up to its end. */
export type KvEvent =
  | {
      readonly kind: 'stored';
      readonly sequence: number;
      readonly medium: CacheMedium;
      readonly salt: string;
      /** Key of the page before the first; absent at the start of a prompt. */
      readonly parent?: string;
      readonly keys: readonly string[];
      /** Tokens of the pages, one after the other; only the last page may have fewer than `pageSize`. */
      readonly tokens: readonly number[];
      readonly pageSize: number;
      readonly tags: readonly string[];
    }
  | {
      readonly kind: 'removed';
      readonly sequence: number;
      readonly medium: CacheMedium;
      readonly salt: string;
      readonly keys: readonly string[];
      readonly reason: 'evicted' | 'expired' | 'invalidated' | 'replaced';
    }
  /** Every page of a salt, or of all salts, is gone. */
  | { readonly kind: 'cleared'; readonly sequence: number; readonly medium: CacheMedium; readonly salt?: string }
  | {
      readonly kind: 'unpinned';
      readonly sequence: number;
      readonly salt: string;
      readonly pin: PinId;
      readonly reason: PinEnd;
    };

export interface KvEvents {
  /** Number of the last event; 0 when nothing was recorded. */
  readonly lastSequence: number;
  /** Calls back, synchronously and in order, from now on. Nothing is recorded before the first listener. Returns how to stop. */
  listen(listener: (event: KvEvent) => void): () => void;
  /** Events after `sequence`, oldest first; undefined when some of them are no longer in the buffer: enumerate the entries instead. */
  replay(sequence: number): readonly KvEvent[] | undefined;
}
