/** What every engine of the comparison can do, so that one harness measures them all. */

export type PeerName = 'octavo' | 'node-llama-cpp' | 'transformers.js';

export const PEER_NAMES: readonly PeerName[] = ['octavo', 'node-llama-cpp', 'transformers.js'];

/** How wide weights are stored: which format that is, is each engine's own affair. */
export type WeightBits = 4 | 8;

export const WEIGHT_BITS: readonly WeightBits[] = [4, 8];

/** What an engine calls its weights of that width. */
export const weightFormats = {
  // With 4 bits, steps of many rows multiply with 8-bit codes of the same matrices.
  octavo: { 4: 'q4+w8a8', 8: 'w8a8' },
  'node-llama-cpp': { 4: 'Q4_0', 8: 'Q8_0' },
  // The same ONNX products as Octavo's, one kind in all steps.
  'transformers.js': { 4: 'q4', 8: 'w8a8' },
} as const satisfies Readonly<Record<PeerName, Readonly<Record<WeightBits, string>>>>;

export interface PeerRequest {
  readonly ids: readonly number[];
  readonly newTokens: number;
  /** Leading tokens that the application knows to be common: what an engine without an index may be told. */
  readonly prefixTokens: number;
}

/** One answered request. Times are milliseconds of `performance.now()`. */
export interface PeerAnswer {
  readonly submittedMs: number;
  /** When each new token was there. */
  readonly tokensMs: readonly number[];
}

/** How an engine is set up; what is best differs, so several are tried and the best one counts. */
export interface PeerSettings {
  readonly weightBits: WeightBits;
  readonly threads: number;
  /** Sequences that run at the same time. */
  readonly sequences: number;
  /** Tokens computed in one step at most, of all sequences; absent: what the engine takes by itself. */
  readonly tokenBudget?: number;
  /** Steps of prompts that decoding sequences wait for at most; absent: what the engine takes by itself. */
  readonly promptStepsInTurn?: number;
  /** Pages of the pool; absent: what the engine takes by itself. */
  readonly pages?: number;
  /** Tokens of prompt and completion of one sequence at most. */
  readonly contextTokens: number;
  /** Keeps what an earlier request computed where the engine can. */
  readonly reuse: boolean;
}

export interface Peer {
  /** Submits all requests in order, at most `inFlight` at a time; resolves when the last has ended. */
  serve(requests: readonly PeerRequest[], inFlight: number): Promise<readonly PeerAnswer[]>;
  close(): Promise<void>;
}

/** Where the models of the comparison lie. */
export interface PeerModels {
  /** Hugging Face folder. */
  readonly folder: string;
  /** The same weights in GGUF files. */
  readonly gguf: Readonly<Record<WeightBits, string>>;
  /** The same weights with the stock ONNX interface: folders as transformers.js wants them. */
  readonly stock: Readonly<Record<WeightBits, string>>;
  readonly cacheFolder: string;
}

export type OpenPeer = (models: PeerModels, settings: PeerSettings) => Promise<Peer>;

/** Throws unless the engine gave as many tokens as were asked for. */
export function checkedAnswer(request: PeerRequest, answer: PeerAnswer): PeerAnswer {
  if (answer.tokensMs.length !== request.newTokens) {
    throw new Error(`${answer.tokensMs.length} tokens came, ${request.newTokens} were asked for`);
  }
  return answer;
}
