/**
 * `npx pnpm@12 bench:peers [TASK ...] [--only ENGINE] [--first] [--rounds N] [--smoke] [--save]`: the same work on Octavo, node-llama-cpp
 * and transformers.js, each engine in a process of its own and in several settings, of which its best one counts. --first: only the setting
 * of each engine that was best here. --save replaces what was saved of the tasks and engines that ran.
 */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { endWith, readArguments } from '../arguments.ts';
import { checkGoldens } from '../engine/check.ts';
import { shapes } from '../engine/workload.ts';
import { describeMachine } from '../machine.ts';
import { type SavedPeers, save, savedPeers } from '../saved-results.ts';
import { median } from '../statistics.ts';
import { comparisons, formatComparisons, type PeerResult } from './comparison.ts';
import { peerVersion } from './installed-package.ts';
import type { PeerName, PeerOrder } from './measure-peer.ts';
import { peerModels } from './models.ts';
import { settingsOf } from './settings.ts';
import { peerTasks, type TaskName } from './tasks.ts';

const here = dirname(fileURLToPath(import.meta.url));
const engines: readonly PeerName[] = ['octavo', 'node-llama-cpp', 'transformers.js'];

await main();

async function main(): Promise<void> {
  const { values, positionals } = readArguments('bench:peers', {
    only: { type: 'string' },
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
  const names = (positionals.length > 0 ? positionals : Object.keys(tasks)) as TaskName[];
  const wanted = engines.filter((engine) => values.only === undefined || engine === values.only);
  const unknown = names.filter((name) => !Object.hasOwn(tasks, name));
  if (unknown.length > 0 || wanted.length === 0) {
    endWith('bench:peers', `tasks are ${Object.keys(tasks).join(', ')}; engines are ${engines.join(', ')}`);
  }
  const machine = {
    ...describeMachine(),
    'node-llama-cpp': peerVersion('node-llama-cpp'),
    'transformers.js': peerVersion('@huggingface/transformers'),
  };
  process.stdout.write(`${JSON.stringify(machine)}\n`);
  const models = await peerModels(shape);
  const checked = await checkGoldens('worker', models.cacheFolder);
  process.stdout.write(
    `${checked} golden answers of Octavo are right; every engine must give the tokens that it is asked for\n`,
  );
  const results: PeerResult[] = [];
  for (const task of names) {
    process.stdout.write(`\n${task}: ${tasks[task].about}\n`);
    for (const peer of wanted) {
      for (const settings of settingsOf(peer, task).slice(0, values.first ? 1 : undefined)) {
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
  const table = comparisons(results, tasks);
  process.stdout.write(`\n${formatComparisons(table)}\n`);
  if (values.smoke) process.stdout.write('(smoke run: nothing here is a figure to quote)\n');
  if (values.save) await saveWithEarlier({ machine, results, comparisons: table }, tasks);
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

/** Keeps earlier results of what did not run now: all tasks and engines together take longer than one sitting. */
async function saveWithEarlier(now: SavedPeers, tasks: Parameters<typeof comparisons>[1]): Promise<void> {
  const ran = ({ peer, task }: PeerResult) =>
    now.results.some((result) => result.peer === peer && result.task === task);
  const earlier = (await savedPeers())?.results.filter((result) => !ran(result)) ?? [];
  const results = [...earlier, ...now.results];
  await save('peers', { ...now, results, comparisons: comparisons(results, tasks) });
}
