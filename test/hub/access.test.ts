/** Who may fetch what, when the hub is busy, and what is possible without it. */
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONFIG, type PullRig, pullRig, readModelFile, someBytes } from './pull-rig.testing.ts';

const weights = someBytes(50_000);
const files = { 'config.json': CONFIG, 'model.safetensors': weights };
const tokens = ['hf_granted', 'hf_other'];

async function rigFor(access: 'public' | 'gated' | 'private', token?: string): Promise<PullRig> {
  const rig = await pullRig({ tokens }, token === undefined ? {} : { token });
  rig.server.push('org/name', files, access);
  return rig;
}

describe('access', () => {
  it('to a gated model without a token says what to do', async () => {
    const rig = await rigFor('gated');
    await expect(rig.pull('org/name')).rejects.toMatchObject({
      code: 'HUB_ACCESS_DENIED',
      message: `org/name is gated; accept its terms on ${rig.server.url}/org/name, then set HF_TOKEN to a token of your account (${rig.server.url}/settings/tokens).`,
    });
  });

  it('to a gated model with a token that was not granted says where to ask', async () => {
    const rig = await rigFor('gated', 'hf_other');
    await expect(rig.pull('org/name')).rejects.toMatchObject({
      code: 'HUB_ACCESS_DENIED',
      message: expect.stringContaining('ask for access on'),
    });
  });

  it('to gated and private models works with the right token, which no other server sees', async () => {
    for (const access of ['gated', 'private'] as const) {
      const rig = await rigFor(access, 'hf_granted');
      expect(readModelFile(await rig.pull('org/name'), 'model.safetensors').equals(weights)).toBe(true);
      const seen = (server: string) => rig.server.requests.filter((request) => request.server === server);
      expect(seen('network').length).toBeGreaterThan(0);
      expect(new Set(seen('network').map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
      expect(new Set(seen('hub').map(({ authorization }) => authorization))).toEqual(new Set(['Bearer hf_granted']));
    }
  });

  it('does not tell a private model from one that is not there', async () => {
    const rig = await rigFor('private');
    for (const model of ['org/name', 'org/none']) {
      await expect(rig.pull(model)).rejects.toMatchObject({
        code: 'HUB_MODEL_MISSING',
        message: expect.stringContaining(`has no public model ${model}`),
      });
    }
  });

  it('says which token, model or revision is wrong', async () => {
    await expect((await rigFor('public', 'hf_expired')).pull('org/name')).rejects.toMatchObject({
      code: 'HUB_TOKEN_REFUSED',
    });
    await expect((await rigFor('public', 'hf_other')).pull('org/none')).rejects.toMatchObject({
      code: 'HUB_MODEL_MISSING',
    });
    const rig = await rigFor('public');
    await expect(rig.pull('org/name@v9')).rejects.toMatchObject({
      code: 'HUB_REVISION_MISSING',
      message: expect.stringContaining('no revision v9'),
    });
    expect(rig.server.requests).toHaveLength(1);
  });
});

describe('a busy hub', () => {
  it('is asked again after the time that it names', async () => {
    const rig = await rigFor('public');
    const answers = [429, 503, 500];
    rig.server.fault = () => {
      const status = answers.shift();
      return status === undefined ? undefined : { status, headers: { 'retry-after': '0' } };
    };
    // Three refusals in a row are as many as one request survives: spread them over two.
    answers.splice(2, 1);
    expect((await rig.pull('org/name')).source).toBe('hub');
    const started = performance.now();
    const slow = [1];
    rig.server.fault = () => (slow.pop() === undefined ? undefined : { status: 429, headers: { 'retry-after': '1' } });
    await rig.pull('org/name');
    expect(performance.now() - started).toBeGreaterThan(950);
  });

  it('is not waited for longer than makes sense', async () => {
    const rig = await rigFor('public');
    rig.server.fault = () => ({ status: 429, headers: { 'retry-after': '3600' } });
    await expect(rig.pull('org/name')).rejects.toMatchObject({
      code: 'HUB_BUSY',
      message: expect.stringContaining('try again in 3600 s'),
    });
    expect(rig.server.requests).toHaveLength(1);
  });

  it('is given up after some attempts', async () => {
    const rig = await rigFor('public');
    rig.server.fault = () => ({ status: 502 });
    await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'HUB_BUSY' });
    expect(rig.server.requests).toHaveLength(3);
  });

  it('does not confuse with nonsense', async () => {
    const rig = await rigFor('public');
    rig.server.fault = ({ url }) => (url.includes('/revision/') ? { status: 200, message: 'no sha here' } : undefined);
    await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'HUB_FAILED' });
  });
});

describe('without the hub', () => {
  it('a complete model works, without any request', async () => {
    const rig = await rigFor('public');
    const { folder } = await rig.pull('org/name');
    await rig.server.close();
    const hub = { ...rig.hub, offline: true };
    expect((await rig.find('org/name', { hub })).folder).toBe(folder);
    expect((await rig.pull('org/name', { hub })).folder).toBe(folder);
    expect((await rig.find('org/name')).folder).toBe(folder);
    await expect(rig.pull('org/name')).rejects.toMatchObject({ code: 'HUB_UNREACHABLE' });
  });

  it('an incomplete model says what is missing and how to get it', async () => {
    const rig = await rigFor('public');
    const hub = { ...rig.hub, offline: true };
    await expect(rig.find('org/name', { hub })).rejects.toMatchObject({
      code: 'HUB_OFFLINE',
      message: expect.stringContaining('octavo pull org/name'),
    });
    const { folder } = await rig.pull('org/name');
    rmSync(join(folder, 'model.safetensors'));
    await expect(rig.find('org/name', { hub })).rejects.toMatchObject({
      code: 'HUB_OFFLINE',
      message: expect.stringContaining('lacks model.safetensors'),
    });
    expect((await rig.find('org/name')).hub?.downloadedBytes).toBe(0);
  });

  it('a model that another tool fetched works', async () => {
    const rig = await rigFor('public');
    const commit = 'c'.repeat(40);
    const root = join(rig.cacheFolder, 'models--org--other');
    for (const folder of ['refs', 'blobs', `snapshots/${commit}`]) mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, 'refs/main'), commit);
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(root, 'blobs', name), content);
      symlinkSync(`../../blobs/${name}`, join(root, 'snapshots', commit, name));
    }
    const hub = { ...rig.hub, offline: true };
    expect((await rig.find('org/other', { hub })).hub).toMatchObject({ commit, downloadedBytes: 0 });
    expect(rig.server.requests).toEqual([]);
    await rig.server.close();
    expect((await rig.find('org/other')).hub).toMatchObject({ commit });
  });

  it('nothing is made up when nobody listens', async () => {
    const rig = await rigFor('public');
    await rig.server.close();
    await expect(rig.find('org/name')).rejects.toMatchObject({
      code: 'HUB_UNREACHABLE',
      message: expect.stringMatching(
        /cannot be reached \(.*ECONNREFUSED.*\); check the connection, or set HF_HUB_OFFLINE=1/,
      ),
    });
    expect(readdirSync(rig.cacheFolder)).toEqual([]);
  });

  it('a cache that cannot be written says so', async () => {
    const rig = await rigFor('public');
    const blocked = join(rig.cacheFolder, 'file');
    writeFileSync(blocked, '');
    const hub = { ...rig.hub, cacheFolder: join(blocked, 'cache') };
    await expect(rig.pull('org/name', { hub })).rejects.toMatchObject({ code: 'HUB_CACHE_UNWRITABLE' });
  });
});
