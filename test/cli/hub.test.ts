/** Models of a hub that listens on this machine, from the command line and as a library. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hubSettings, type OpenProgress, openEngine } from 'octavo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HubServer } from '../hub/hub-server.testing.ts';
import { ended, llama, llamaGolden, octavo, octavoJson, scratch, startOctavo } from './octavo.testing.ts';

const server = new HubServer({ tokens: ['hf_granted'] });
const weights = readFileSync(join(llama, 'model.safetensors'));
const tiny = { 'config.json': readFileSync(join(llama, 'config.json')), 'model.safetensors': weights };
const golden = llamaGolden[1]!;
const ids = golden.ids.join(',');

beforeAll(async () => {
  await server.listen();
  server.push('org/tiny', tiny);
  const graph = readFileSync(join(llama, 'onnx/model.onnx'));
  server.push('org/export', { 'config.json': tiny['config.json'], 'onnx/model.onnx': graph });
  server.push('org/gated', tiny, 'gated');
  server.push('org/slow', tiny);
});
afterAll(() => server.close());

let caches = 0;
/** A cache of its own, and the hub of this file. */
function hubEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    HF_HOME: join(scratch, `hf-${caches++}`),
    HF_ENDPOINT: server.url,
    HF_TOKEN: '',
    HF_HUB_CACHE: '',
    HF_HUB_OFFLINE: '',
    ...more,
  };
}

interface Generated {
  readonly ids: readonly number[];
}

const generateArgs = (model: string) => [
  'generate',
  '--model',
  model,
  '--ids',
  ids,
  '--max-tokens',
  '24',
  '--ignore-eos',
];

describe('octavo with a model of the hub', () => {
  it('pulls it, and then answers as it should without the hub', async () => {
    const env = hubEnv();
    const pulled = await octavoJson<{ folder: string; downloadedBytes: number }>(['pull', 'org/tiny'], { env });
    expect(pulled.downloadedBytes).toBe(weights.length + tiny['config.json'].length);
    expect(readFileSync(join(pulled.folder, 'model.safetensors')).equals(weights)).toBe(true);
    const offline = { ...env, HF_HUB_OFFLINE: '1', HF_ENDPOINT: 'http://127.0.0.1:1' };
    const generated = await octavoJson<Generated>(generateArgs('org/tiny'), { env: offline });
    expect(generated.ids).toEqual(golden.greedy);
    const inspected = await octavoJson<{ name: string; supported: boolean }>(['inspect', 'org/tiny'], { env: offline });
    expect(inspected).toMatchObject({ name: 'org/tiny', supported: true });
  });

  it('fetches what a command needs, an export too', async () => {
    const env = hubEnv();
    const generated = await octavoJson<Generated>(generateArgs('org/export@main'), { env });
    expect(generated.ids).toEqual(golden.greedy);
  });

  it('goes on where it was interrupted', async () => {
    const env = hubEnv();
    server.fault = ({ url, range, server: from }) =>
      from === 'network' && url.includes('org/slow') && range !== 'bytes=0-0' ? { hangAfter: 300_000 } : undefined;
    const child = startOctavo(['pull', 'org/slow'], { env, stdin: '' });
    const blobs = join(env.HF_HOME!, 'hub/models--org--slow/blobs');
    const part = () => readdirSync(blobs).find((name) => name.endsWith('-incomplete'));
    await expect
      .poll(() => readFileSync(join(blobs, part()!)).length, { timeout: 20_000 })
      .toBeGreaterThanOrEqual(300_000);
    child.kill('SIGINT');
    const { status, stderr } = await ended(child);
    expect(status).toBe(130);
    expect(stderr).toContain('what arrived is kept');
    expect(readdirSync(blobs).filter((name) => name.endsWith('-lock'))).toEqual([]);
    server.fault = () => undefined;
    const pulled = await octavoJson<{ downloadedBytes: number }>(['pull', 'org/slow'], { env });
    expect(pulled.downloadedBytes).toBeLessThanOrEqual(weights.length - 300_000);
    expect(server.bodiesOf('org/slow').some(({ range }) => /^bytes=3\d{5}-$/.test(range ?? ''))).toBe(true);
  });

  it('is fetched once by several processes at once', async () => {
    const env = hubEnv();
    server.requests.length = 0;
    const pulls = await Promise.all([1, 2, 3].map(() => octavo(['pull', 'org/tiny'], { env })));
    expect(pulls.map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(server.bodiesOf('model.safetensors').filter(({ server: from }) => from === 'network')).toHaveLength(1);
  });

  it('says what to do about a gated model, and takes a token', async () => {
    const { status, stderr } = await octavo(['pull', 'org/gated'], { env: hubEnv() });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^octavo: HUB_ACCESS_DENIED: org\/gated is gated; accept its terms on .* then set HF_TOKEN/);
    expect((await octavo(['pull', 'org/gated'], { env: hubEnv({ HF_TOKEN: 'hf_granted' }) })).status).toBe(0);
  });

  it('says so when there is none of that name, here or there', async () => {
    const { status, stderr } = await octavo(['score', '--ids', '1', '--model', 'org/none'], { env: hubEnv() });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^octavo: HUB_MODEL_MISSING: .* has no public model org\/none; .*\n$/);
  });
});

describe('openEngine with a model of the hub', () => {
  it('fetches it, tells how far it is, and answers as it should', async () => {
    const progress: OpenProgress[] = [];
    const engine = await openEngine('org/tiny', {
      hub: hubSettings(hubEnv()),
      cacheFolder: join(scratch, 'cache'),
      onProgress: (news) => progress.push(news),
    });
    const { ids: answer } = await engine.generate({ ids: golden.ids, maxTokens: 24, ignoreEos: true }).result();
    await engine.close();
    expect(answer).toEqual(golden.greedy);
    const download = progress.filter(({ status }) => status === 'download').at(-1);
    expect(download).toMatchObject({ loaded: download!.total });
  });

  it('rejects with the code of what failed, and with the reason of its signal', async () => {
    const hub = hubSettings(hubEnv());
    await expect(openEngine('org/none', { hub })).rejects.toMatchObject({
      name: 'EngineError',
      code: 'HUB_MODEL_MISSING',
    });
    await expect(openEngine('org/tiny', { hub, file: '*.onnx' })).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
    const signal = AbortSignal.abort(new Error('not now'));
    await expect(openEngine('org/tiny', { hub, signal })).rejects.toThrow('not now');
  });
});
