/** The public engine: turns calls into messages and messages into answers. Knows no model, no pages and no runtime. */
import { AbortSignals } from './abort-signals.ts';
import type {
  ChatRequest,
  Engine,
  EngineInfo,
  EngineStats,
  GenerateRequest,
  Generation,
  RequestOptions,
  ScoreResult,
} from './api.ts';
import type { EngineCache, WarmOptions, WarmPrompt, WarmResult } from './cache-api.ts';
import { CacheClient } from './cache-client.ts';
import {
  type CheckedRequest,
  cachePrompt,
  checkChat,
  checkGenerate,
  checkScore,
  checkShorter,
  checkText,
  checkWarm,
  idsOf,
  truncationOf,
} from './client-requests.ts';
import type { ClientDefaults, OpenCall, OpenGeneration, OverLimit, Sent } from './client-state.ts';
import { monotonicMs } from './clock.ts';
import { SessionWatch } from './context/session-watch.ts';
import { EngineError } from './errors.ts';
import { GenerationBuffer } from './generation.ts';
import type { CallKind, CallMessage, Calls, HostMessage, Reply, RequestEvent, RequestId } from './protocol.ts';
import { abortedBefore } from './requests/aborted-before.ts';
import type { Connect, Transport } from './transport.ts';
import { REFUSE, type ResolvedTruncation } from './truncation/resolve-truncation.ts';
import { fromWireError } from './wire-error.ts';

/** Connects and waits until the host has opened the model. Rejects with the host's error, after its thread is gone. */
export function openClient(connect: Connect, defaults: ClientDefaults = {}): Promise<Engine> {
  return new Promise((resolve, reject) => {
    let client: EngineClient | undefined;
    const transport = connect({
      receive: (message) => {
        if (message.type === 'progress') defaults.onProgress?.(message.progress);
        else if (message.type === 'open-failed') void transport.ended.then(() => reject(fromWireError(message.error)));
        else if (message.type === 'opened') {
          client = new EngineClient(message.info, transport, defaults);
          resolve(client);
        } else client?.receive(message);
      },
      died: (error) => {
        client?.failAll(error);
        reject(error);
      },
    });
  });
}

class EngineClient implements Engine {
  readonly info: EngineInfo;
  readonly cache: EngineCache;
  readonly #transport: Transport;
  readonly #truncation: ResolvedTruncation;
  readonly #sessions: SessionWatch | undefined;
  readonly #generations = new Map<RequestId, OpenGeneration>();
  readonly #calls = new Map<RequestId, OpenCall>();
  readonly #signals = new AbortSignals();
  #nextId: RequestId = 1;
  /** Why nothing is accepted any more. */
  #refusal: EngineError | undefined;
  #closing: Promise<void> | undefined;

  constructor(info: EngineInfo, transport: Transport, { truncation = REFUSE, contextDetector }: ClientDefaults) {
    this.info = info;
    this.#transport = transport;
    this.#truncation = truncation;
    this.cache = new CacheClient({
      call: (kind, input, signal) => this.#call(kind, input, signal && { signal }),
      promptOf: (prompt) => cachePrompt(prompt, info),
    });
    this.#sessions =
      contextDetector &&
      new SessionWatch({
        detector: contextDetector,
        encode: (prompt) => this.#call('encode', prompt),
        closeSession: (session, salt) => this.cache.closeSession(session, { salt }),
      });
  }

  generate(request: GenerateRequest): Generation {
    return this.#complete(request, () => checkGenerate(request, this.info));
  }

  chat(request: ChatRequest): Generation {
    return this.#complete(request, () => checkChat(request, this.info));
  }

  async score(
    request: { readonly text: string } | { readonly ids: readonly number[] | Uint32Array },
  ): Promise<ScoreResult> {
    return this.#call('score', checkScore(request, this.info));
  }

  async warm(prompts: readonly WarmPrompt[], options: WarmOptions = {}): Promise<WarmResult> {
    return this.#call('warm', checkWarm(prompts, options, this.info), options);
  }

  async tokenize(text: string): Promise<readonly number[]> {
    return this.#call('tokenize', checkText(text));
  }

  async detokenize(ids: readonly number[]): Promise<string> {
    return this.#call('detokenize', Array.from(idsOf(ids, this.info)));
  }

  async stats(): Promise<EngineStats> {
    return this.#call('stats', null);
  }

  async audit(): Promise<readonly string[]> {
    return this.#call('audit', null);
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A message of the host, once it is open. */
  receive(message: HostMessage): void {
    if (message.type === 'step') for (const event of message.events) this.#apply(event);
    else if (message.type === 'call-progress') this.#calls.get(message.id)?.onProgress?.(message);
    else if (message.type === 'reply') this.#answer(message);
    else if (message.type === 'broken') this.failAll(fromWireError(message.error));
  }

  /** Rejects whatever is open, and whatever comes later, with the same error. The first reason stands. */
  failAll(error: EngineError): void {
    this.#refusal ??= error;
    const open = [...this.#generations.values()].map(({ buffer, detach }) => ({
      detach,
      fail: () => buffer.fail(error),
    }));
    const asked = [...this.#calls.values()].map(({ reject, detach }) => ({ detach, fail: () => reject(error) }));
    this.#generations.clear();
    this.#calls.clear();
    for (const { detach, fail } of [...open, ...asked]) {
      detach();
      fail();
    }
  }

