/** An engine without a model: letters are tokens, prompts are remembered whole, answers are made up. */

import type {
  ChatRequest,
  Engine,
  EngineInfo,
  EngineOptions,
  EngineStats,
  GenerateRequest,
  GenerateResult,
  Generation,
  TextDelta,
} from '@octavo/engine';
import type { ResolveOptions } from '@octavo/models';

export interface FakeOptions {
  /** What it answers to a text; default: the text in capitals. */
  readonly reply?: (text: string, options: EngineOptions) => string;
  /** Answers are ready when this is; default: at once. */
  readonly ready?: Promise<void>;
  readonly hasTokenizer?: boolean;
  readonly cacheImport?: Awaited<ReturnType<Engine['cache']['import']>>;
}

/** What the fakes that were opened have seen. */
export interface FakeLog {
  readonly resolved: { readonly model: string; readonly options: ResolveOptions }[];
  readonly opened: { readonly model: string; readonly options: EngineOptions }[];
  readonly requests: (GenerateRequest | ChatRequest)[];
  readonly cacheFiles: string[];
  readonly warmed: { readonly prompts: readonly unknown[]; readonly salt: string; readonly pin: boolean }[];
  inFlight: number;
  peakInFlight: number;
  closed: number;
}

export function newFakeLog(): FakeLog {
  return {
    resolved: [],
    opened: [],
    requests: [],
    cacheFiles: [],
    warmed: [],
    inFlight: 0,
    peakInFlight: 0,
    closed: 0,
  };
}

export class FakeEngine implements Engine {
  readonly info: EngineInfo;
  /** Remembers which files it was asked for; the command line asks it nothing else. */
  readonly cache = {
    export: async (file: string) => {
      this.#log.cacheFiles.push(`export ${file}`);
      return { pages: 3, bytes: 4096 };
    },
    import: async (file: string) => {
      this.#log.cacheFiles.push(`import ${file}`);
      return this.#fake.cacheImport ?? { pages: 3, bytes: 4096 };
    },
    tree: async () => [{ parent: -1, salt: '', ids: codesOf('hello'), pages: 1, savedTokens: 5, claims: [] }],
    openings: async () => [{ salt: '', ids: [104, 105], text: 'hi', count: 2 }],
  } as unknown as Engine['cache'];
  readonly #fake: FakeOptions;
  readonly #log: FakeLog;
  readonly #options: EngineOptions;
  readonly #seen: (readonly number[])[] = [];

  constructor(options: EngineOptions, fake: FakeOptions, log: FakeLog) {
    this.#options = options;
    this.#fake = fake;
    this.#log = log;
    this.info = fakeInfo(fake.hasTokenizer ?? true, options.weights ?? 'f32');
  }

  generate(request: GenerateRequest): Generation {
    return this.#run('ids' in request ? Array.from(request.ids) : codesOf(request.prompt), request);
  }

  chat(request: ChatRequest): Generation {
    return this.#run(codesOf(request.messages.map(({ content }) => content).join('|')), request);
  }

