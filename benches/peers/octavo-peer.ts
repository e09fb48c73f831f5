/** Octavo, in a worker as users run it. */
import { type Engine, openEngine } from 'octavo';
import { eachInFlight } from '../throughput/workload.ts';
import { checkedAnswer, type OpenPeer, type Peer, type PeerAnswer, type PeerRequest, weightFormats } from './peer.ts';

export const openOctavo: OpenPeer = async (models, settings) =>
  new OctavoPeer(
    await openEngine(models.folder, {
      weights: weightFormats.octavo[settings.weightBits],
      cacheFolder: models.cacheFolder,
      // As llama.cpp, which clears its buffers when it makes a context.
      commitMemory: 'open',
      threads: settings.threads,
      maxSequences: settings.sequences,
      ...(settings.tokenBudget === undefined ? {} : { tokenBudget: settings.tokenBudget }),
      ...(settings.promptStepsInTurn === undefined ? {} : { promptStepsInTurn: settings.promptStepsInTurn }),
      ...(settings.pages === undefined ? {} : { pages: settings.pages }),
      contextTokens: settings.contextTokens,
      sharing: settings.reuse,
    }),
  );

class OctavoPeer implements Peer {
  readonly #engine: Engine;
  #rounds = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async serve(requests: readonly PeerRequest[], inFlight: number): Promise<readonly PeerAnswer[]> {
    // Another salt: nothing of an earlier round is found again.
    this.#rounds += 1;
    const salt = `round ${this.#rounds}`;
    const answers: PeerAnswer[] = [];
    await eachInFlight(requests, inFlight, async (request) => {
      const submittedMs = performance.now();
      const tokensMs: number[] = [];
      const options = { ids: request.ids, maxTokens: request.newTokens, ignoreEos: true, salt };
      for await (const { ids } of this.#engine.generate(options)) {
        for (const _ of ids) tokensMs.push(performance.now());
      }
      answers.push(checkedAnswer(request, { submittedMs, tokensMs }));
    });
    return answers;
  }

  async close(): Promise<void> {
    await this.#engine.close();
  }
}
