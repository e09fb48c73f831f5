/** The first and only file of the engine's thread: a host whose client is on the other side of the parent port. */
import { parentPort, workerData } from 'node:worker_threads';
import { openModel } from '../open-model.ts';
import { startHost } from '../start-host.ts';
import { isLast } from '../transport.ts';
import type { WorkerStart } from './connect-worker.ts';

if (!parentPort) throw new Error('worker-entry.js runs in a worker thread: use openEngine');
const port = parentPort;
const { model, config } = workerData as WorkerStart;

const start = startHost((onProgress) => openModel({ model, config, onProgress }));
const receive = start((message) => {
  port.postMessage(message);
  // With its port closed, nothing keeps the thread alive: it ends by itself, with the runtime already let go.
  if (isLast(message)) port.close();
});
port.on('message', receive);
