/** A hub, an empty cache, and a way to ask for models. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type HubSettings,
  type ModelProgress,
  type ResolvedModel,
  type ResolveOptions,
  resolveModel,
} from '@octavo/models';
import { afterEach } from 'vitest';
import { HubServer, type HubServerOptions } from './hub-server.testing.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export interface PullRig {
  readonly server: HubServer;
  readonly hub: HubSettings;
  readonly cacheFolder: string;
  readonly progress: ModelProgress[];
  /** Asks the hub for what is new, as `octavo pull` does. */
  readonly pull: (model: string, options?: ResolveOptions) => Promise<ResolvedModel>;
  /** Takes what the cache has, as running a model does. */
  readonly find: (model: string, options?: ResolveOptions) => Promise<ResolvedModel>;
}

/** Attempts follow each other at once. */
const QUICK = { attempts: 3, firstDelayMs: 1, mostDelayMs: 2_000 };

export async function pullRig(options: HubServerOptions = {}, settings: Partial<HubSettings> = {}): Promise<PullRig> {
  const server = await new HubServer(options).listen();
  const cacheFolder = mkdtempSync(join(tmpdir(), 'octavo-hub-'));
  cleanups.push(
    () => rmSync(cacheFolder, { recursive: true, force: true }),
    () => server.close(),
  );
  const hub = { endpoint: server.url, cacheFolder, offline: false, retry: QUICK, ...settings };
  const progress: ModelProgress[] = [];
  const find: PullRig['find'] = (model, more = {}) =>
    resolveModel(model, { hub, onProgress: (news) => progress.push(news), ...more });
  return {
    server,
    hub,
    cacheFolder,
    progress,
    find,
    pull: (model, more) => find(model, { freshness: 'newest', ...more }),
  };
}

/** Bytes that look random and are always the same. */
export function someBytes(count: number, seed = 'a'): Buffer {
  const blocks: Buffer[] = [];
  for (let made = 0; made < count; made += 32) {
    blocks.push(createHash('sha256').update(`${seed} ${made}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, count);
}

/** The file of a model that was found. */
export function readModelFile({ folder }: ResolvedModel, path: string): Buffer {
  return readFileSync(join(folder, path));
}

export const CONFIG = '{"architectures":["LlamaForCausalLM"]}';
