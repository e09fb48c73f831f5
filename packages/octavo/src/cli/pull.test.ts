import type { ResolvedModel } from '@octavo/models';
import { ModelsError } from '@octavo/models';
import { describe, expect, it } from 'vitest';
import type { ResolveModel } from './context.ts';
import { fakeHost } from './fake-host.testing.ts';
import { main } from './main.ts';

const commit = 'a1'.repeat(20);
const pulled: ResolvedModel = {
  folder: '/cache/snapshots/x',
  source: 'hub',
  hub: {
    name: 'org/name',
    revision: 'main',
    commit,
    files: [
      { path: 'config.json', bytes: 500 },
      { path: 'model.safetensors', bytes: 2_000_000 },
    ],
    downloadedBytes: 1_500_000,
  },
};

function hostThatPulls(resolveModel: ResolveModel, isTTY = false) {
  const fake = fakeHost({ isTTY, env: { HF_HOME: '/hf', HF_ENDPOINT: 'http://mirror', NO_COLOR: '1' } });
  return { ...fake, run: (...argv: string[]) => main(argv, { ...fake.host, resolveModel }) };
}

describe('octavo pull', () => {
  it('prints where the model is, and on standard error what it took', async () => {
    const { run, stdout, stderr } = hostThatPulls(async () => pulled);
    expect(await run('pull', 'org/name')).toBe(0);
    expect(stdout()).toBe('/cache/snapshots/x\n');
    expect(stderr()).toBe('org/name at a1a1a1a1a1a1: 2 files, 2 MB; 1.5 MB fetched\n');
  });

  it('prints one JSON object', async () => {
    const { run, stdout, stderr } = hostThatPulls(async () => ({ ...pulled, onnxFile: '/cache/snapshots/x/m.onnx' }));
    expect(await run('pull', 'org/name', '--json')).toBe(0);
    const expected = { ...pulled.hub, folder: pulled.folder, onnxFile: '/cache/snapshots/x/m.onnx', bytes: 2_000_500 };
    expect(JSON.parse(stdout())).toEqual(expected);
    expect(stderr()).toBe('');
  });

  it('asks the hub that the environment names for what is new', async () => {
    const asked: Parameters<ResolveModel>[] = [];
    const { run } = hostThatPulls(async (...args) => {
      asked.push(args);
      return pulled;
    });
    await run('pull', 'org/name', '--file', '*q4*', '--revision', 'v1');
    expect(asked).toEqual([
      [
        'org/name',
        expect.objectContaining({
          file: '*q4*',
          revision: 'v1',
          freshness: 'newest',
          hub: expect.objectContaining({ endpoint: 'http://mirror', cacheFolder: '/hf/hub', offline: false }),
        }),
      ],
    ]);
  });

  it('shows a bar on a terminal, and a line a file elsewhere', async () => {
    const resolveModel: ResolveModel = async (_, { onProgress } = {}) => {
      onProgress?.({ status: 'initiate', file: 'model.safetensors', loaded: 0, total: 2_000_000 });
      onProgress?.({ status: 'progress', file: 'model.safetensors', loaded: 1_000_000, total: 2_000_000 });
      onProgress?.({ status: 'done', file: 'model.safetensors', loaded: 2_000_000, total: 2_000_000 });
      return pulled;
    };
    const plain = hostThatPulls(resolveModel);
    await plain.run('pull', 'org/name');
    expect(plain.stderr()).toContain('fetched model.safetensors (2 MB)\n');
    const terminal = hostThatPulls(resolveModel, true);
    await terminal.run('pull', 'org/name');
    expect(terminal.stderr()).toContain('0 B of 2 MB');
    expect(terminal.stderr()).toContain('model.safetensors');
    const program = hostThatPulls(resolveModel);
    await program.run('pull', 'org/name', '--json');
    expect(program.stderr()).toBe('');
  });

  it('ends with 2 for what another input would have avoided, and with 1 for the rest', async () => {
    for (const [code, status] of [
      ['HUB_MODEL_MISSING', 2],
      ['HUB_ACCESS_DENIED', 2],
      ['HUB_UNREACHABLE', 1],
      ['DOWNLOAD_CORRUPT', 1],
      ['DISK_FULL', 1],
    ] as const) {
      const { run, stderr } = hostThatPulls(() => Promise.reject(new ModelsError(code, 'It did not work; try this.')));
      expect(await run('pull', 'org/name')).toBe(status);
      expect(stderr()).toBe(`octavo: ${code}: It did not work; try this.\n`);
    }
  });

  it('stops at once when it is interrupted, and says that what arrived is kept', async () => {
    const { run, stderr, signals } = hostThatPulls(
      (_, { signal } = {}) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    );
    setTimeout(() => signals.emit('SIGINT'), 10);
    expect(await run('pull', 'org/name')).toBe(130);
    expect(stderr()).toBe('interrupted: what arrived is kept, the same command goes on from there\n');
  });

  it('has nothing to fetch for a model on this machine', async () => {
    const { run, stderr } = fakeHost();
    expect(await run('pull', './folder')).toBe(2);
    expect(stderr()).toContain('octavo: MODEL_OPTION_INVALID: ./folder is on this machine already');
  });
});

describe('a command that runs a model', () => {
  it('passes its choice of files on, and opens what was found', async () => {
    const { run, log } = fakeHost();
    await run('score', '--ids', '1', '--model', 'org/name', '--file', '*q4*', '--revision', 'v1');
    await run('chat', 'org/name@v2', '--file', 'x');
    expect(
      log.resolved.map(({ model, options: { file, revision, freshness } }) => ({ model, file, revision, freshness })),
    ).toEqual([
      { model: 'org/name', file: '*q4*', revision: 'v1', freshness: undefined },
      { model: 'org/name@v2', file: 'x', revision: undefined, freshness: undefined },
    ]);
    expect(log.opened.map(({ model }) => model)).toEqual(['org/name', 'org/name@v2']);
  });
});
