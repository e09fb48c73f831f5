/**
 * A lock between processes: a file that only one of them can make. Its holder touches it while it works; one that is no longer touched, or
 * whose process on this machine is gone, is taken over. Two holders at once are possible in theory (a process that slept for a
 * minute), so nothing may depend on the lock but economy: what is fetched is hashed in any case.
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { systemCode } from '../errors.ts';
import { pause } from './retry.ts';

const TOUCH_MS = 5_000;
const STALE_MS = 60_000;
const POLL_MS = 100;

export interface FileLock {
  release(): Promise<void>;
}

/** Waits until the file can be made. Its folder must exist. Rejects with the signal's reason when it fires. */
export async function lockFile(path: string, signal: AbortSignal): Promise<FileLock> {
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`;
  while (!(await tryMake(path, owner))) {
    await removeIfStale(path);
    await pause(POLL_MS, signal);
  }
  const timer = setInterval(() => {
    const now = new Date();
    // A lock that was taken over is not ours to touch; its new holder does.
    utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  timer.unref();
  return {
    async release() {
      clearInterval(timer);
      if ((await readFile(path, 'utf8').catch(() => '')) === owner) await rm(path, { force: true });
    },
  };
}

async function tryMake(path: string, owner: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(owner).finally(() => file.close());
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function removeIfStale(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return;
  const [host, pid] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
  const isLeftBehind = host === hostname() && !isRunning(Number(pid));
  if (!isLeftBehind && Date.now() - found.mtimeMs < STALE_MS) return;
  // By renaming, so that of several waiters one removes it.
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(() => {});
  await rm(aside, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
