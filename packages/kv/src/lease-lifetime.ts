import type { ClaimTerms, TermsFields } from './claim-terms.ts';

/** What the claim of a lease will say once the lease lets go. */
export interface LeaseLifetime {
  readonly terms: ClaimTerms;
  /** From the release on; Infinity: none. */
  readonly ttlMs: number;
  /** Tokens up to which the lease stores; Infinity: all. */
  readonly storeTokens: number;
  /** Positions below `storeTokens` up to which tokens have a priority of their own. */
  readonly ranges: readonly { readonly tokens: number; readonly fields: TermsFields }[];
}
