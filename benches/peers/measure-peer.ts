/** A process of its own for every engine and setting: `node measure-peer.js JSON` prints one line of JSON. */
import { openLlama } from './llama-peer.ts';
import { openOctavo } from './octavo-peer.ts';
import type { OpenPeer, PeerModels, PeerName, PeerSettings } from './peer.ts';
import { peerTasks, type TaskName, type TaskScale } from './tasks.ts';
import { openTransformers } from './transformers-peer.ts';

export interface PeerOrder {
  readonly peer: PeerName;
  readonly task: TaskName;
  readonly scale: TaskScale;
  readonly vocabulary: number;
  readonly models: PeerModels;
  readonly settings: Omit<PeerSettings, 'contextTokens'>;
  readonly rounds: number;
}

const open: Readonly<Record<PeerName, OpenPeer>> = {
  octavo: openOctavo,
  'node-llama-cpp': openLlama,
  'transformers.js': openTransformers,
};

const order = JSON.parse(process.argv[2] ?? '') as PeerOrder;
const task = peerTasks(order.vocabulary, order.scale)[order.task];
// llama.cpp takes contexts in steps of 256; some room costs nobody anything.
const contextTokens = Math.ceil((task.contextTokens + 8) / 256) * 256;
const peer = await open[order.peer](order.models, { ...order.settings, contextTokens });
// The first requests of a process pay for page faults and compiled code.
await peer.serve(task.requests.slice(0, 1), 1);
const values: number[] = [];
const inFlight = task.inFlight ?? order.settings.sequences;
while (values.length < order.rounds) {
  values.push(task.measure(await peer.serve(task.requests, inFlight), task.requests));
}
await peer.close();
process.stdout.write(`${JSON.stringify({ values })}\n`);
// Some engines leave threads behind that keep a process alive.
process.exit(0);
