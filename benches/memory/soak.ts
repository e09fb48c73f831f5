/** Load for a while, to show that nothing grows. OCTAVO_SOAK_SECONDS: how long; 60 by default, 3 in a smoke run. */
import { numberFrom } from '../arguments.ts';
import { benchModel, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { fitLine, mean } from '../statistics.ts';
import { goldensChecked, withEngine } from '../step/bench-session.ts';
import { serveOnce } from '../throughput/serve.ts';
import { storefront, storefrontSize } from '../throughput/storefront.ts';

export async function runSoak(effort: BenchEffort): Promise<BenchRow[]> {
  const smoke = effort === 'smoke';
  const shape = smoke ? 'tiny' : 'small';
  const seconds = numberFrom('OCTAVO_SOAK_SECONDS', smoke ? 3 : 60);
  const checked = await goldensChecked();
  const { vocabulary } = shapes[shape];
  const size = { ...storefrontSize, requests: 32, products: 4, systemTokens: 64, productTokens: 64, newTokens: 16 };
  // A pool that holds a few rounds: pages are evicted all the time.
  const options = { weights: 'q4', maxSequences: 16, pages: 400 } as const;
  return withEngine(await benchModel(shape), options, async (engine) => {
    const workload = storefront(size, vocabulary, 16);
    const points: { x: number; y: number }[] = [];
    const began = performance.now();
    let rounds = 0;
    const elapsed = () => (performance.now() - began) / 1_000;
    while (elapsed() < seconds) {
      await serveOnce(engine, workload, `round ${rounds % 50}`);
      rounds += 1;
      // The first fifth of the time fills the pool, the ghost table and the compiler's caches.
      if (elapsed() > seconds / 5) points.push({ x: elapsed(), y: process.memoryUsage.rss() / 2 ** 20 });
    }
    const violations = await engine.audit();
    if (violations.length > 0) throw new Error(`invariants are violated: ${violations.join('; ')}`);
    const third = Math.max(1, Math.floor(points.length / 3));
    const first = mean(points.slice(0, third).map(({ y }) => y));
    const last = mean(points.slice(-third).map(({ y }) => y));
    const row = (name: string, value: number, unit: string): BenchRow =>
      measured({
        name: `soak of ${seconds} s, ${rounds * size.requests} requests: ${name}`,
        value,
        unit,
        samples: points.length,
        checked,
      });
    return [
      row('resident in the first third', first, 'MiB'),
      row('resident in the last third', last, 'MiB'),
      row('growth', (100 * (last - first)) / first, '%'),
      row('fitted growth', points.length < 2 ? 0 : 60 * fitLine(points).slope, 'MiB a minute'),
    ];
  });
}
