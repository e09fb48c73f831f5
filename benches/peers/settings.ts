import type { PeerName } from './measure-peer.ts';
import type { PeerSettings } from './peer.ts';
import type { TaskName } from './tasks.ts';

/** The settings in which an engine is tried at a task, the one that was best here first; the best one counts. Pure. */
export function settingsOf(peer: PeerName, task: TaskName): Omit<PeerSettings, 'contextTokens'>[] {
  const isShop = task === 'storefront' || task === 'burst';
  const one = { reuse: false, sequences: 1 };
  const sixteen = { reuse: false, sequences: 16 };
  if (peer === 'octavo') {
    const common = { threads: 2, reuse: true };
    // Room for one round: from the second round on, pages are used again, as in a server that has run for a while.
    if (task === 'prefill') {
      return [{ tokenBudget: 512 }, {}, { tokenBudget: 2_048 }].map((budget) => ({
        ...common,
        ...budget,
        sequences: 1,
        pages: 160,
      }));
    }
    if (task === 'streams') return [{ ...common, sequences: 16, pages: 800 }];
    if (!isShop) return [{ ...common, sequences: 1 }];
    const shop = { ...common, pages: 900 };
    if (task === 'burst') return [{ ...shop, sequences: 64 }];
    return [
      { ...shop, sequences: 32, tokenBudget: 512 },
      { ...shop, sequences: 64, tokenBudget: 512 },
      { ...shop, sequences: 16 },
    ];
  }
  if (peer === 'node-llama-cpp') {
    if (isShop) {
      return [
        // A sequence that holds the longest beginning of a prompt is taken; with 8 products, 8 sequences compute less in all.
        { threads: 2, sequences: 16, reuse: true },
        { threads: 2, sequences: 8, reuse: true },
        { threads: 2, sequences: 32, reuse: true },
        { threads: 1, sequences: 16, reuse: true },
      ];
    }
    const base = task === 'streams' ? sixteen : one;
    // Two threads wait for each other at every product of few rows.
    return (task === 'prefill' ? [2, 1] : [1, 2]).map((threads) => ({ ...base, threads }));
  }
  if (isShop) {
    return [
      { threads: 2, sequences: 1, reuse: true },
      { threads: 2, ...sixteen },
    ];
  }
  return [{ threads: 2, ...(task === 'streams' ? sixteen : one) }];
}