  async #shutDown(): Promise<void> {
    this.failAll(new EngineError('ENGINE_CLOSED', 'The engine was closed: open another one.'));
    this.#transport.send({ type: 'close' });
    await this.#transport.ended;
  }

  #complete(request: RequestOptions, check: () => CheckedRequest): Generation {
    let checked: CheckedRequest;
    let truncation: ResolvedTruncation;
    try {
      checked = this.#accepting(check);
      truncation = truncationOf(request, this.#truncation, checked.prompt.kind);
      request.signal?.throwIfAborted();
    } catch (error) {
      const refused = new GenerationBuffer({ abort: () => {}, seed: 0, hasText: false });
      refused.fail(error);
      return refused;
    }
    const id = this.#nextId++;
    const message = {
      type: 'complete',
      id,
      submittedMs: monotonicMs(),
      ...checked,
      truncation: truncation.rule,
    } as const;
    const sent: Sent = { message, truncate: truncation.truncate, isAborted: false };
    const abort = () => {
      sent.isAborted = true;
      this.#transport.send({ type: 'abort', id });
    };
    const buffer = new GenerationBuffer({ abort, seed: checked.sampling.seed, hasText: this.info.hasTokenizer });
    const detach = this.#signals.on(request.signal, (reason) => {
      abort();
      this.#generations.delete(id);
      buffer.cancel(reason);
    });
    this.#generations.set(id, { buffer, sent, detach });
    if (this.#sessions && message.lifetime.claim.session !== undefined) void this.#watched(this.#sessions, sent);
    else this.#transport.send(message);
    return buffer;
  }

  /** Sends a request once its session was looked at. Never rejects. */
  async #watched(sessions: SessionWatch, { message }: Sent): Promise<void> {
    const { id } = message;
    try {
      await sessions.look(message);
      const open = this.#generations.get(id);
      if (open?.sent.isAborted) this.#settle(id, ({ buffer }) => buffer.end(abortedBefore(message, monotonicMs())));
      else if (open) this.#transport.send(message);
    } catch (error) {
      this.#settle(id, ({ buffer }) => buffer.fail(error));
    }
  }

  #settle(id: RequestId, settle: (open: OpenGeneration) => void): void {
    const open = this.#generations.get(id);
    if (!open) return;
    this.#generations.delete(id);
    open.detach();
    settle(open);
  }

  #call<Kind extends CallKind>(
    kind: Kind,
    input: Calls[Kind]['input'],
    { signal, onProgress }: Pick<WarmOptions, 'signal' | 'onProgress'> = {},
  ): Promise<Calls[Kind]['output']> {
    return new Promise((resolve, reject) => {
      this.#accepting(() => signal?.throwIfAborted());
      const id = this.#nextId++;
      const detach = this.#signals.on(signal, (reason) => {
        this.#transport.send({ type: 'abort', id });
        this.#calls.delete(id);
        reject(reason);
      });
      // The host answers each kind with its own output: `Calls` says so for both sides.
      this.#calls.set(id, { resolve: resolve as OpenCall['resolve'], reject, onProgress, detach });
      this.#transport.send({ type: 'call', id, kind, input } as CallMessage);
    });
  }

  #accepting<Value>(work: () => Value): Value {
    if (this.#refusal) throw this.#refusal;
    return work();
  }

  #apply(event: RequestEvent): void {
    const open = this.#generations.get(event.id);
    if (!open) return;
    if (event.kind === 'delta') {
      open.buffer.push(event.ids, event.text);
      return;
    }
    if (event.kind === 'over-limit') {
      void this.#shorten(open, event);
      return;
    }
    this.#settle(event.id, ({ buffer }) => {
      if (event.kind === 'ended') buffer.end(event.outcome);
      else buffer.fail(fromWireError(event.error));
    });
  }

  /** Has the caller's function shorten a prompt, and sends what it made. Never rejects. */
  async #shorten(open: OpenGeneration, { ids, limitTokens }: OverLimit): Promise<void> {
    const { message, truncate } = open.sent;
    const { id, prompt, truncation } = message;
    const messages = prompt.kind === 'messages' ? prompt.messages : undefined;
    try {
      const shorter = await truncate?.({ ids, limitTokens, ...(messages && { messages }) });
      const checked = checkShorter(shorter, this.info);
      // It may have taken its time: whoever aborted meanwhile is answered already, or will be.
      if (open.sent.isAborted || !this.#generations.has(id)) return;
      this.#transport.send({
        ...message,
        prompt: checked,
        // What it made is taken or refused: it is not asked twice.
        truncation: { ...truncation, policy: 'refuse', limitTokens },
        shortened: { promptTokens: ids.length, messages: messages?.length ?? 0 },
      });
    } catch (error) {
      this.#settle(id, ({ buffer }) => buffer.fail(error));
      this.#transport.send({ type: 'abort', id });
    }
  }

  #answer(reply: Reply): void {
    const open = this.#calls.get(reply.id);
    if (!open) return;
    this.#calls.delete(reply.id);
    open.detach();
    if (reply.ok) open.resolve(reply.output);
    else open.reject(fromWireError(reply.error));
  }
}
