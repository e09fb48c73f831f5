/** Downloads that break, lie, or are stopped. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SeenRequest } from './hub-server.testing.ts';
import { sha256, storedFile } from './hub-store.testing.ts';
import { CONFIG, type PullRig, pullRig, readModelFile, someBytes } from './pull-rig.testing.ts';

const weights = someBytes(600_000);
const name = 'model.safetensors';

async function rigWithModel(): Promise<PullRig> {
  const rig = await pullRig();
  rig.server.push('org/name', { 'config.json': CONFIG, [name]: weights });
  return rig;
}

const isBody = ({ server, url }: SeenRequest) => server === 'network' && url.includes(name);
const blobs = (rig: PullRig) => join(rig.cacheFolder, 'models--org--name/blobs');
const partOf = (rig: PullRig) => join(blobs(rig), `${sha256(weights)}.octavo-incomplete`);

/** Ranges in which the bytes of the weights were asked for, the probe for their size left out. */
const ranges = (rig: PullRig) =>
  rig.server.requests.filter((seen) => isBody(seen) && seen.range !== 'bytes=0-0').map(({ range }) => range);

describe('a download that breaks', () => {
  it('goes on where it stopped', async () => {
    const rig = await rigWithModel();
    let cuts = 0;
    rig.server.fault = (seen) =>
      isBody(seen) && seen.range !== 'bytes=0-0' && cuts++ < 2 ? { cutAfter: 200_000 } : undefined;
    const model = await rig.pull('org/name');
    expect(readModelFile(model, name).equals(weights)).toBe(true);
    const [first, second, third, ...more] = ranges(rig);
    expect(first).toBeUndefined();
    expect(second).toMatch(/^bytes=\d{4,}-$/);
    expect(third).toMatch(/^bytes=\d{4,}-$/);
    expect(Number(third?.slice(6, -1))).toBeGreaterThan(Number(second?.slice(6, -1)));
    expect(more).toEqual([]);
    expect(model.hub?.downloadedBytes).toBe(CONFIG.length + weights.length);
  });

  it('goes on when the answer ends early without an error', async () => {
    const rig = await rigWithModel();
    let cuts = 0;
    rig.server.fault = (seen) => (isBody(seen) && cuts++ < 2 ? { endAfter: 100_000 } : undefined);
    expect(readModelFile(await rig.pull('org/name'), name).equals(weights)).toBe(true);
  });

  it('keeps what arrived when it gives up, and the next attempt asks for the rest only', async () => {
    const rig = await rigWithModel();
    let bodies = 0;
    rig.server.fault = (seen) => {
      if (!isBody(seen) || seen.range === 'bytes=0-0') return undefined;
      return bodies++ === 0 ? { cutAfter: 250_000 } : { cutAfter: 0 };
    };
    await expect(rig.pull('org/name')).rejects.toMatchObject({
      code: 'HUB_UNREACHABLE',
      message: expect.stringMatching(/stopped after \d+ of 600000 bytes .* what arrived is kept\.$/),
    });
    const kept = readFileSync(partOf(rig));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.equals(weights.subarray(0, kept.length))).toBe(true);
    expect(existsSync(join(rig.cacheFolder, 'models--org--name/refs/main'))).toBe(false);
    rig.server.fault = () => undefined;
    rig.server.requests.length = 0;
    const { hub } = await rig.pull('org/name');
    expect(ranges(rig)).toEqual([`bytes=${kept.length}-`]);
    expect(hub?.downloadedBytes).toBe(weights.length - kept.length);
    expect(readdirSync(blobs(rig)).filter((file) => file.includes('octavo'))).toEqual([]);
  });

  it('is tried as often as the policy says when nothing arrives', async () => {
    const rig = await pullRig({}, { retry: { attempts: 5, firstDelayMs: 1, mostDelayMs: 10 } });
    rig.server.push('org/name', { 'config.json': CONFIG, [name]: weights });
    let bodies = 0;
    rig.server.fault = (seen) => {
      if (!isBody(seen) || seen.range === 'bytes=0-0') return undefined;
      return bodies++ < 4 ? { cutAfter: 0 } : undefined;
    };
    expect(readModelFile(await rig.pull('org/name'), name).equals(weights)).toBe(true);
    expect(bodies).toBe(5);
  });

  it('goes on behind a server that ignores ranges', async () => {
    const rig = await rigWithModel();
    let bodies = 0;
    rig.server.fault = (seen) => {
      if (!isBody(seen) || seen.range === 'bytes=0-0') return undefined;
      return bodies++ === 0 ? { cutAfter: 250_000 } : { ignoreRange: true };
    };
    expect(readModelFile(await rig.pull('org/name'), name).equals(weights)).toBe(true);
  });

  it('goes on in the middle of chunks, and takes the plain file when chunks fail', async () => {
    const rig = await pullRig();
    rig.server.push('org/name', [storedFile('config.json', CONFIG), storedFile(name, weights, 'chunks')]);
    rig.server.fault = ({ url }) => (url.startsWith('/chunks/') ? { cutAfter: 150_000 } : undefined);
    const model = await rig.pull('org/name');
    expect(readModelFile(model, name).equals(weights)).toBe(true);
    rig.server.push('org/name', [
      storedFile(name, someBytes(300_000, 'b'), 'chunks'),
      storedFile('config.json', CONFIG),
    ]);
    rig.server.fault = ({ url }) => (url.includes('/reconstructions/') ? { status: 403 } : undefined);
    const other = await rig.pull('org/name');
    expect(readModelFile(other, name).equals(someBytes(300_000, 'b'))).toBe(true);
  });
});

