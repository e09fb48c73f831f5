/** From a name on the hub to files in its cache. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelsError } from '../errors.ts';
import type { ResolvedModel, ResolveOptions } from '../resolved-model.ts';
import { genaiDecoder } from '../selection/genai-config.ts';
import { SAFETENSORS_INDEX } from '../selection/weight-choice.ts';
import { CachedModel } from './cache-layout.ts';
import { fetchFiles } from './fetch-files.ts';
import { HubClient } from './hub-client.ts';
import type { HubFile } from './hub-file.ts';
import { type HubSettings, readToken } from './hub-settings.ts';
import { type Selection, selectFiles, shardsIn } from './needed-files.ts';
import { DEFAULT_RETRY } from './retry.ts';
import { snapshotListing } from './snapshot-listing.ts';

export interface HubModel {
  readonly name: string;
  readonly revision: string;
}

export interface HubOptions extends Omit<ResolveOptions, 'hub' | 'revision'> {
  readonly hub: HubSettings;
}

/**
 * The model in the cache, fetched where needed. Effects: requests, unless the cache is complete and `freshness` is `cached`; files in the
 * cache. The revision is noted last, so an earlier complete copy stays the one in use until the new one is complete. Throws ModelsError.
 */
export async function resolveHubModel(model: HubModel, options: HubOptions): Promise<ResolvedModel> {
  const run = new HubRun(model, options);
  if (options.hub.offline) return run.fromCache(await run.cachedCommit());
  if (options.freshness !== 'newest') {
    const commit = await run.cachedCommit();
    const cached = commit === undefined ? undefined : await run.complete(commit);
    if (cached !== undefined) return cached;
  }
  return run.fromHub().catch(async (error: unknown) => {
    if (!(error instanceof ModelsError) || error.code !== 'HUB_UNREACHABLE') throw error;
    const { freshness } = options;
    const commit = freshness === 'newest' ? undefined : await run.cachedCommit();
    if (commit === undefined) throw error;
    // Fetched by another tool of the hub: complete as far as can be seen, and better than nothing.
    return run.fromCache(commit).catch(() => Promise.reject(error));
  });
}

/** One call of the function above. */
class HubRun {
  readonly #model: HubModel;
  readonly #options: HubOptions;
  readonly #cache: CachedModel;
  readonly #signal: AbortSignal;

  constructor(model: HubModel, options: HubOptions) {
    this.#model = model;
    this.#options = options;
    this.#cache = new CachedModel(options.hub.cacheFolder, model.name);
    this.#signal = options.signal ?? new AbortController().signal;
  }

  cachedCommit(): Promise<string | undefined> {
    return this.#cache.commitOf(this.#model.revision);
  }

