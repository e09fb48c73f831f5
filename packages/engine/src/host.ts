/**
 * The engine's state machine behind its protocol: takes a client's messages, drives the step loop, and posts what comes of it.
 * The same host runs in a worker and in the caller's thread.
 *
 *     open --close--> closing --(the running step ends)--> closed
 *     open --(a law is broken)--> broken --close--> closing
 */
import type { KvCache } from '@octavo/kv';
import type { EngineParts } from './engine-parts.ts';
import { brokenInvariant, EngineError } from './errors.ts';
import type { ClientMessage, HostMessage, RequestEvent } from './protocol.ts';
import { RequestDesk } from './requests/request-desk.ts';
import { StepLoop } from './step-loop.ts';
import { toWireError } from './wire-error.ts';

type Post = (message: HostMessage) => void;

/** How often an engine that rests looks for what has expired. */
const REST_MS = 1_000;
/** Bounded looks at a time, each of which may only move what is not due yet: three milliseconds at most. */
const LOOKS = 4;

export class EngineHost {
  readonly #parts: EngineParts;
  readonly #post: Post;
  readonly #loop: StepLoop;
  readonly #desk: RequestDesk;
  /** What happened since the last message to the client. */
  #events: RequestEvent[] = [];
  /** What needs a moment without a step in flight. */
  #betweenSteps: (() => void)[] = [];
  #state: 'open' | 'broken' | 'closing' | 'closed' = 'open';
  #isDriving = false;
  /** Set by whatever may have made a step possible; cleared before each attempt, so that none is missed. */
  #hasWork = false;
  /** Leaves the next look at what has expired, and the next slice of memory. */
  #stopExpiring = () => {};
  #stopCommitting = () => {};

  constructor(parts: EngineParts, post: Post) {
    const { source, store, runner, kv } = parts;
    const { clock } = parts.time;
    const driven = { clock, loop: new StepLoop({ source, store, runner, kv, clock }) };
    this.#parts = parts;
    this.#post = post;
    this.#loop = driven.loop;
    this.#desk = new RequestDesk(parts, driven, {
      event: (event) => this.#events.push(event),
      reply: post,
      progress: (id, done, total) => post({ type: 'call-progress', id, done, total }),
      wake: () => {
        if (this.#state !== 'open') throw new EngineError('ENGINE_CLOSED', 'The engine was closed: open another one.');
        this.#wake();
      },
      betweenSteps: (work) => {
        this.#betweenSteps.push(work);
        this.#wake();
      },
    });
    post({ type: 'opened', info: parts.engine });
    this.#rest();
  }

  /** A message of the client. Never throws, never runs a step: steps have turns of the event loop of their own. */
  receive(message: ClientMessage): void {
    if (message.type === 'complete') this.#desk.complete(message);
    else if (message.type === 'call') this.#desk.call(message);
    else if (message.type === 'abort') this.#desk.abort(message.id);
    else this.#close();
    this.#flush();
  }

  #wake(): void {
    this.#hasWork = true;
    if (this.#isDriving) return;
    this.#stopResting();
    void this.#drive();
  }

  /** Runs steps while there are any, each in a turn of its own so that messages come in between. Never rejects. */
  async #drive(): Promise<void> {
    this.#isDriving = true;
    while (this.#hasWork) {
      await nextTurn();
      this.#hasWork = false;
      for (const work of this.#betweenSteps.splice(0)) work();
      if (this.#state === 'open') this.#desk.betweenSteps();
      if (this.#state === 'closing') await this.#shutDown();
      else if (this.#state === 'open') await this.#step();
    }
    this.#isDriving = false;
    this.#rest();
  }

  /** What is done without traffic, until there is some. */
  #rest(): void {
    if (this.#state !== 'open') return;
    this.#expireLater();
    this.#commitLater();
  }

  #stopResting(): void {
    this.#stopExpiring();
    this.#stopCommitting();
  }

  /** Memory is committed a slice at a time: a request that comes meanwhile waits no longer. */
  #commitLater(): void {
    const { commitAhead, time } = this.#parts;
    if (!commitAhead || commitAhead.isDone) return;
    this.#stopCommitting = time.after(0, () => {
      commitAhead.trySlice();
      this.#commitLater();
    });
  }

  /** What ends by time ends without traffic too. */
  #expireLater(): void {
    const { kv, time } = this.#parts;
    if (!kv) return;
    // At once while there is more; messages come in between.
    const delayMs = kv.isExpiryBehind ? 0 : REST_MS;
    const canExpire = kv.isExpiryBehind || kv.stats().claims > 0;
    this.#stopExpiring = canExpire ? time.after(delayMs, () => this.#expire(kv)) : () => {};
  }

  #expire(kv: KvCache): void {
    kv.expire();
    for (let look = 1; look < LOOKS && kv.isExpiryBehind; look += 1) kv.expire();
    this.#wake();
  }

  async #step(): Promise<void> {
    try {
      if (await this.#loop.step()) this.#hasWork = true;
    } catch (error) {
      this.#break(error);
    }
    this.#flush();
  }

  /** A law does not hold: nothing that was computed can be trusted, so everything stops, loudly. */
  #break(cause: unknown): void {
    // A close that came during the step stands: it ends what is broken, too.
    if (this.#state === 'open') this.#state = 'broken';
    const error = isBroken(cause)
      ? cause
      : brokenInvariant(cause instanceof Error ? cause.message : String(cause), cause);
    this.#loop.failAll(error);
    this.#flush();
    this.#post({ type: 'broken', error: toWireError(error, 'INVARIANT_BROKEN') });
  }

  /** Refuses new work at once; what runs ends after the step in flight. */
  #close(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.#wake();
  }

  /** No step is in flight here: the runtime must not be let go while it runs. */
  async #shutDown(): Promise<void> {
    this.#state = 'closed';
    this.#stopResting();
    try {
      this.#desk.abortAll();
      this.#flush();
      this.#parts.cacheFiles?.dispose();
      await this.#parts.runner.dispose();
    } catch {
      // Whoever closes has no use for what is left of it, and must not wait for ever.
    }
    this.#post({ type: 'closed' });
  }

  /** All events since the last time, in one message. */
  #flush(): void {
    if (this.#events.length === 0) return;
    this.#post({ type: 'step', events: this.#events });
    this.#events = [];
  }
}

function isBroken(error: unknown): error is EngineError {
  return error instanceof EngineError && error.code === 'INVARIANT_BROKEN';
}

/** After whatever waits in the event loop, messages of other threads included. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