describe('a download that is not what was promised', () => {
  it('is fetched again when its hash is wrong, and refused when it is wrong twice', async () => {
    const rig = await rigWithModel();
    const wrong = Buffer.from(weights).fill(7, 1000, 1010);
    let bodies = 0;
    const times = { wrong: 1 };
    rig.server.fault = (seen) =>
      isBody(seen) && seen.range !== 'bytes=0-0' && bodies++ < times.wrong ? { bytes: wrong } : undefined;
    expect(readModelFile(await rig.pull('org/name'), name).equals(weights)).toBe(true);
    const again = await rigWithModel();
    again.server.fault = (seen) => (isBody(seen) ? { bytes: wrong } : undefined);
    await expect(again.pull('org/name')).rejects.toMatchObject({
      code: 'DOWNLOAD_CORRUPT',
      message: expect.stringContaining(`hashes to ${sha256(wrong)} in place of ${sha256(weights)}`),
    });
    expect(readdirSync(blobs(again)).filter((file) => file.startsWith(sha256(weights)))).toEqual([]);
  });

  it('is refused when the hash of a small file is wrong', async () => {
    const rig = await rigWithModel();
    rig.server.fault = ({ url }) =>
      url.endsWith('config.json') ? { bytes: Buffer.from(CONFIG.replace('L', 'l')) } : undefined;
    await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'DOWNLOAD_CORRUPT' });
  });

  it('starts over when the part that is there is damaged or too long', async () => {
    for (const part of [Buffer.alloc(300_000), Buffer.alloc(700_000)]) {
      const rig = await rigWithModel();
      rig.server.fault = (seen) => (isBody(seen) ? { status: 500 } : undefined);
      await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'HUB_BUSY' });
      writeFileSync(partOf(rig), part);
      rig.server.fault = () => undefined;
      expect(readModelFile(await rig.pull('org/name'), name).equals(weights)).toBe(true);
    }
  });

  it('is refused when it is longer than the listing says', async () => {
    const rig = await pullRig();
    const file = storedFile(name, weights);
    rig.server.push('org/name', [storedFile('config.json', CONFIG), { ...file, size: weights.length - 10 }]);
    await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'REVISION_CHANGED' });
    const other = await rigWithModel();
    other.server.fault = (seen) => (isBody(seen) ? { bytes: Buffer.concat([weights, weights]) } : undefined);
    await expect(other.pull('org/name')).rejects.toMatchObject({
      code: 'DOWNLOAD_CORRUPT',
      message: expect.stringContaining('more than the 600000 bytes'),
    });
  });

  it('is refused when its content changed since it was listed', async () => {
    const rig = await rigWithModel();
    const model = rig.server.models.get('org/name');
    rig.server.fault = ({ url }) => {
      // Between the listing and the file, somebody rewrites the commit itself.
      if (!url.includes('/resolve/')) return undefined;
      for (const [commit, stored] of model?.commits ?? []) {
        model?.commits.set(commit, {
          ...stored,
          files: stored.files.map(({ path, bytes }) => storedFile(path, bytes.fill(32, 0, 9))),
        });
      }
      return undefined;
    };
    await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'REVISION_CHANGED' });
  });

  it('is one state of the model, also when its branch moves during the download', async () => {
    const rig = await rigWithModel();
    let moved = false;
    rig.server.fault = ({ url }) => {
      if (!moved && url.includes('/tree/')) {
        moved = true;
        rig.server.push('org/name', { 'config.json': '{}', [name]: someBytes(100, 'new') });
      }
      return undefined;
    };
    const model = await rig.pull('org/name');
    expect(readModelFile(model, 'config.json').toString()).toBe(CONFIG);
    expect(readModelFile(model, name).equals(weights)).toBe(true);
  });
});

