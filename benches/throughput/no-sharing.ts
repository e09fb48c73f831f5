/**
 * What the machinery costs where it gives nothing: sharing on with nothing in common against sharing off, in interleaved pairs. The share that
 * JavaScript takes is read from the engine's own clocks beside it.
 */
import { benchModel, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { confidence95, mean, median } from '../statistics.ts';
import { withEngine } from '../step/bench-session.ts';
import { seededIds } from '../token-ids.ts';
import { checkAgreement } from './agreement.ts';
import { type Served, serveOnce } from './serve.ts';
import { independent } from './workload.ts';

const STREAMS = 16;

/** Room for two rounds: entries are evicted and pages used again, as in a server that has run for a while. */
const POOL_PAGES = 160;

/** Rounds before the first timed one, so that every page was written once: the first write of a page is the system's work. */
const UNTIMED_ROUNDS = 3;

export async function runNoSharing(effort: BenchEffort): Promise<BenchRow[]> {
  const smoke = effort === 'smoke';
  const shape = smoke ? 'tiny' : '135m';
  const model = await benchModel(shape);
  const pairs = smoke ? 3 : 20;
  const [promptTokens, newTokens] = smoke ? [24, 6] : [48, 24];
  const options = { weights: 'q4', maxSequences: STREAMS, pages: POOL_PAGES } as const;
  const roundOf = (round: number) =>
    independent(
      {
        name: 'no sharing',
        about: `${STREAMS} prompts of ${promptTokens} tokens with nothing in common, ${newTokens} new`,
      },
      Array.from({ length: STREAMS }, (_, stream) => ({
        ids: seededIds(10_000 + round * STREAMS + stream, promptTokens, shapes[shape].vocabulary),
        maxTokens: newTokens,
      })),
      STREAMS,
    );
  return withEngine(model, options, (on) =>
    withEngine(model, { ...options, sharing: false }, async (off) => {
      // One salt for all rounds: the index grows as in a server whose prompts have nothing in common.
      const first = await serveOnce(on, roundOf(0), 'all');
      const { compared } = await checkAgreement(off, first.answers, (await serveOnce(off, roundOf(0), 'all')).answers);
      for (let round = 1; round <= UNTIMED_ROUNDS; round += 1) {
        await serveOnce(on, roundOf(pairs + round), 'all');
        await serveOnce(off, roundOf(pairs + round), 'all');
      }
      const both: { on: Served; off: Served }[] = [];
      for (let pair = 1; pair <= pairs; pair++) {
        // Which goes first alternates, so that a slow drift of the machine falls on both alike.
        const served =
          pair % 2 === 0
            ? { on: await serveOnce(on, roundOf(pair), 'all') }
            : { off: await serveOnce(off, roundOf(pair), 'all') };
        both.push({
          on: served.on ?? (await serveOnce(on, roundOf(pair), 'all')),
          off: served.off ?? (await serveOnce(off, roundOf(pair), 'all')),
        });
      }
      return rowsOf(both, compared);
    }),
  );
}

function rowsOf(both: readonly { on: Served; off: Served }[], checked: number): BenchRow[] {
  const ratios = both.map(({ on, off }) => on.seconds / off.seconds);
  const { low, high } = confidence95(ratios);
  const scripted = ({ stepMs }: Served) => stepMs.plan + stepMs.prepare + stepMs.write + stepMs.commit;
  const share = (served: Served) => (100 * scripted(served)) / (1_000 * served.seconds);
  const row = (name: string, value: number, unit: string, aim?: string): BenchRow =>
    measured({ name: `no-sharing: ${name}`, value, unit, aim, samples: both.length, checked });
  return [
    { ...row('time with sharing on / off, mean of pairs', mean(ratios), 'x'), spread: { low, high } },
    row('lower end of the 95 % interval', low, 'x', '<= 1.01 x'),
    row('upper end of the 95 % interval', high, 'x'),
    row('JavaScript, sharing on', median(both.map(({ on }) => share(on))), '% of the time'),
    row('JavaScript, sharing off', median(both.map(({ off }) => share(off))), '% of the time'),
    row('JavaScript a step, sharing on', median(both.map(({ on }) => scripted(on) / on.steps)), 'ms'),
    row('JavaScript a step, sharing off', median(both.map(({ off }) => scripted(off) / off.steps)), 'ms'),
  ];
}
