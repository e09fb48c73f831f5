import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Opened, OpenRequest } from './open-once.ts';

const SCRIPT = fileURLToPath(new URL('./open-once.js', import.meta.url));

/** Opens a model in a process of its own. Throws when that fails, or when another answer comes than the expected one. */
export async function openOnce(request: OpenRequest, expected?: readonly number[]): Promise<Opened> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, JSON.stringify(request)]);
  const opened = JSON.parse(stdout) as Opened;
  if (expected !== undefined && opened.ids.join() !== expected.join()) {
    throw new Error(`${request.model} answers ${opened.ids.join()} where ${expected.join()} is expected`);
  }
  return opened;
}