  #run(prompt: readonly number[], request: GenerateRequest | ChatRequest): Generation {
    this.#log.requests.push(request);
    const result = this.#answer(prompt, request);
    // Whoever iterates sees the failure; nobody has to ask for the result as well.
    result.catch(() => {});
    return {
      result: () => result,
      abort() {},
      async *[Symbol.asyncIterator](): AsyncIterator<TextDelta> {
        const { ids, text } = await result;
        for (const [at, id] of ids.entries())
          yield text === undefined ? { ids: [id] } : { ids: [id], text: text[at] ?? '' };
      },
    };
  }

  async #answer(prompt: readonly number[], request: GenerateRequest | ChatRequest): Promise<GenerateResult> {
    const log = this.#log;
    log.inFlight++;
    log.peakInFlight = Math.max(log.peakInFlight, log.inFlight);
    try {
      await aborted(request.signal, this.#fake.ready);
      if (prompt.length === 0) throw engineError('EMPTY_PROMPT', 'The prompt has no tokens: give at least one.');
      return this.#resultFor(prompt, request);
    } finally {
      log.inFlight--;
    }
  }

  #resultFor(prompt: readonly number[], request: GenerateRequest | ChatRequest): GenerateResult {
    const cachedTokens = this.#options.sharing === false ? 0 : this.#matchedTokens(prompt);
    this.#seen.push(prompt);
    const said = String.fromCharCode(...prompt);
    const text = (this.#fake.reply ?? ((given: string) => given.toUpperCase()))(said, this.#options);
    const ids = codesOf(text).slice(0, request.maxTokens);
    return {
      ids,
      ...(this.info.hasTokenizer ? { text: text.slice(0, request.maxTokens) } : {}),
      finishReason: ids.length < text.length ? 'length' : 'stop',
      usage: {
        promptTokens: prompt.length,
        cachedTokens,
        cachedFrom: { memory: cachedTokens, file: 0 },
        computedTokens: prompt.length - cachedTokens,
        recomputedTokens: 0,
        completionTokens: ids.length,
        preemptions: 0,
        storedTokens: 0,
        missReason: cachedTokens === prompt.length - 1 ? 'none' : 'cold',
      },
      timings: { queueMs: 0.1234567, ttftMs: 1, totalMs: 2, perTokenMs: 0.5 },
      seed: request.seed ?? 99,
    };
  }

  /** Longest common prefix with any earlier prompt; the last token is always computed. */
  #matchedTokens(prompt: readonly number[]): number {
    const lengths = this.#seen.map((seen) => {
      const differs = prompt.findIndex((token, at) => token !== seen[at]);
      return differs < 0 ? prompt.length : differs;
    });
    return Math.min(prompt.length - 1, Math.max(0, ...lengths));
  }

  async score(): ReturnType<Engine['score']> {
    return { argmax: [7, 8], lastLogits: [0.5, 1.5], logprobs: [-0.25], perplexity: Math.exp(0.25) };
  }

  async warm(...[prompts, options]: Parameters<Engine['warm']>): ReturnType<Engine['warm']> {
    const { salt = '', pin = false } = options ?? {};
    this.#log.warmed.push({ prompts, salt, pin });
    return { warmed: prompts.length, computedTokens: 10 * prompts.length, pins: [] };
  }

  async tokenize(text: string): Promise<readonly number[]> {
    return codesOf(text);
  }

  async detokenize(ids: readonly number[]): Promise<string> {
    return String.fromCharCode(...ids);
  }

  async stats(): Promise<EngineStats> {
    return { peakPages: 5 } as EngineStats;
  }

  async audit(): Promise<readonly string[]> {
    return [];
  }

  async close(): Promise<void> {
    this.#log.closed++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** An error as the engine throws it. */
export function engineError(code: string, message: string): Error {
  return Object.assign(new Error(message), { name: 'EngineError', code });
}

function codesOf(text: string): readonly number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Waits for `ready`, or throws the signal's reason. */
async function aborted(signal: AbortSignal | undefined, ready: Promise<void> | undefined): Promise<void> {
  signal?.throwIfAborted();
  await Promise.race([
    ready ?? Promise.resolve(),
    new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  ]);
}

function fakeInfo(hasTokenizer: boolean, weights: EngineInfo['weights']): EngineInfo {
  return {
    shape: {
      architecture: 'Fake',
      layers: 1,
      heads: 1,
      kvHeads: 1,
      headDim: 1,
      hidden: 1,
      vocabulary: 65536,
      contextTokens: 1024,
      windows: [],
      hasFullLayers: true,
    },
    weights,
    fingerprint: 'fake',
    pages: 16,
    kvType: 'f32',
    // Packed weights are smaller.
    expectedBytes: weights === 'f32' ? 3000 : 2000,
    pageSize: 16,
    contextTokens: 1024,
    hasTokenizer,
    hasChatTemplate: hasTokenizer,
    notices: [],
    bytesPerToken: 8,
    savings: [],
  };
}
