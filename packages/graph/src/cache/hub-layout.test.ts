/** Model folders as the hub's cache lays them out: names in a snapshot are links to blobs that are named by their digest. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileModel } from '../compile-model.ts';
import type { CompiledModel } from '../compiled-model.ts';
import { writeModel } from '../model-folder.testing.ts';
import { GraphSession } from '../ort.testing.ts';
import { generate, PagedDriver } from '../paged-driver.testing.ts';

/** Memory as a file system: another device than the temporary folder's, where there is one. */
const OTHER_DEVICE = '/dev/shm';
const hasOtherDevice = existsSync(OTHER_DEVICE) && statSync(OTHER_DEVICE).dev !== statSync(tmpdir()).dev;

const folders: string[] = [];
const newFolder = (parent: string): string => {
  const made = mkdtempSync(join(parent, 'octavo-hub-'));
  folders.push(made);
  return made;
};
let cache: string;
beforeEach(() => {
  cache = newFolder(tmpdir());
});
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true });
});

/** Turns a model folder into `hub/models--org--name`; returns the snapshot's path. */
function asHubSnapshot(model: string, hub: string): string {
  const repository = join(hub, 'models--org--name');
  const snapshot = join(repository, 'snapshots', 'a1b2c3d4');
  mkdirSync(join(repository, 'blobs'), { recursive: true });
  mkdirSync(join(repository, 'refs'));
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(join(repository, 'refs', 'main'), 'a1b2c3d4');
  for (const name of readdirSync(model)) {
    const blob = createHash('sha256')
      .update(readFileSync(join(model, name)))
      .digest('hex');
    renameSync(join(model, name), join(repository, 'blobs', blob));
    symlinkSync(join('..', '..', 'blobs', blob), join(snapshot, name));
  }
  return snapshot;
}

const compile = (model: string): Promise<CompiledModel> => compileModel(model, { levels: 1, cacheFolder: cache });

async function answer(model: CompiledModel): Promise<number[]> {
  const session = await GraphSession.open(model, { intraOpNumThreads: 1 });
  const made = await generate(new PagedDriver(session, { pages: 4, pageSize: 4 }), [1, 2, 3], { count: 5 });
  await session.close();
  return [...made.ids, ...made.lastLogits];
}

/** The compiled folder's shards and, for each, the blob that the snapshot's name leads to. */
function shardsOf(compiled: CompiledModel, snapshot: string): { readonly own: string; readonly blob: string }[] {
  const names = readdirSync(join(compiled.graphFile, '..')).filter((name) => name.endsWith('.safetensors'));
  return names.map((name) => ({
    own: join(compiled.graphFile, '..', name),
    blob: realpathSync(join(snapshot, name)),
  }));
}

describe('a snapshot of the hub cache', () => {
  it('is compiled with second names of its blobs, and answers as the plain folder does', async () => {
    const plain = await answer(await compile(writeModel(join(newFolder(tmpdir()), 'plain')).folder));
    const home = newFolder(tmpdir());
    const snapshot = asHubSnapshot(writeModel(join(home, 'model'), { shards: 3 }).folder, home);
    const compiled = await compile(snapshot);
    expect(await answer(compiled)).toEqual(plain);
    const shards = shardsOf(compiled, snapshot);
    expect(shards).toHaveLength(3);
    for (const { own, blob } of shards) expect(statSync(own).ino).toBe(statSync(blob).ino);
    expect((await compile(snapshot)).fromCache).toBe(true);
  });

  it.skipIf(!hasOtherDevice)('on another file system is copied once', async () => {
    const home = newFolder(OTHER_DEVICE);
    const snapshot = asHubSnapshot(writeModel(join(home, 'model'), { shards: 2 }).folder, home);
    const compiled = await compile(snapshot);
    const shards = shardsOf(compiled, snapshot);
    expect(shards).toHaveLength(2);
    for (const { own, blob } of shards) {
      expect(statSync(own).dev).not.toBe(statSync(blob).dev);
      expect(readFileSync(own).equals(readFileSync(blob))).toBe(true);
    }
    const copied = shards.map(({ own }) => statSync(own).ino);
    expect(await answer(compiled)).toHaveLength(5 + 50);
    expect((await compile(snapshot)).fromCache).toBe(true);
    expect(shards.map(({ own }) => statSync(own).ino)).toEqual(copied);
  });

  it('whose blob is missing is refused by the name of the file', async () => {
    const home = newFolder(tmpdir());
    const snapshot = asHubSnapshot(writeModel(join(home, 'model'), { shards: 2 }).folder, home);
    rmSync(realpathSync(join(snapshot, 'model-00002-of-00002.safetensors')));
    await expect(compile(snapshot)).rejects.toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: expect.stringContaining('model-00002-of-00002.safetensors'),
    });
  });
});