  /** The model if every file of it is in the cache, by the hub's own listing; undefined when something is missing or not known. */
  async complete(commit: string): Promise<ResolvedModel | undefined> {
    const listing = await this.#cache.listing(commit);
    if (listing === undefined) return undefined;
    const selection = selectFiles(listing, await this.#hints(commit, listing, async () => undefined));
    if ((await this.#missing(commit, selection.small)).length > 0) return undefined;
    const files = [...selection.small, ...(await this.#weights(commit, listing, selection))];
    return (await this.#missing(commit, files)).length === 0 ? this.#resolved(commit, selection, { files }) : undefined;
  }

  /** What the cache has, without a request. Throws HUB_OFFLINE with what is missing. */
  async fromCache(commit: string | undefined): Promise<ResolvedModel> {
    const { name, revision } = this.#model;
    if (commit === undefined) throw this.#offline(`nothing of ${name}@${revision} is there`);
    const known = await this.complete(commit);
    if (known !== undefined) return known;
    const listing = (await this.#cache.listing(commit)) ?? (await snapshotListing(this.#cache.snapshot(commit)));
    if (listing.length === 0) throw this.#offline(`nothing of ${name}@${commit} is there`);
    const selection = selectFiles(listing, await this.#hints(commit, listing, async () => undefined));
    const index = await this.#missing(commit, selection.small);
    if (index.length > 0) throw this.#offline(`${name} lacks ${pathsOf(index)}`);
    const files = [...selection.small, ...(await this.#weights(commit, listing, selection))];
    const missing = await this.#missing(commit, files);
    if (missing.length > 0) throw this.#offline(`${name} lacks ${pathsOf(missing)}`);
    return this.#resolved(commit, selection, { files });
  }

  async fromHub(): Promise<ResolvedModel> {
    const { hub, onProgress = () => {} } = this.#options;
    const { retry = DEFAULT_RETRY } = hub;
    const { name, revision } = this.#model;
    const token = await readToken(hub);
    const client = new HubClient(name, { endpoint: hub.endpoint, token, signal: this.#signal, retry });
    const commit = await client.commitOf(revision);
    const listing = (await this.#cache.listing(commit)) ?? (await client.filesOf(commit));
    await this.#cache.writeListing(commit, listing);
    const fetchAll = async (files: readonly HubFile[]): Promise<number> => {
      const missing = await this.#missing(commit, files);
      return fetchFiles(missing, { client, commit, cache: this.#cache, signal: this.#signal, retry, onProgress });
    };
    let downloadedBytes = 0;
    const fetchOne = async (file: HubFile) => {
      downloadedBytes += await fetchAll([file]);
    };
    const selection = selectFiles(listing, await this.#hints(commit, listing, fetchOne));
    downloadedBytes += await fetchAll(selection.small);
    const weights = await this.#weights(commit, listing, selection);
    downloadedBytes += await fetchAll(weights);
    await this.#cache.writeCommitOf(revision, commit);
    return this.#resolved(commit, selection, { files: [...selection.small, ...weights], downloadedBytes });
  }

  /** What the choice of weights depends on. `obtain` is called for a file that has to be read. */
  async #hints(commit: string, listing: readonly HubFile[], obtain: (file: HubFile) => Promise<void>) {
    const { file } = this.#options;
    const hints = { name: this.#model.name, ...(file === undefined ? {} : { file }) };
    const genai = listing.find(({ path }) => path === 'genai_config.json');
    if (file !== undefined || genai === undefined) return hints;
    await obtain(genai);
    const text = await readFile(join(this.#cache.snapshot(commit), genai.path), 'utf8').catch(() => '');
    const decoder = genaiDecoder(text);
    return decoder === undefined ? hints : { ...hints, genaiDecoder: decoder };
  }

  /** With the shards that the index names, which must be in the snapshot by now. */
  async #weights(commit: string, listing: readonly HubFile[], selection: Selection): Promise<readonly HubFile[]> {
    const index = selection.small.find(({ path }) => path === SAFETENSORS_INDEX);
    if (index === undefined) return selection.weights;
    const text = await readFile(join(this.#cache.snapshot(commit), index.path), 'utf8');
    return shardsIn(text, listing, this.#model.name);
  }

  async #missing(commit: string, files: readonly HubFile[]): Promise<readonly HubFile[]> {
    const there = await Promise.all(files.map((file) => this.#cache.has(commit, file)));
    return files.filter((_, at) => !there[at]);
  }

  #resolved(
    commit: string,
    { choice, configFolder }: Selection,
    { files, downloadedBytes = 0 }: { files: readonly HubFile[]; downloadedBytes?: number },
  ): ResolvedModel {
    const snapshot = this.#cache.snapshot(commit);
    return {
      folder: join(snapshot, configFolder),
      ...(choice.onnxFile === undefined ? {} : { onnxFile: join(snapshot, choice.onnxFile) }),
      source: 'hub',
      hub: { ...this.#model, commit, files: files.map(({ path, bytes }) => ({ path, bytes })), downloadedBytes },
    };
  }

  #offline(what: string): ModelsError {
    const { name } = this.#model;
    return new ModelsError(
      'HUB_OFFLINE',
      `The hub may not be asked (HF_HUB_OFFLINE), and the cache is not enough: ${what}; run octavo pull ${name} with a connection first.`,
    );
  }
}

function pathsOf(files: readonly HubFile[]): string {
  return files.map(({ path }) => path).join(', ');
}
