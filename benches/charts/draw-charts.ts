/**
 * `npx pnpm@12 bench:charts`: draws the charts of docs/performance.md and fills in its tables from the JSON under benches/results. Nothing is
 * measured here.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchRow } from '../micro/bench-row.ts';
import { reachesAim } from '../micro/bench-row.ts';
import { allSaved, root, type SavedBench, savedBench, savedPeers } from '../saved-results.ts';
import { figureText } from './figure-text.ts';
import { peerChart, peerTables } from './peers-section.ts';
import { type Bar, barChart, lineChart } from './svg.ts';

const page = join(root, 'docs', 'performance.md');
const images = join(root, 'docs', 'images');
const workloads = ['storefront', 'storefront-burst', 'support', 'voice', 'agents', 'long'] as const;
const tables = [
  'attention',
  'no-sharing',
  'options',
  'warm-start',
  'step-share',
  'memory-trade',
  'wasted-slots',
  'lifetimes',
  'cache-on-off',
  'soak',
] as const;

await mkdir(images, { recursive: true });
let text = await readFile(page, 'utf8');
await drawMachines();
await drawPeers();
await drawSharing();
await drawScaling();
await drawRoofline();
for (const name of tables) {
  const saved = await savedBench(name);
  if (saved !== undefined) fill(name, rowTable(saved.rows));
}
await writeFile(page, text);

async function drawPeers(): Promise<void> {
  const saved = await savedPeers();
  if (saved === undefined) return;
  const { title, svg } = peerChart(saved.comparisons);
  await writeFile(join(images, 'peers.svg'), svg);
  fill('peers', `${peerTables(saved.comparisons)}\n\n![${title}](images/peers.svg)`);
}

/** What all figures were measured on: one line, or as many as there are machines and versions. */
async function drawMachines(): Promise<void> {
  const machines = new Set<string>();
  for (const { machine } of await allSaved()) {
    machines.add(
      Object.entries(machine)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    );
  }
  if (machines.size > 0) fill('machine', [...machines].map((machine) => `- ${machine}`).join('\n'));
}

async function drawSharing(): Promise<void> {
  const bars: Bar[] = [];
  const lines = [
    '| workload | requests a second, sharing off | on | naive index | on / off | first token p50, off | on |',
    '| --- | --: | --: | --: | --: | --: | --: |',
  ];
  for (const name of workloads) {
    const saved = await savedBench(name);
    if (saved === undefined) continue;
    const value = (variant: string, what: string) => savedValue(saved, `${name}, ${variant}: ${what}`);
    const rate = (variant: string) => value(variant, 'requests a second');
    const wait = (variant: string) => value(variant, 'time to first token p50');
    const gain = rate('sharing on') / rate('sharing off');
    bars.push({ label: name, value: gain, text: `${gain.toFixed(1)} x`, series: 0 });
    lines.push(
      `| ${name} | ${rate('sharing off').toFixed(2)} | ${rate('sharing on').toFixed(2)} | ${rate('naive index').toFixed(2)} | ${gain.toFixed(1)} x | ${wait('sharing off').toFixed(0)} ms | ${wait('sharing on').toFixed(0)} ms |`,
    );
  }
  if (bars.length === 0) return;
  const title = 'Requests a second, sharing on / off';
  await writeFile(join(images, 'sharing.svg'), barChart({ title, bars }));
  fill('sharing', `${lines.join('\n')}\n\n![${title}](images/sharing.svg)`);
}

async function drawScaling(): Promise<void> {
  const saved = await savedBench('scaling');
  if (saved === undefined) return;
  const charts: string[] = [];
  for (const axis of ['sequences', 'shared tokens', 'private tokens']) {
    const pattern = new RegExp(`^scaling: step over ([0-9]+) ${axis}$`);
    const points = saved.rows.flatMap(({ name, value }) => {
      const x = pattern.exec(name)?.[1];
      return x === undefined ? [] : [{ x: Number(x), y: value }];
    });
    const file = `scaling-${axis.replace(' ', '-')}.svg`;
    const title = `Time of a step against ${axis}`;
    await writeFile(join(images, file), lineChart({ title, x: axis, y: 'ms', lines: [{ name: axis, points }] }));
    charts.push(`![${title}](images/${file})`);
  }
  const table = rowTable(saved.rows.filter(({ name }) => /fitted|match/.test(name)));
  fill('scaling', [...charts, table].join('\n\n'));
}

async function drawRoofline(): Promise<void> {
  const saved = await savedBench('roofline');
  if (saved === undefined) return;
  const bars = saved.rows
    .filter(({ name }) => name.endsWith('step / limit'))
    .map(({ name, value, aim }): Bar => {
      const goal = aim === undefined ? undefined : Number(/[0-9.]+/.exec(aim)?.[0]);
      const label = name.replace('roofline: ', '').replace(': step / limit', '');
      return { label, value, text: `${value.toFixed(2)} x`, goal, series: 0 };
    });
  const title = 'Time of a step / what the machine allows (1 is the limit)';
  await writeFile(join(images, 'roofline.svg'), barChart({ title, bars }));
  fill('roofline', `${rowTable(saved.rows)}\n\n![${title}](images/roofline.svg)`);
}

function savedValue(saved: SavedBench, name: string): number {
  const row = saved.rows.find((candidate) => candidate.name === name);
  if (row === undefined) throw new Error(`There is no row "${name}".`);
  return row.value;
}

function rowTable(rows: readonly BenchRow[]): string {
  const lines = rows.map((row) => {
    const spread = row.spread === undefined ? '' : ` (${figureText(row.spread.low)} to ${figureText(row.spread.high)})`;
    const goal = row.aim === undefined ? '' : `${row.aim}: ${reachesAim(row) ? 'reached' : '**missed**'}`;
    return `| ${row.name} | ${figureText(row.value)} ${row.unit}${spread} | ${goal} |`;
  });
  return ['| what | measured | goal |', '| --- | --: | --- |', ...lines].join('\n');
}

/** Replaces what stands between the two comments of that name. Throws when the page has none. */
function fill(name: string, content: string): void {
  const begin = `<!-- begin ${name} -->`;
  const end = `<!-- end ${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${page} has no place for ${name}.`);
  text = `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}
