/** What is measured of every engine: requests, how many at a time, and the figure that comes out. */
import { median } from '../statistics.ts';
import { storefrontRequests, storefrontSize } from '../throughput/storefront.ts';
import { seededIds } from '../token-ids.ts';
import type { PeerAnswer, PeerRequest } from './peer.ts';

export interface PeerTask {
  readonly about: string;
  readonly figure: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly requests: readonly PeerRequest[];
  /** Requests at a time; absent: as many as the engine was set up to run at the same time. */
  readonly inFlight?: number;
  /** Tokens of prompt and completion of a request. */
  readonly contextTokens: number;
  measure(answers: readonly PeerAnswer[], requests: readonly PeerRequest[]): number;
}

export type TaskName = 'storefront' | 'burst' | 'single' | 'streams' | 'prefill';
export type TaskScale = 'full' | 'smoke';

/** The tasks for a model with that many token ids. Pure. */
export function peerTasks(vocabulary: number, scale: TaskScale): Readonly<Record<TaskName, PeerTask>> {
  const smoke = scale === 'smoke';
  const size = smoke
    ? { ...storefrontSize, requests: 8, products: 2, systemTokens: 32, productTokens: 64, newTokens: 8 }
    : storefrontSize;
  const shop = storefrontRequests(size, vocabulary).map(({ ids, maxTokens }) => ({
    ids: [...ids],
    newTokens: maxTokens,
    prefixTokens: size.systemTokens + size.productTokens,
  }));
  const about = `${size.requests} requests: system ${size.systemTokens} + one of ${size.products} products x ${size.productTokens} + question ${size.questionTokens}, ${size.newTokens} new`;
  const promptTokens = smoke ? 64 : 512;
  const newTokens = smoke ? 8 : 64;
  const prefillTokens = smoke ? 256 : 2_048;
  return {
    storefront: {
      about: `${about}, best concurrency`,
      figure: 'requests a second',
      unit: '/s',
      better: 'higher',
      ...sized(shop),
      measure: (answers) => (1_000 * answers.length) / (lastOf(answers) - firstOf(answers)),
    },
    burst: {
      about: `${about}, all submitted at once`,
      figure: 'time to first token p50',
      unit: 'ms',
      better: 'lower',
      ...sized(shop),
      inFlight: shop.length,
      measure: (answers) => median(answers.map(({ submittedMs, tokensMs }) => (tokensMs[0] as number) - submittedMs)),
    },
    single: {
      about: `one stream: 64 tokens, ${2 * newTokens} new`,
      figure: 'decoded tokens a second',
      unit: '/s',
      better: 'higher',
      ...sized([{ ids: [...seededIds(31, 64, vocabulary)], newTokens: 2 * newTokens, prefixTokens: 0 }]),
      inFlight: 1,
      measure: decodeRate,
    },
    streams: {
      about: `16 streams with nothing in common: ${promptTokens} tokens, ${newTokens} new, counted while all decode`,
      figure: 'output tokens a second',
      unit: '/s',
      better: 'higher',
      ...sized(
        Array.from({ length: 16 }, (_, stream) => ({
          ids: [...seededIds(40 + stream, promptTokens, vocabulary)],
          newTokens,
          prefixTokens: 0,
        })),
      ),
      inFlight: 16,
      measure: decodeRate,
    },
    prefill: {
      about: `one prompt of ${prefillTokens} tokens, 1 new`,
      figure: 'prompt tokens a second',
      unit: '/s',
      better: 'higher',
      ...sized([{ ids: [...seededIds(60, prefillTokens, vocabulary)], newTokens: 1, prefixTokens: 0 }]),
      inFlight: 1,
      measure: ([answer], [request]) =>
        (1_000 * (request as PeerRequest).ids.length) /
        (((answer as PeerAnswer).tokensMs[0] as number) - (answer as PeerAnswer).submittedMs),
    },
  };
}

function sized(requests: readonly PeerRequest[]): Pick<PeerTask, 'requests' | 'contextTokens'> {
  return { requests, contextTokens: Math.max(...requests.map(({ ids, newTokens }) => ids.length + newTokens)) };
}

/** Tokens a second from the moment at which every stream has its first one until the first stream ends. */
function decodeRate(answers: readonly PeerAnswer[]): number {
  const from = Math.max(...answers.map(({ tokensMs }) => tokensMs[0] as number));
  const to = Math.min(...answers.map(({ tokensMs }) => tokensMs.at(-1) as number));
  const tokens = answers.flatMap(({ tokensMs }) => tokensMs).filter((at) => at > from && at <= to).length;
  if (tokens === 0) throw new Error('no token came while all streams were decoding');
  return (1_000 * tokens) / (to - from);
}

function firstOf(answers: readonly PeerAnswer[]): number {
  return Math.min(...answers.map(({ submittedMs }) => submittedMs));
}

function lastOf(answers: readonly PeerAnswer[]): number {
  return Math.max(...answers.map(({ tokensMs }) => tokensMs.at(-1) as number));
}
