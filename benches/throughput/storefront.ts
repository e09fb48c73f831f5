/** A shop: one system prompt, a few product descriptions, many short questions. */

import { joined, seededIds } from '../token-ids.ts';
import { independent, type Workload, type WorkloadRequest } from './workload.ts';

export interface StorefrontSize {
  readonly requests: number;
  readonly products: number;
  readonly systemTokens: number;
  readonly productTokens: number;
  readonly questionTokens: number;
  readonly newTokens: number;
}

export const storefrontSize: StorefrontSize = {
  requests: 64,
  products: 8,
  systemTokens: 256,
  productTokens: 512,
  questionTokens: 24,
  newTokens: 32,
};

/** Request i asks about product i modulo `products`, so that neighbours in time ask about different ones. Pure. */
export function storefrontRequests(size: StorefrontSize, vocabulary: number): WorkloadRequest[] {
  const system = seededIds(1, size.systemTokens, vocabulary);
  const products = Array.from({ length: size.products }, (_, product) =>
    seededIds(1_000 + product, size.productTokens, vocabulary),
  );
  return Array.from({ length: size.requests }, (_, request) => ({
    ids: joined([
      system,
      products[request % size.products] as Uint32Array,
      seededIds(2_000 + request, size.questionTokens, vocabulary),
    ]),
    maxTokens: size.newTokens,
  }));
}

export function storefront(size: StorefrontSize, vocabulary: number, inFlight: number): Workload {
  const all = inFlight >= size.requests;
  const about =
    `${size.requests} requests: system ${size.systemTokens} + one of ${size.products} products x ${size.productTokens} + ` +
    `question ${size.questionTokens} tokens, ${size.newTokens} new, ${all ? 'all submitted at once' : `${inFlight} at a time`}`;
  const requests = storefrontRequests(size, vocabulary);
  if (all) return independent({ name: 'storefront, all at once', about }, requests, inFlight);
  // Without sharing every request costs the same, so one round of what is in flight tells the rate.
  const excerpt = independent({ name: 'storefront', about }, requests.slice(0, inFlight), inFlight);
  return independent({ name: 'storefront', about, excerpt }, requests, inFlight);
}
