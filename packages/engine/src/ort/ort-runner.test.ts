import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CompiledModel, compileModel } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineErrorOf, llama, temporaryFolder } from '../engine.testing.ts';
import { StepRig } from '../step-rig.testing.ts';
import { OrtRunner } from './ort-runner.ts';
import { openSession } from './session.ts';

const options = { threads: 1, spinning: false };
const [, , golden] = llama.goldens as [unknown, unknown, (typeof llama.goldens)[number]];
let model: CompiledModel;
beforeAll(async () => {
  model = await compileModel(llama.folder, { levels: LEVEL_COUNT, cacheFolder: temporaryFolder() });
});

async function withRig<Value>(pages: number, work: (rig: StepRig) => Promise<Value>): Promise<Value> {
  const runner = await OrtRunner.open(model, options);
  try {
    return await work(new StepRig(runner, { pages, pageSize: 16 }));
  } finally {
    await runner.dispose();
  }
}

/** Least milliseconds of a decode step's run over a pool of so many pages. */
function leastRunMs(pages: number): Promise<number> {
  return withRig(pages, async (rig) => {
    rig.submit(golden.ids, 24);
    await rig.step();
    const times: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      const plan = rig.plan();
      const started = performance.now();
      const outputs = await rig.run(plan);
      times.push(performance.now() - started);
      rig.commit(plan, outputs);
    }
    return Math.min(...times);
  });
}

describe('OrtRunner', () => {
  it('gives the golden tokens step by step, in the shapes that the port promises', async () => {
    await withRig(64, async (rig) => {
      rig.submit(golden.ids, 3);
      const plan = rig.plan();
      const outputs = await rig.run(plan, Int32Array.of(0));
      const { layers, kvHeads, headDim, vocabulary } = model.shape;
      expect(outputs.newKeys).toHaveLength(layers * golden.ids.length * kvHeads * headDim);
      expect(outputs.newValues).toHaveLength(outputs.newKeys.length);
      expect(outputs.logits).toHaveLength(vocabulary);
      expect(outputs.logits[outputs.argmax[0] as number]).toBe(Math.max(...outputs.logits));
      rig.commit(plan, outputs);
      expect([outputs.argmax[0], ...(await rig.step()), ...(await rig.step())]).toEqual(golden.greedy.slice(0, 3));
    });
  });

  it('runs a step in which nobody wants a next token', async () => {
    await withRig(64, async (rig) => {
      rig.submit(new Array<number>(200).fill(7), 1);
      const plan = rig.plan();
      // 128 of 200 tokens: the prompt goes on in the next step.
      expect({ rows: plan.rowCount, heads: plan.headCount }).toEqual({ rows: 128, heads: 0 });
      rig.commit(plan, await rig.run(plan));
      expect(await rig.step()).toHaveLength(1);
    });
  });

  // Why: outputs are always copied, and a later runtime may copy inputs too; then each step would cost as much as all pages.
  it('reads the pools in place: a step over 512 MiB of pages costs no more than over 1 MiB', async () => {
    const tokenBytes = 2 * model.shape.layers * model.shape.kvHeads * model.shape.headDim * 4;
    const small = await leastRunMs(Math.floor(2 ** 20 / (16 * tokenBytes)));
    const large = await leastRunMs(Math.floor(2 ** 29 / (16 * tokenBytes)));
    // Copying 512 MiB takes at least 40 ms.
    expect(large - small).toBeLessThan(20);
  });

  it('fails a step that the graph cannot run, and runs the next one', async () => {
    await withRig(64, async (rig) => {
      rig.submit(golden.ids, 2);
      const plan = rig.plan();
      const position = plan.positions[0] as number;
      plan.positions[0] = 1 << 20;
      await expect(rig.run(plan)).rejects.toThrow(/position/i);
      plan.positions[0] = position;
      rig.commit(plan, await rig.run(plan));
      expect([...(await rig.step())]).toEqual([golden.greedy[1]]);
    });
  });

  it('is disposed once, whoever asks', async () => {
    const runner = await OrtRunner.open(model, options);
    const disposal = runner.dispose();
    expect(runner.dispose()).toBe(disposal);
    await disposal;
  });
});

describe('openSession', () => {
  it('says which file the runtime could not load', async () => {
    const file = join(temporaryFolder(), 'model.onnx');
    writeFileSync(file, 'no graph');
    const error = await engineErrorOf(openSession(file, options));
    expect(error.code).toBe('OPEN_FAILED');
    expect(error.message).toContain(`The runtime could not load ${file}: `);
    expect(error.cause).toBeInstanceOf(Error);
  });
});
