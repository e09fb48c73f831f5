/** The `fetch` that the hub's library works through: token, retries, and answers of the hub turned into typed errors. */
import { ModelsError } from '../errors.ts';
import { type Denial, refusalOf } from './hub-errors.ts';
import { delayAfter, pause, type RetryPolicy, retryAfterMs } from './retry.ts';

export interface HubConnection {
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  readonly retry: RetryPolicy;
}

/** What is asked for, for messages. */
export type Subject = Omit<Denial, 'status' | 'reason' | 'errorCode' | 'hasToken' | 'endpoint'>;

/** Answers that another attempt may change. */
function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/**
 * A `fetch` for one model. The token goes to the hub's own origin and nowhere else (redirects to other origins lose it, as the fetch
 * standard asks). Failed connections, 408, 429 and 5xx are tried again; a lasting failure of the hub's origin throws ModelsError.
 * Answers of other origins, and "no such file", are left to the caller.
 */
export function hubFetch(connection: HubConnection, subject: Subject): typeof fetch {
  const { endpoint, token, signal, retry } = connection;
  const { origin } = new URL(endpoint);
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const isHub = new URL(url).origin === origin;
    const headers = new Headers(init.headers);
    if (isHub && token !== undefined && !headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
    headers.set('user-agent', 'octavo');
    for (let failures = 1; ; failures++) {
      const answer = await fetch(input, { ...init, headers, signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        if (failures < retry.attempts) return undefined;
        throw unreachable(url, error);
      });
      const waitMs = answer === undefined ? undefined : retryAfterMs(answer.headers.get('retry-after'), Date.now());
      const wait = waitMs ?? delayAfter(failures, retry);
      if (answer !== undefined) {
        if (!isPassing(answer.status)) return isHub ? checked(answer, connection, subject) : answer;
        await answer.body?.cancel();
        if (failures >= retry.attempts || wait > retry.mostDelayMs) throw busy(answer, url, waitMs);
      }
      await pause(wait, signal);
    }
  };
}

async function checked(answer: Response, connection: HubConnection, subject: Subject): Promise<Response> {
  const errorCode = answer.headers.get('x-error-code') ?? '';
  // The library takes this one for "there is no such file".
  if (answer.ok || errorCode === 'EntryNotFound') return answer;
  const { status } = answer;
  const reason = await reasonIn(answer);
  const { endpoint, token } = connection;
  throw refusalOf({ ...subject, status, reason, errorCode, hasToken: token !== undefined, endpoint });
}

async function reasonIn(answer: Response): Promise<string> {
  const header = answer.headers.get('x-error-message');
  const text = await answer.text().catch(() => '');
  return (header ?? text).replace(/\s+/g, ' ').trim().slice(0, 200);
}

function unreachable(url: string, cause: unknown): ModelsError {
  return new ModelsError(
    'HUB_UNREACHABLE',
    `${new URL(url).origin} cannot be reached (${deepestMessage(cause)}); check the connection, or set HF_HUB_OFFLINE=1 to use what the cache has.`,
    { cause },
  );
}

function busy(answer: Response, url: string, waitMs: number | undefined): ModelsError {
  const { status } = answer;
  const when = waitMs === undefined ? 'later' : `in ${Math.ceil(waitMs / 1000)} s`;
  return new ModelsError(
    'HUB_BUSY',
    `${new URL(url).origin} answers ${status} again and again; try again ${when}: what was fetched so far is kept.`,
    { details: { status } },
  );
}

/** `fetch failed` says nothing; what it was caused by does. */
export function deepestMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message || error.name;
}
