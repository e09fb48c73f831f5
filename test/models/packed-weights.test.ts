import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '@octavo/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation, fixtureFolder } from './fixtures.ts';
import { goldenCases } from './golden-cases.ts';
import type { Config } from './reference/config.ts';
import { referenceLogits } from './reference/models.ts';
import { type PackedFormat, roundedTo } from './reference/rounding.ts';
import { RandomTensors, readConfig, storedTensors, type Tensors, withRounding } from './reference/tensors.ts';
import { referenceCases } from './reference-cases.ts';

/**
 * An activation that lies on the border between two codes may fall on either side of it in float32, which moves logits by about a hundredth;
 * a block in a wrong place moves all of them by their own size. So each prompt has to come near, and one of them has to meet.
 */
const NEAR = 0.1;
const MET = 1e-5;

const prompts = [20, 11, 5].map((tokens, seed) =>
  Array.from({ length: tokens }, (_, at) => (at * at * 7 + 11 * at + 31 * seed + 3) % 96),
);

interface PackedCase {
  readonly name: string;
  readonly folder: string;
  readonly config: Config;
  readonly tensors: Tensors;
  readonly contextTokens?: number;
}

describe('packed weights', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'octavo-packed-'));
  afterAll(() => rmSync(scratch, { recursive: true }));

  const stored = goldenCases.map(({ architecture, fixture }): PackedCase => {
    const folder = fixtureFolder(fixture);
    return { name: architecture, folder, config: readConfig(folder), tensors: storedTensors(folder) };
  });
  const random = referenceCases.map(({ architecture, about, config, contextTokens }, at): PackedCase => {
    const context = contextTokens === undefined ? {} : { contextTokens };
    const tensors = new RandomTensors(at);
    return { name: `${architecture}: ${about}`, folder: join(scratch, String(at)), config, tensors, ...context };
  });
  beforeAll(() => {
    for (const [at, { config, tensors, folder }] of random.entries()) {
      referenceLogits({ config, tensors, ids: [0] });
      (tensors as RandomTensors).write(folder, { ...config, architectures: [referenceCases[at]!.architecture] });
    }
  });

  const formats: readonly PackedFormat[] = ['q4', 'q8', 'w8a8', 'q4+w8a8'];
  const cases = [...stored, ...random].flatMap((one) => formats.map((weights) => ({ ...one, weights })));
  it.each(cases)('give the logits of the rounded model, $weights of $name', async (given) => {
    const { folder, weights, config, contextTokens } = given;
    const context = contextTokens === undefined ? {} : { contextTokens };
    const options = {
      mode: 'in-thread',
      weights,
      cacheFolder: join(scratch, 'cache'),
      threads: 1,
    } as const;
    const engine = await openEngine(folder, { ...options, ...context, pages: 16 });
    const off: number[] = [];
    for (const ids of prompts) {
      const tensors = withRounding(given.tensors, roundedTo(weights, ids.length));
      const { lastLogits } = await engine.score({ ids });
      off.push(deviation(lastLogits, [...referenceLogits({ config, tensors, ids, ...context }).at(-1)!]));
    }
    await engine.close();
    expect(Math.max(...off)).toBeLessThan(NEAR);
    expect(Math.min(...off)).toBeLessThan(MET);
  });
});
