import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderWith } from '../model-folder.testing.ts';
import { lockFile } from './file-lock.ts';

const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(250);

describe('lockFile', () => {
  it('is held by one at a time, in turn', async () => {
    const path = join(folderWith([]), 'lock');
    let holders = 0;
    let most = 0;
    const use = async () => {
      const lock = await lockFile(path, never);
      holders++;
      most = Math.max(most, holders);
      await new Promise((resolve) => setTimeout(resolve, 5));
      holders--;
      await lock.release();
    };
    await Promise.all([use(), use(), use()]);
    expect(most).toBe(1);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('waits for a process that runs, and stops waiting when it is told to', async () => {
    const path = join(folderWith([]), 'lock');
    const held = `${hostname()} ${process.pid} other`;
    writeFileSync(path, held);
    await expect(lockFile(path, soon())).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(readFileSync(path, 'utf8')).toBe(held);
  });

  it('takes over from a process of this machine that is gone', async () => {
    const path = join(folderWith([]), 'lock');
    writeFileSync(path, `${hostname()} 99999999 gone`);
    await (await lockFile(path, soon())).release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('takes over what nobody has touched for a minute, and not what another machine still touches', async () => {
    const path = join(folderWith([]), 'lock');
    writeFileSync(path, 'elsewhere 1 other');
    await expect(lockFile(path, soon())).rejects.toMatchObject({ name: 'TimeoutError' });
    const longAgo = new Date(Date.now() - 120_000);
    utimesSync(path, longAgo, longAgo);
    await (await lockFile(path, soon())).release();
  });

  it('leaves the lock of whoever took it over', async () => {
    const path = join(folderWith([]), 'lock');
    const lock = await lockFile(path, never);
    rmSync(path);
    writeFileSync(path, 'elsewhere 1 other');
    await lock.release();
    expect(readFileSync(path, 'utf8')).toBe('elsewhere 1 other');
  });
});