describe('a download that is stopped', () => {
  it('rejects with the reason, keeps what arrived, and leaves no lock', async () => {
    const rig = await rigWithModel();
    rig.server.fault = (seen) => (isBody(seen) && seen.range !== 'bytes=0-0' ? { hangAfter: 200_000 } : undefined);
    const stop = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ file, loaded }: { file: string; loaded: number }) => {
      if (file === name && loaded >= 100_000) stop.abort(reason);
    };
    await expect(rig.pull('org/name', { signal: stop.signal, onProgress })).rejects.toBe(reason);
    const kept = readFileSync(partOf(rig));
    expect(kept.length).toBeGreaterThanOrEqual(100_000);
    expect(kept.equals(weights.subarray(0, kept.length))).toBe(true);
    expect(readdirSync(blobs(rig)).filter((file) => file.endsWith('-lock'))).toEqual([]);
    rig.server.fault = () => undefined;
    expect(readModelFile(await rig.pull('org/name'), name).equals(weights)).toBe(true);
  });

  it('does not begin when it is stopped before', async () => {
    const rig = await rigWithModel();
    const signal = AbortSignal.abort(new Error('never mind'));
    await expect(rig.pull('org/name', { signal })).rejects.toThrow('never mind');
    expect(rig.server.requests).toEqual([]);
  });
});

describe('several downloads at once', () => {
  it('fetch each file once', async () => {
    const rig = await rigWithModel();
    const models = await Promise.all(Array.from({ length: 4 }, () => rig.pull('org/name')));
    for (const model of models) expect(readModelFile(model, name).equals(weights)).toBe(true);
    expect(ranges(rig)).toEqual([undefined]);
    const total = models.reduce((sum, { hub }) => sum + (hub?.downloadedBytes ?? 0), 0);
    expect(total).toBe(CONFIG.length + weights.length);
  });

  it('go on when the one that fetches is stopped', async () => {
    const rig = await rigWithModel();
    let bodies = 0;
    rig.server.fault = (seen) =>
      isBody(seen) && seen.range !== 'bytes=0-0' && bodies++ === 0 ? { hangAfter: 200_000 } : undefined;
    const stop = new AbortController();
    const first = rig.pull('org/name', { signal: stop.signal });
    const outcome = expect(first).rejects.toThrow('stopped');
    while (!existsSync(partOf(rig))) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = rig.pull('org/name');
    setTimeout(() => stop.abort(new Error('stopped')), 50);
    await outcome;
    expect(readModelFile(await second, name).equals(weights)).toBe(true);
  });

  it('take over from a process that is gone', async () => {
    const rig = await rigWithModel();
    rig.server.fault = (seen) => (isBody(seen) ? { status: 500 } : undefined);
    await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'HUB_BUSY' });
    rig.server.fault = () => undefined;
    const { hostname } = await import('node:os');
    // No process has this number: Linux stops at 2^22.
    writeFileSync(join(blobs(rig), `${sha256(weights)}.octavo-lock`), `${hostname()} 99999999 x`);
    expect(readModelFile(await rig.pull('org/name'), name).equals(weights)).toBe(true);
  });
});
