import type { PeerName, PeerSettings, WeightBits } from './peer.ts';
import type { TaskName } from './tasks.ts';

export type TriedSettings = Omit<PeerSettings, 'contextTokens'>;

/** Everything but the width of weights, which changes nothing in what is best of the rest. */
type Setup = Omit<TriedSettings, 'weightBits'>;

/**
 * The settings in which an engine is tried at a task with weights of that width, the one that was best here first; the best one counts.
 * Pure.
 */
export function settingsOf(peer: PeerName, task: TaskName, weightBits: WeightBits): TriedSettings[] {
  return setupsOf[peer](task).map((setup) => ({ weightBits, ...setup }));
}

const setupsOf: Readonly<Record<PeerName, (task: TaskName) => readonly Setup[]>> = {
  octavo: octavoSetups,
  'node-llama-cpp': llamaSetups,
  'transformers.js': transformersSetups,
};

/** Pools have room for one round: from the second round on, pages are used again, as in a server that has run for a while. */
function octavoSetups(task: TaskName): Setup[] {
  const common = { threads: 2, reuse: true };
  const inShop = (own: Pick<Setup, 'sequences' | 'tokenBudget' | 'promptStepsInTurn'>) => ({
    ...common,
    pages: 900,
    ...own,
  });
  // All prompts of the burst first.
  const inTurn = { sequences: 64, promptStepsInTurn: 64 };
  switch (task) {
    case 'storefront':
      return [inTurn, { ...inTurn, tokenBudget: 512 }, { sequences: 64 }].map(inShop);
    case 'burst':
      return [inTurn, { sequences: 64 }].map(inShop);
    case 'single':
      return [{ ...common, sequences: 1 }];
    case 'streams':
      return [{ ...common, sequences: 16, pages: 800 }];
    case 'prefill':
      return [512, 1_024].map((tokenBudget) => ({ ...common, sequences: 1, pages: 160, tokenBudget }));
  }
}

function llamaSetups(task: TaskName): Setup[] {
  const alone = { sequences: 1, reuse: false };
  switch (task) {
    case 'storefront':
    case 'burst':
      return [
        // A sequence that holds the longest beginning of a prompt is taken; with 8 products, 8 sequences compute less in all.
        { threads: 2, sequences: 16, reuse: true },
        { threads: 2, sequences: 8, reuse: true },
        { threads: 2, sequences: 32, reuse: true },
        { threads: 1, sequences: 16, reuse: true },
      ];
    case 'single':
    // Two threads wait for each other at every product of few rows.
    case 'streams':
      return [1, 2].map((threads) => ({ ...alone, threads, sequences: task === 'streams' ? 16 : 1 }));
    case 'prefill':
      return [2, 1].map((threads) => ({ ...alone, threads }));
  }
}

function transformersSetups(task: TaskName): Setup[] {
  switch (task) {
    case 'storefront':
    case 'burst':
      return [
        { threads: 2, sequences: 1, reuse: true },
        { threads: 2, sequences: 16, reuse: false },
      ];
    case 'streams':
      return [{ threads: 2, sequences: 16, reuse: false }];
    case 'single':
    case 'prefill':
      return [{ threads: 2, sequences: 1, reuse: false }];
  }
}
