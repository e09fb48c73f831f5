import { describe, expect, it } from 'vitest';
import { ClaimHash } from './claim-hash.ts';
import type { ClaimTerms } from './claim-terms.ts';
import type { ClaimId, NodeId } from './units.ts';

const CLAIMS = 5_000;
const terms = Array.from({ length: 7 }, (_, id) => ({ id: id + 1 }) as ClaimTerms);
const nodeOf = (claim: ClaimId) => (1 + Math.floor(claim / terms.length)) as NodeId;
const termsOf = (claim: ClaimId) => terms[claim % terms.length] as ClaimTerms;

describe('ClaimHash', () => {
  it.each([2, 64, 8_192])('finds what is in it and nothing else, with %i buckets at first', (capacity) => {
    const hash = new ClaimHash(capacity, { node: nodeOf, terms: termsOf });
    hash.reserve(CLAIMS + 1);
    const present = new Set<ClaimId>();
    let seed = 1;
    for (let step = 0; step < 4 * CLAIMS; step++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      const claim = (1 + ((seed >> 8) % CLAIMS)) as ClaimId;
      expect(hash.find(nodeOf(claim), termsOf(claim))).toBe(present.has(claim) ? claim : 0);
      // More come than go.
      if (!present.has(claim)) hash.add(claim);
      else if (step % 3 === 0) hash.remove(claim);
      else continue;
      if (!present.delete(claim)) present.add(claim);
    }
    expect(present.size).toBeGreaterThan(CLAIMS / 2);
    for (let id = 1; id <= CLAIMS; id++) {
      const claim = id as ClaimId;
      expect(hash.find(nodeOf(claim), termsOf(claim))).toBe(present.has(claim) ? claim : 0);
    }
  });

  it('has few claims in a bucket, however many came since it was made', () => {
    let asked = 0;
    const node = (claim: ClaimId) => {
      asked++;
      return nodeOf(claim);
    };
    const hash = new ClaimHash(2, { node, terms: termsOf });
    hash.reserve(CLAIMS + 1);
    let most = 0;
    for (let id = 1; id <= CLAIMS; id++) {
      asked = 0;
      hash.add(id as ClaimId);
      most = Math.max(most, asked);
    }
    // Its own place, and the bucket that is dealt out.
    expect(most).toBeLessThan(32);
    asked = 0;
    for (let id = 1; id <= CLAIMS; id++) hash.find(nodeOf(id as ClaimId), termsOf(id as ClaimId));
    expect(asked / CLAIMS).toBeLessThan(3);
  });
});
