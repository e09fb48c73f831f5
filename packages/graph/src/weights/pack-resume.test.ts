/** An interrupted packing, by a process of its own that dies in the middle. Needs built files. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileModel } from '../compile-model.ts';
import type { CompiledModel, WeightFormat } from '../compiled-model.ts';
import { writeModel } from '../model-folder.testing.ts';

let folder: string;
let cache: string;
let model: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-resume-'));
  cache = join(folder, 'cache');
  model = writeModel(join(folder, 'model'), {
    config: { hidden_size: 64, intermediate_size: 96, num_hidden_layers: 6 },
  }).folder;
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Rope tables come first: 64 positions of 8 cosines. */
const FIRST_WEIGHT_BYTES = 64 * 8 * 4;

const compile = (into = cache, weights: WeightFormat = 'q8'): Promise<CompiledModel> =>
  compileModel(model, { levels: 1, weights, cacheFolder: into });

/** Starts a process that packs the model, and calls `atHalf` (source text) when half of the bytes are written. */
function startPacking(atHalf: string, weights: WeightFormat = 'q8') {
  const library = new URL('../../dist/index.js', import.meta.url).href;
  const script = `
    import { existsSync } from 'node:fs';
    const { compileModel } = await import(${JSON.stringify(library)});
    let isBefore = true;
    const onProgress = ({ status, loaded, total }) => {
      if (status !== 'pack' || loaded < total / 2 || !isBefore) return;
      isBefore = false;
      ${atHalf}
    };
    const options = { levels: 1, weights: ${JSON.stringify(weights)}, cacheFolder: ${JSON.stringify(cache)}, onProgress };
    console.log((await compileModel(${JSON.stringify(model)}, options)).fromCache);`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Lets a process die in the middle. Returns the folder that it leaves, and the lines of its journal. */
async function interrupt(weights?: WeightFormat): Promise<{ partial: string; lines: string[] }> {
  const child = startPacking(`process.kill(process.pid, 'SIGKILL');`, weights);
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
  const left = readdirSync(cache);
  expect(left).toEqual([expect.stringMatching(/^\.partial-/)]);
  const partial = join(cache, left[0] as string);
  expect(readdirSync(partial).sort()).toEqual(['weights.bin', 'weights.journal']);
  return { partial, lines: readFileSync(join(partial, 'weights.journal'), 'utf8').trim().split('\n') };
}

const packedOf = (compiled: CompiledModel) => readFileSync(join(compiled.graphFile, '..', 'weights.bin'));
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const hex = (checksum: number) => checksum.toString(16).padStart(8, '0');

describe('a packing that was killed in the middle', () => {
  it.each(['q8', 'w8a8'] as const)(
    'goes on where it stopped, and gives what an uninterrupted one gives (%s)',
    async (weights) => {
      const { lines } = await interrupt(weights);
      const whole = await compile(join(folder, 'other cache'), weights);
      const resumed = await compile(cache, weights);
      expect(digestOf(packedOf(resumed))).toBe(digestOf(packedOf(whole)));
      expect(readdirSync(cache)).toEqual([resumed.fingerprint]);
      expect(readdirSync(join(cache, resumed.fingerprint)).sort()).toEqual([
        'compiled.json',
        'model.onnx',
        'model.safetensors',
        'weights.bin',
      ]);
      // The tables of the rotary embedding, and some of the 25 matrices with codes and scales each.
      expect(lines.length).toBeGreaterThan(10);
      expect(lines.length).toBeLessThan(50);
    },
  );

  it('does not write again what its journal vouches for', async () => {
    const { partial, lines } = await interrupt();
    const file = join(partial, 'weights.bin');
    const bytes = readFileSync(file);
    const first = () => crc32(bytes.subarray(0, FIRST_WEIGHT_BYTES));
    expect(lines[0]).toBe(`0 ${hex(first())}`);
    // Another byte, and a journal that says so: it is still there in the end only if nobody packed that weight again.
    bytes[5] = (bytes[5] as number) ^ 0xff;
    writeFileSync(file, bytes);
    writeFileSync(join(partial, 'weights.journal'), `${[`0 ${hex(first())}`, ...lines.slice(1)].join('\n')}\n`);
    expect(packedOf(await compile())[5]).toBe(bytes[5]);
  });

  const damages: readonly (readonly [string, (partial: string, lines: string[]) => void])[] = [
    [
      'bytes that its journal is wrong about',
      (partial) => {
        const bytes = readFileSync(join(partial, 'weights.bin'));
        bytes[5] = (bytes[5] as number) ^ 0xff;
        writeFileSync(join(partial, 'weights.bin'), bytes);
      },
    ],
    ['a packed file that lost its end', (partial) => writeFileSync(join(partial, 'weights.bin'), Buffer.alloc(100))],
    [
      'a packed file that has grown',
      (partial) => writeFileSync(join(partial, 'weights.bin'), Buffer.alloc(1 << 20), { flag: 'a' }),
    ],
    ['no journal', (partial) => rmSync(join(partial, 'weights.journal'))],
    [
      'a journal cut short in a line',
      (partial, lines) => writeFileSync(join(partial, 'weights.journal'), lines.join('\n').slice(0, -4)),
    ],
    [
      'a journal of nonsense',
      (partial) => writeFileSync(join(partial, 'weights.journal'), '999999 00000000\n-1 ffffffff\n\0\0\0\n0 0\n'),
    ],
  ];
  it.each(damages)('is made whole when it left %s', async (_, damage) => {
    const { partial, lines } = await interrupt();
    damage(partial, lines);
    const whole = await compile(join(folder, 'other cache'));
    expect(digestOf(packedOf(await compile()))).toBe(digestOf(packedOf(whole)));
  });

  it('is not taken over for another graph', async () => {
    const { partial } = await interrupt();
    await compileModel(model, { levels: 1, weights: 'q4', cacheFolder: cache });
    expect(readdirSync(partial).sort()).toEqual(['weights.bin', 'weights.journal']);
  });

  it('is taken over from another machine only when it has been quiet for long', async () => {
    const { partial } = await interrupt();
    const foreign = partial.replace(/\.[0-9a-f]{12}\.(\d+)\./, '.000000000000.$1.');
    renameSync(partial, foreign);
    const compiled = await compile();
    expect(readdirSync(foreign).sort()).toEqual(['weights.bin', 'weights.journal']);
    rmSync(join(cache, compiled.fingerprint), { recursive: true });
    const twoMinutesAgo = Date.now() / 1000 - 120;
    for (const name of ['weights.bin', 'weights.journal', '.'])
      utimesSync(join(foreign, name), twoMinutesAgo, twoMinutesAgo);
    await compile();
    expect(readdirSync(cache)).toEqual([compiled.fingerprint]);
  });
});

describe('a packing whose process lives', () => {
  it('is left alone by another one that wants the same graph; both get it', async () => {
    const go = join(folder, 'go');
    const child = startPacking(`
      console.log('half');
      const cell = new Int32Array(new SharedArrayBuffer(4));
      while (!existsSync(${JSON.stringify(go)})) Atomics.wait(cell, 0, 0, 20);`);
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    await once(child.stdout, 'data');
    const compiled = await compile();
    expect(readdirSync(cache)).toHaveLength(2);
    writeFileSync(go, '');
    await once(child, 'exit');
    expect(said).toBe('half\nfalse\n');
    expect(readdirSync(cache)).toEqual([compiled.fingerprint]);
  });
});
