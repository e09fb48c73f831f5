import { readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WEIGHT_FORMATS, type WeightFormat } from '@octavo/graph';
import { choiceFrom } from '../arguments.ts';
import { makeRandomLlama } from '../models/random-llama.ts';
import { joined, seededIds } from '../token-ids.ts';

/** The shapes that the engine benches run; weights are random, so only speed and agreement mean anything. */
export const shapes = {
  /** 135 million parameters. */
  '135m': {
    hidden: 576,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    intermediate: 1536,
    vocabulary: 49_152,
    contextTokens: 8192,
  },
  /** 1.3 billion parameters. */
  '1.3b': {
    hidden: 2048,
    layers: 24,
    heads: 16,
    kvHeads: 16,
    intermediate: 5504,
    vocabulary: 50_304,
    contextTokens: 2048,
  },
  /** 0.5 billion parameters. */
  '0.5b': {
    hidden: 896,
    layers: 24,
    heads: 14,
    kvHeads: 2,
    intermediate: 4864,
    vocabulary: 151_936,
    contextTokens: 4096,
  },
  /** 25 million parameters: large enough for its weights to show in the memory of a process. */
  small: {
    hidden: 512,
    layers: 8,
    heads: 8,
    kvHeads: 4,
    intermediate: 1408,
    vocabulary: 4096,
    contextTokens: 2048,
  },
  /** For smoke runs: seconds instead of minutes, no figure to quote. */
  tiny: { hidden: 64, layers: 2, heads: 4, kvHeads: 2, intermediate: 128, vocabulary: 1024, contextTokens: 2048 },
} as const;

export type ShapeName = keyof typeof shapes;

/** Where bench models and their compiled graphs are kept between runs: OCTAVO_BENCH_FOLDER, else the platform's temporary folder. */
export function benchFolder(): string {
  return process.env.OCTAVO_BENCH_FOLDER ?? join(tmpdir(), 'octavo-bench');
}

/** What kept results are of. */
export const USUAL_WEIGHTS: WeightFormat = 'q4';

/** Format of the weights of workloads (storefront, voice, agents, long), step-share and event-loop: OCTAVO_BENCH_WEIGHTS, else `q4`. */
export function benchWeights(): WeightFormat {
  return choiceFrom('OCTAVO_BENCH_WEIGHTS', WEIGHT_FORMATS, USUAL_WEIGHTS);
}

/** Where benches keep compiled graphs. */
export function benchCache(): string {
  return join(benchFolder(), 'cache');
}

/** Effect: makes the model folder of a shape unless it is there. Returns its path. */
export function benchModel(shape: ShapeName): Promise<string> {
  const recipe = { ...shapes[shape], seed: 1 };
  return madeOnce(`llama-${shape}`, recipe, (folder) => makeRandomLlama(folder, shapes[shape], recipe.seed));
}

/** Effect: makes a model folder of that name unless one of the same recipe is there. Returns its path. */
export async function madeOnce(name: string, recipe: object, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(benchFolder(), name);
  // The recipe is written last, so a folder that was left half-made is made again.
  const marker = join(folder, 'recipe.json');
  const wanted = JSON.stringify(recipe);
  const found = await readFile(marker, 'utf8').catch(() => undefined);
  if (found !== wanted) {
    await make(folder);
    await writeFile(`${marker}.part`, wanted);
    await rename(`${marker}.part`, marker);
  }
  return folder;
}

/** `count` prompts that begin with the same `sharedTokens` and go on with `privateTokens` of their own. Pure. */
export function sharedPrompts(options: {
  count: number;
  sharedTokens: number;
  privateTokens: number;
  vocabulary: number;
  /** Of the private parts; the shared one is the same for all. */
  seed: number;
}): Uint32Array[] {
  const shared = seededIds(7, options.sharedTokens, options.vocabulary);
  return Array.from({ length: options.count }, (_, i) =>
    joined([shared, seededIds(100 + options.seed + i, options.privateTokens, options.vocabulary)]),
  );
}
