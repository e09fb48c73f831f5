/**
 * `npx pnpm@12 bench:peers [TASK ...] [--only ENGINE ...] [--bits 4|8 ...] [--first] [--rounds N] [--smoke] [--save]`: the same work on
 * Octavo, node-llama-cpp and transformers.js, each engine in a process of its own and in several settings, of which its best one counts.
 * --only and --bits, which may be given more than once: only these engines, only weights of these widths. --first: only the setting of each
 * engine and width that was best here. --save replaces what was saved of the tasks, engines and widths that ran.
 */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { endWith, readArguments } from '../arguments.ts';
import { checkGoldens } from '../engine/check.ts';
import { shapes } from '../engine/workload.ts';
import { describeMachine } from '../machine.ts';
import { save, savedPeers } from '../saved-results.ts';
import { median } from '../statistics.ts';
import { comparisons, formatComparisons, type PeerResult, withEarlier } from './comparison.ts';
import { peerVersion } from './installed-package.ts';
import type { PeerOrder } from './measure-peer.ts';
import { peerModels } from './models.ts';
import { PEER_NAMES, WEIGHT_BITS } from './peer.ts';
import { settingsOf } from './settings.ts';
import { peerTasks, type TaskName } from './tasks.ts';

const here = dirname(fileURLToPath(import.meta.url));

await main();

async function main(): Promise<void> {
  const { values, positionals } = readArguments('bench:peers', {
    only: { type: 'string', multiple: true, default: [...PEER_NAMES] },
    bits: { type: 'string', multiple: true, default: WEIGHT_BITS.map(String) },
    rounds: { type: 'string' },
    first: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  });
  const rounds = Number(values.rounds ?? (values.smoke ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) endWith('bench:peers', `--rounds is ${values.rounds}, give 1 or more`);
  const scale = values.smoke ? 'smoke' : 'full';
  const shape = values.smoke ? 'tiny' : '135m';
  const { vocabulary } = shapes[shape];
  const tasks = peerTasks(vocabulary, scale);
  const names = chosen(
    'tasks',
    positionals.length > 0 ? positionals : Object.keys(tasks),
    Object.keys(tasks) as TaskName[],
  );
  const engines = chosen('engines', values.only, PEER_NAMES);
  const widths = chosen('widths', values.bits, WEIGHT_BITS);
  const machine = {
    ...describeMachine(),
    'node-llama-cpp': peerVersion('node-llama-cpp'),
    'transformers.js': peerVersion('@huggingface/transformers'),
  };
  process.stdout.write(`${JSON.stringify(machine)}\n`);
  // No peer reports to the runtime's maker while it is timed.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  const models = await peerModels(shape);
  const checked = await checkGoldens('worker', models.cacheFolder);
  process.stdout.write(
    `${checked} golden answers of Octavo are right; every engine must give the tokens that it is asked for\n`,
  );
  const results: PeerResult[] = [];
  for (const task of names) {
    process.stdout.write(`\n${task}: ${tasks[task].about}\n`);
    for (const peer of engines) {
      for (const settings of widths.flatMap((bits) =>
        settingsOf(peer, task, bits).slice(0, values.first ? 1 : undefined),
      )) {
        const order: PeerOrder = { peer, task, scale, vocabulary, models, settings, rounds };
        const measured = await measure(order);
        results.push({ peer, task, settings, values: measured });
        const { unit, figure } = tasks[task];
        const spread = `${Math.min(...measured).toFixed(1)} to ${Math.max(...measured).toFixed(1)}`;
        process.stdout.write(
          `  ${peer} ${JSON.stringify(settings)}: ${median(measured).toFixed(1)} ${unit} ${figure} (${spread})\n`,
        );
      }
    }
  }
  const compared = comparisons(results, tasks);
  const rows = values.smoke ? compared.map((row) => ({ ...row, goal: undefined })) : compared;
  process.stdout.write(`\n${formatComparisons(rows)}\n`);
  if (values.smoke) process.stdout.write('(smoke run: nothing here is a figure to quote)\n');
  if (values.save) {
    // All tasks and engines together take longer than one sitting.
    const merged = withEarlier(results, (await savedPeers())?.results ?? []);
    await save('peers', { machine, results: merged, comparisons: comparisons(merged, tasks) });
  }
}

/** Those of `all` that were named, in their own order. Ends the process when a name is none of them. */
function chosen<Name extends string | number>(what: string, named: readonly string[], all: readonly Name[]): Name[] {
  const unknown = named.filter((name) => !all.map(String).includes(name));
  if (unknown.length > 0) endWith('bench:peers', `there is no ${unknown.join(', ')}: ${what} are ${all.join(', ')}`);
  return all.filter((name) => named.includes(String(name)));
}

async function measure(order: PeerOrder): Promise<number[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(here, 'measure-peer.js'), JSON.stringify(order)],
    {
      maxBuffer: 1 << 24,
    },
  );
  const line = stdout.trim().split('\n').at(-1) ?? '';
  return (JSON.parse(line) as { values: number[] }).values;
}
