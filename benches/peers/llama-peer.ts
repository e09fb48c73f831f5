/** node-llama-cpp: one context with a number of sequences, which it batches by itself. */
import { eachInFlight } from '../throughput/workload.ts';
import { importPeer } from './installed-package.ts';
import { checkedAnswer, type OpenPeer, type Peer, type PeerAnswer, type PeerRequest } from './peer.ts';

/** The part of node-llama-cpp 3.22 that is used here. */
interface LlamaModule {
  getLlama(options: object): Promise<Llama>;
}
interface Llama {
  loadModel(options: object): Promise<LlamaModel>;
  dispose(): Promise<void>;
}
interface LlamaModel {
  createContext(options: object): Promise<LlamaContext>;
}
interface LlamaContext {
  getSequence(): LlamaSequence;
}
interface LlamaSequence {
  readonly nextTokenIndex: number;
  compareContextTokens(tokens: readonly number[]): { readonly firstDifferentIndex: number };
  eraseContextTokenRanges(ranges: readonly { start: number; end: number }[]): Promise<void>;
  clearHistory(): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncGenerator<number>;
}

export const openLlama: OpenPeer = async (models, settings) => {
  const { getLlama } = await importPeer<LlamaModule>('node-llama-cpp', 'dist/index.js');
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    logLevel: 'error',
    progressLogs: false,
    maxThreads: settings.threads,
  });
  const model = await llama.loadModel({ modelPath: models.gguf[settings.weightBits], gpuLayers: 0 });
  const context = await model.createContext({
    sequences: settings.sequences,
    contextSize: settings.contextTokens,
    batchSize: 512,
    flashAttention: true,
    threads: { ideal: settings.threads, min: settings.threads },
  });
  const sequences = Array.from({ length: settings.sequences }, () => context.getSequence());
  return new LlamaPeer(llama, sequences, settings.reuse);
};

class LlamaPeer implements Peer {
  readonly #llama: Llama;
  readonly #free: LlamaSequence[];
  readonly #reuse: boolean;
  readonly #waiting: (() => void)[] = [];

  constructor(llama: Llama, sequences: readonly LlamaSequence[], reuse: boolean) {
    this.#llama = llama;
    this.#free = [...sequences];
    this.#reuse = reuse;
  }

  async serve(requests: readonly PeerRequest[], inFlight: number): Promise<readonly PeerAnswer[]> {
    if (this.#reuse) await Promise.all(this.#free.map((sequence) => sequence.clearHistory()));
    const answers: PeerAnswer[] = [];
    await eachInFlight(requests, inFlight, async (request) => {
      answers.push(checkedAnswer(request, await this.#answer(request)));
    });
    return answers;
  }

  async close(): Promise<void> {
    await this.#llama.dispose();
  }

  async #answer({ ids, newTokens }: PeerRequest): Promise<PeerAnswer> {
    const submittedMs = performance.now();
    const sequence = await this.#take(ids);
    try {
      if (this.#reuse) {
        // At least one token has to be computed for the next one to come out.
        const kept = Math.min(sequence.compareContextTokens(ids).firstDifferentIndex, ids.length - 1);
        await sequence.eraseContextTokenRanges([{ start: kept, end: sequence.nextTokenIndex }]);
      } else await sequence.clearHistory();
      const tokensMs: number[] = [];
      const rest = ids.slice(sequence.nextTokenIndex);
      for await (const _ of sequence.evaluate(rest, { temperature: 0, yieldEogToken: true })) {
        tokensMs.push(performance.now());
        if (tokensMs.length === newTokens) break;
      }
      return { submittedMs, tokensMs };
    } finally {
      this.#free.push(sequence);
      this.#waiting.shift()?.();
    }
  }

  /** The free sequence that holds the longest beginning of the prompt; waits, first come, first served, until there is a free one. */
  async #take(ids: readonly number[]): Promise<LlamaSequence> {
    while (this.#free.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const prefixes = this.#free.map((sequence) => sequence.compareContextTokens(ids).firstDifferentIndex);
    const best = prefixes.indexOf(Math.max(...prefixes));
    return this.#free.splice(best, 1)[0] as LlamaSequence;
  }
}
