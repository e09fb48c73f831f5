/**
 * transformers.js on the stock interface: static batches without reuse, or, with reuse, one request after the other over a DynamicCache that the
 * application keeps for every beginning it knows.
 */
import { basename, dirname } from 'node:path';
import { importPeer } from './installed-package.ts';
import {
  checkedAnswer,
  type OpenPeer,
  type Peer,
  type PeerAnswer,
  type PeerRequest,
  type PeerSettings,
  type WeightBits,
} from './peer.ts';

/** The part of transformers.js 4.3 that is used here. */
interface TransformersModule {
  readonly env: { localModelPath: string; allowRemoteModels: boolean };
  readonly AutoModelForCausalLM: { from_pretrained(name: string, options: object): Promise<TransformersModel> };
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => object;
  readonly DynamicCache: new (entries: object) => object;
}
interface TransformersModel {
  generate(options: object): Promise<{ readonly past_key_values: object }>;
  dispose(): Promise<unknown>;
}

/** Where transformers.js looks for weights of that width: onnx/`name`, when it is asked for `dtype`. */
export const stockFiles = {
  4: { name: 'model_q4.onnx', dtype: 'q4' },
  8: { name: 'model_quantized.onnx', dtype: 'q8' },
} as const satisfies Readonly<Record<WeightBits, { readonly name: string; readonly dtype: string }>>;

export const openTransformers: OpenPeer = async (models, settings) => {
  const library = await importPeer<TransformersModule>('@huggingface/transformers', 'dist/transformers.node.mjs');
  const folder = models.stock[settings.weightBits];
  library.env.localModelPath = dirname(folder);
  library.env.allowRemoteModels = false;
  const model = await library.AutoModelForCausalLM.from_pretrained(basename(folder), {
    dtype: stockFiles[settings.weightBits].dtype,
    device: 'cpu',
    local_files_only: true,
    session_options: { intraOpNumThreads: settings.threads, enableMemPattern: false },
  });
  return new TransformersPeer(library, model, settings);
};

class TransformersPeer implements Peer {
  readonly #library: TransformersModule;
  readonly #model: TransformersModel;
  readonly #settings: PeerSettings;

  constructor(library: TransformersModule, model: TransformersModel, settings: PeerSettings) {
    this.#library = library;
    this.#model = model;
    this.#settings = settings;
  }

  async serve(requests: readonly PeerRequest[], inFlight: number): Promise<readonly PeerAnswer[]> {
    return this.#settings.reuse ? this.#serveReusing(requests) : this.#serveBatches(requests, inFlight);
  }

  async close(): Promise<void> {
    await this.#model.dispose();
  }

  /** A request is submitted when the batch before it is over, unless all are submitted at once. */
  async #serveBatches(requests: readonly PeerRequest[], inFlight: number): Promise<PeerAnswer[]> {
    const began = performance.now();
    const answers: PeerAnswer[] = [];
    for (let first = 0; first < requests.length; first += this.#settings.sequences) {
      const batch = requests.slice(first, first + this.#settings.sequences);
      const submittedMs = inFlight >= requests.length ? began : performance.now();
      const { tokensMs } = await this.#generate(batch, undefined);
      for (const request of batch) answers.push(checkedAnswer(request, { submittedMs, tokensMs }));
    }
    return answers;
  }

  async #serveReusing(requests: readonly PeerRequest[]): Promise<PeerAnswer[]> {
    const began = performance.now();
    const caches = new Map<string, object>();
    const answers: PeerAnswer[] = [];
    for (const request of requests) {
      const prefix = request.ids.slice(0, request.prefixTokens);
      const key = prefix.join();
      if (prefix.length > 0 && !caches.has(key)) {
        caches.set(key, (await this.#generate([{ ids: prefix, prefixTokens: 0, newTokens: 1 }], undefined)).cache);
      }
      const kept = caches.get(key);
      // A cache object changes while it is used; its tensors do not.
      const cache = kept === undefined ? undefined : new this.#library.DynamicCache({ ...kept });
      const { tokensMs } = await this.#generate([request], cache);
      answers.push(checkedAnswer(request, { submittedMs: began, tokensMs }));
    }
    return answers;
  }

  async #generate(batch: readonly PeerRequest[], cache: object | undefined) {
    const width = batch[0]?.ids.length as number;
    if (batch.some(({ ids }) => ids.length !== width)) throw new Error('A static batch needs prompts of one length.');
    const tokensMs: number[] = [];
    let isPrompt = true;
    const streamer = {
      put: () => {
        if (!isPrompt) tokensMs.push(performance.now());
        isPrompt = false;
      },
      end: () => {},
    };
    const wide = (values: readonly number[]) =>
      new this.#library.Tensor('int64', BigInt64Array.from(values, BigInt), [batch.length, width]);
    const result = await this.#model.generate({
      input_ids: wide(batch.flatMap(({ ids }) => ids)),
      attention_mask: wide(new Array<number>(batch.length * width).fill(1)),
      max_new_tokens: batch[0]?.newTokens,
      do_sample: false,
      streamer,
      return_dict_in_generate: true,
      ...(cache === undefined ? {} : { past_key_values: cache }),
    });
    return { tokensMs, cache: result.past_key_values };
  }
}
