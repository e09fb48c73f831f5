/** Shared by the tests of deterministic graphs: models that take long prompts, and all logits of a run as bits. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { llama, temporaryFolder } from '../engine.testing.ts';
import type { StepRig } from '../step-rig.testing.ts';

/** Logits by prompt and position, as bits. */
export type Logits = Map<string, Uint32Array>;

export interface Arrival {
  /** Index of a prompt. */
  readonly prompt: number;
  /** It comes then, or as soon as nothing is left to run. */
  readonly atStep: number;
}

export interface Served {
  readonly prompts: readonly (readonly number[])[];
  readonly newTokens: number;
  /** In order of `atStep`. */
  readonly arrivals: readonly Arrival[];
  /** Counts what happened. */
  readonly seen?: { cached: number; chunked: number; batched: number; preempted: number };
}

/** Computes the arrivals and returns the logits of every head. Fails when two heads of one prompt and position differ. */
export async function serve(rig: StepRig, { prompts, newTokens, arrivals, seen }: Served): Promise<Logits> {
  const promptOf = new Map<number, number>();
  const logits: Logits = new Map();
  const waiting = [...arrivals];
  const { vocabulary } = rig.runner.shape;
  for (let step = 0; waiting.length > 0 || rig.scheduler.runningCount + rig.scheduler.waitingCount > 0; step += 1) {
    const due = rig.scheduler.runningCount + rig.scheduler.waitingCount === 0 ? Number.POSITIVE_INFINITY : step;
    while (waiting[0] !== undefined && waiting[0].atStep <= due) {
      const { prompt } = waiting.shift() as Arrival;
      promptOf.set(rig.submit(prompts[prompt] as readonly number[], newTokens), prompt);
    }
    const plan = rig.plan();
    const heads = Int32Array.from({ length: plan.headCount }, (_, head) => head);
    const outputs = await rig.run(plan, heads);
    for (let head = 0; head < plan.headCount; head += 1) {
      const row = plan.headRow[head] as number;
      const key = `${promptOf.get(plan.headSequence[head] as number)}:${plan.positions[row]}`;
      const bits = new Uint32Array(outputs.logits.slice(head * vocabulary, (head + 1) * vocabulary).buffer);
      const known = logits.get(key);
      if (known !== undefined) expect([key, bits]).toEqual([key, known]);
      logits.set(key, bits);
    }
    const ids = [...plan.sequences.subarray(0, plan.sequenceCount)];
    if (seen !== undefined) {
      seen.batched += plan.sequenceCount > 1 ? 1 : 0;
      seen.chunked += plan.sequenceCount > plan.headCount ? 1 : 0;
    }
    rig.commit(plan, outputs);
    if (seen === undefined) continue;
    for (const id of ids) {
      const usage = rig.scheduler.usage(id);
      seen.cached += usage.cachedTokens;
      seen.preempted += usage.preemptions;
    }
  }
  return logits;
}

/** A test model that takes prompts of more than one block. Learned positions come again and again. */
export function longer(model: string, contextTokens = 1024): string {
  const folder = temporaryFolder();
  const from = join(llama.folder, '..', model);
  const config = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8')) as Record<string, unknown>;
  const field = ['n_positions', 'max_position_embeddings'].find((name) => name in config) as string;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, [field]: contextTokens }));
  const weights = join(from, 'model.safetensors');
  if (field === 'n_positions') writeFileSync(join(folder, 'model.safetensors'), withPositions(weights, contextTokens));
  else copyFileSync(weights, join(folder, 'model.safetensors'));
  return folder;
}

interface StoredTensor {
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

function withPositions(file: string, contextTokens: number): Buffer {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, StoredTensor>;
  const name = Object.keys(header).find((key) => key.endsWith('wpe.weight')) as string;
  const { shape, data_offsets: old, ...rest } = header[name] as StoredTensor;
  const [known = 1, width = 1] = shape;
  const rows = bytes.subarray(start + old[0], start + old[1]);
  const longerRows = Buffer.concat(Array.from({ length: contextTokens / known }, () => rows));
  const end = bytes.length - start;
  // The old rows stay, as bytes that no tensor has: all others keep their places only so.
  const tensors = Object.fromEntries(
    Object.entries(header).map(([key, tensor]) =>
      key === name
        ? [key, { ...rest, shape: [contextTokens, width], data_offsets: [end, end + longerRows.length] }]
        : [key, tensor],
    ),
  );
  const text = JSON.stringify(tensors);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([size, json, bytes.subarray(start), longerRows]);
}
