import { chmodSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CompiledModel, compileModel } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import { beforeEach, describe, expect, it } from 'vitest';
import { engineErrorOf, llama, temporaryFolder } from '../engine.testing.ts';
import { StepRig } from '../step-rig.testing.ts';
import { OrtRunner } from './ort-runner.ts';

const [, , golden] = llama.goldens as [unknown, unknown, (typeof llama.goldens)[number]];

let model: CompiledModel;
let folder: string;
beforeEach(async () => {
  model = await compileModel(llama.folder, { levels: LEVEL_COUNT, cacheFolder: temporaryFolder(), weights: 'q4' });
  folder = dirname(model.graphFile);
});

/** Opens the model and returns the bits of a step's logits. */
async function logits(): Promise<Uint8Array> {
  const runner = await OrtRunner.open(model, { threads: 1, spinning: false });
  try {
    const rig = new StepRig(runner, { pages: 64, pageSize: 16 });
    rig.submit(golden.ids, 1);
    const outputs = await rig.run(rig.plan(), Int32Array.of(0));
    expect(outputs.logits).toHaveLength(model.shape.vocabulary);
    return new Uint8Array(outputs.logits.buffer, outputs.logits.byteOffset, outputs.logits.byteLength).slice();
  } finally {
    await runner.dispose();
  }
}

const optimised = () => readdirSync(folder).filter((name) => name.includes('optimised'));
/** The only one there, as a path. */
const keptFile = () => join(folder, optimised()[0] ?? 'none was kept');

describe('the optimised graph', () => {
  it('is kept by the first session, read by the next ones, and gives the same bits', async () => {
    const first = await logits();
    expect(optimised()).toEqual([expect.stringMatching(/^optimised-1\.30\.0-\w+-[0-9a-f]{32}\.onnx$/)]);
    // With the graph itself out of the way, only the kept one can be what is loaded.
    const graph = readFileSync(model.graphFile);
    writeFileSync(model.graphFile, 'no graph');
    expect(await logits()).toEqual(first);
    writeFileSync(model.graphFile, graph);
    rmSync(keptFile());
    expect(await logits()).toEqual(first);
  });

  it('is made again when it is damaged', async () => {
    const first = await logits();
    const whole = readFileSync(keptFile());
    truncateSync(keptFile(), whole.length - 100);
    expect(await logits()).toEqual(first);
    expect(readFileSync(keptFile())).toEqual(whole);
    expect(optimised()).toHaveLength(1);
  });

  it('is gone without when an empty one says that it is not worth keeping', async () => {
    const first = await logits();
    rmSync(keptFile());
    // Named by the digest of nothing.
    const empty = 'optimised-1.30.0-'.concat(process.arch, '-e3b0c44298fc1c149afbf4c8996fb924.onnx');
    writeFileSync(join(folder, empty), '');
    expect(await logits()).toEqual(first);
    expect(optimised()).toEqual([empty]);
  });

  it('is not asked for where nothing can be written', async () => {
    chmodSync(folder, 0o500);
    try {
      expect(await logits()).toHaveLength(model.shape.vocabulary * 4);
      // A superuser may write everywhere.
      expect(optimised()).toHaveLength(process.getuid?.() === 0 ? 1 : 0);
    } finally {
      chmodSync(folder, 0o700);
    }
  });

  it('sweeps away what a process that died had begun to write, and leaves what another one writes', async () => {
    const [old, young] = ['.optimised-old.onnx', '.optimised-young.onnx'];
    for (const name of [old, young]) writeFileSync(join(folder, name), 'a part');
    const twoHoursAgo = new Date(Date.now() - 7_200_000);
    utimesSync(join(folder, old), twoHoursAgo, twoHoursAgo);
    await logits();
    expect(optimised().filter((name) => name.startsWith('.'))).toEqual([young]);
  });

  it('leaves the error of a graph that cannot be loaded as it is, and nothing behind', async () => {
    writeFileSync(model.graphFile, 'no graph');
    const error = await engineErrorOf(logits());
    expect(error.code).toBe('OPEN_FAILED');
    expect(error.message).toContain(`The runtime could not load ${model.graphFile}: `);
    expect(optimised()).toEqual([]);
  });
});
