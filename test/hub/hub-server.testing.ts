/**
 * A hub on the loopback interface: the requests that the hub's library makes, answered as the hub answers them. Large files are
 * redirected to a second server, as to a content network: it has another origin, its own tags, and must never see a token.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerRange, type Fault, readBody, sendJson } from './answers.testing.ts';
import { reconstruction, storedChunks } from './chunk-store.testing.ts';
import {
  chunkHash,
  type StoredCommit,
  type StoredFile,
  type StoredModel,
  storedFile,
  treeEntry,
} from './hub-store.testing.ts';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  readonly server: 'hub' | 'network';
}

export interface HubServerOptions {
  /** Tokens that gated and private models accept. */
  readonly tokens?: readonly string[];
  /** Entries of a page of a listing. */
  readonly pageEntries?: number;
}

type Files = Readonly<Record<string, Buffer | string>>;

export class HubServer {
  readonly requests: SeenRequest[] = [];
  readonly models = new Map<string, StoredModel>();
  /** Asked for each request, in order; what it returns is done in place of, or to, the answer. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly #hub: Server;
  readonly #network: Server;
  readonly #options: HubServerOptions;

  constructor(options: HubServerOptions = {}) {
    this.#options = options;
    this.#hub = createServer((request, response) => void this.#answer('hub', request, response));
    this.#network = createServer((request, response) => void this.#answer('network', request, response));
  }

  async listen(): Promise<this> {
    for (const server of [this.#hub, this.#network]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return this;
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#network]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`;
  }

  get #networkUrl(): string {
    return `http://127.0.0.1:${(this.#network.address() as AddressInfo).port}`;
  }

  /** Adds a commit to `main`; returns its name. */
  push(name: string, files: Files | readonly StoredFile[], access: StoredModel['access'] = 'public'): string {
    const stored = Array.isArray(files)
      ? (files as readonly StoredFile[])
      : Object.entries(files as Files).map(([path, bytes]) => storedFile(path, bytes));
    const model = this.models.get(name) ?? { commits: new Map(), refs: new Map(), access };
    const commit = createHash('sha1').update(`${name} ${model.commits.size}`).digest('hex');
    model.commits.set(commit, { commit, files: stored });
    model.refs.set('main', commit);
    this.models.set(name, model);
    return commit;
  }

  /** Requests for the bytes of a file; without the probes for its size. */
  bodiesOf(path: string): readonly SeenRequest[] {
    return this.requests.filter(({ url, range }) => {
      const isFile = url.includes(encodeURI(path)) && !url.startsWith('/api/');
      return isFile && range !== 'bytes=0-0';
    });
  }

  async #answer(server: SeenRequest['server'], request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const seen = { method, url, range: headers.range, authorization: headers.authorization, server };
    this.requests.push(seen);
    await readBody(request);
    const fault = this.fault(seen);
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
      response.end(JSON.stringify({ error: fault.message ?? 'out of order' }));
    } else if (server === 'hub') this.#answerHub(seen, { request, response, fault });
    else this.#answerNetwork(seen, { request, response, fault });
  }

  #answerHub(seen: SeenRequest, exchange: Exchange): ServerResponse {
    const path = decodeURIComponent(seen.url.split('?')[0] ?? '');
    const [, name = '', rest = ''] = /^\/(?:api\/models\/)?([^/]+\/[^/]+)\/(.*)$/.exec(path) ?? [];
    const [, use = '', tail = ''] = /^(revision|tree|resolve|xet-read-token)\/(.*)$/.exec(rest) ?? [];
    const model = this.models.get(name);
    const refusal = this.#refusal(model, seen, use);
    if (refusal !== undefined || model === undefined) {
      const { status, code } = refusal ?? { status: 404, code: 'RepoNotFound' };
      return sendJson(exchange.response, { error: code }, { status, headers: { 'x-error-code': code } });
    }
    const at = { model, name, seen, exchange };
    if (use === 'xet-read-token') return this.#sendReadToken(exchange.response);
    if (use === 'revision') return this.#sendInfo(tail, at);
    if (use === 'tree') return this.#sendTree(tail, at);
    return this.#sendFile(tail, at);
  }

  /** As the hub does it: strangers do not learn which private models exist, and see the listing of gated ones. */
  #refusal(model: StoredModel | undefined, { authorization }: SeenRequest, use: string): Refusal | undefined {
    const token = authorization?.replace('Bearer ', '');
    const isKnown = token !== undefined && (this.#options.tokens ?? []).includes(token);
    if (token !== undefined && !isKnown) return { status: 401, code: '' };
    if (model === undefined || model.access === 'private') {
      if (!isKnown) return { status: 401, code: 'RepoNotFound' };
      return model === undefined ? { status: 404, code: 'RepoNotFound' } : undefined;
    }
    if (model.access !== 'gated' || use !== 'resolve') return undefined;
    if (token === undefined) return { status: 401, code: 'GatedRepo' };
    return token === this.#options.tokens?.[0] ? undefined : { status: 403, code: 'GatedRepo' };
  }

  #sendInfo(revision: string, { model, name, exchange }: Place): ServerResponse {
    const commit = commitAt(model, revision);
    if (commit === undefined) return sendMissing(exchange.response, 'RevisionNotFound');
    const { commit: sha } = commit;
    return sendJson(exchange.response, {
      _id: sha.slice(0, 24),
      id: name,
      sha,
      private: false,
      gated: false,
      likes: 0,
      downloads: 0,
    });
  }

  #sendTree(revision: string, { model, name, seen, exchange }: Place): ServerResponse {
    const commit = commitAt(model, revision);
    if (commit === undefined) return sendMissing(exchange.response, 'RevisionNotFound');
    const start = Number(new URL(seen.url, this.url).searchParams.get('cursor') ?? 0);
    const end = start + (this.#options.pageEntries ?? 1000);
    const next = `<${this.url}/api/models/${name}/tree/${revision}?recursive=true&cursor=${end}>; rel="next"`;
    const folders = start === 0 ? [{ type: 'directory', oid: '0'.repeat(40), size: 0, path: 'onnx' }] : [];
    const entries = [...folders, ...commit.files.slice(start, end).map(treeEntry)];
    return sendJson(exchange.response, entries, end < commit.files.length ? { headers: { link: next } } : {});
  }

  #sendFile(tail: string, { model, name, seen, exchange }: Place): ServerResponse {
    const { request, response, fault } = exchange;
    const slash = tail.indexOf('/');
    const commit = commitAt(model, tail.slice(0, slash));
    if (commit === undefined) return sendMissing(response, 'RevisionNotFound');
    const file = commit.files.find(({ path }) => path === tail.slice(slash + 1));
    if (file === undefined) return sendMissing(response, 'EntryNotFound');
    const headers = { 'x-repo-commit': commit.commit, etag: `"${file.digest}"` };
    if (file.storage === 'git') return answerRange(response, { bytes: file.bytes, range: seen.range, headers, fault });
    const linked = { ...headers, 'x-linked-size': String(file.size), 'x-linked-etag': `"${file.digest}"` };
    if (file.storage === 'chunks' && request.headers.accept?.includes('xet-fileinfo')) {
      return this.#sendChunkInfo({ name, commit, file }, linked, response);
    }
    const location = `${this.#networkUrl}/${name}/${commit.commit}/${encodeURI(file.path)}?signed=yes`;
    return response.writeHead(302, { ...linked, location }).end();
  }

  #sendChunkInfo(
    { name, commit, file }: FilePlace,
    linked: Record<string, string>,
    response: ServerResponse,
  ): ServerResponse {
    const hash = chunkHash(file.digest);
    const reading = `<${this.#networkUrl}/v1/reconstructions/${hash}>; rel="xet-reconstruction-info"`;
    const token = `<${this.url}/api/models/${name}/xet-read-token/${commit.commit}>; rel="xet-auth"`;
    const link = `${token}, ${reading}`;
    return sendJson(
      response,
      { hash },
      { headers: { ...linked, 'content-type': CHUNK_INFO, 'x-xet-hash': hash, link } },
    );
  }

  #sendReadToken(response: ServerResponse): ServerResponse {
    const exp = Math.floor(Date.now() / 1000) + 3600;
    return sendJson(response, { accessToken: 'chunk-token', casUrl: this.#networkUrl, exp });
  }

  #answerNetwork(seen: SeenRequest, { response, fault }: Exchange): ServerResponse {
    const path = decodeURI(seen.url.split('?')[0] ?? '');
    const [, kind, hash] = /^\/(v2\/reconstructions|chunks)\/(\w+)$/.exec(path) ?? [];
    const file = this.#everyFile().find(({ place, digest }) =>
      hash === undefined ? place === path : chunkHash(digest) === hash,
    );
    if (file === undefined) return sendMissing(response, 'EntryNotFound');
    const { range } = seen;
    if (kind === 'v2/reconstructions') {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
      const wanted = { first: Number(first), last: Number(last) };
      return sendJson(response, reconstruction(file.bytes, wanted, `${this.#networkUrl}/chunks/${hash}`));
    }
    const bytes = kind === 'chunks' ? storedChunks(file.bytes) : file.bytes;
    return answerRange(response, { bytes, range, headers: { etag: '"0123456789abcdef0123456789abcdef-2"' }, fault });
  }

  #everyFile(): (StoredFile & { readonly place: string })[] {
    return [...this.models].flatMap(([name, { commits }]) =>
      [...commits.values()].flatMap(({ commit, files }) =>
        files.map((file) => ({ ...file, place: `/${name}/${commit}/${file.path}` })),
      ),
    );
  }
}

const CHUNK_INFO = 'application/vnd.xet-fileinfo+json';

interface Refusal {
  readonly status: number;
  readonly code: string;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: Fault | undefined;
}

interface Place {
  readonly model: StoredModel;
  readonly name: string;
  readonly seen: SeenRequest;
  readonly exchange: Exchange;
}

interface FilePlace {
  readonly name: string;
  readonly commit: StoredCommit;
  readonly file: StoredFile;
}

function commitAt({ commits, refs }: StoredModel, revision: string): StoredCommit | undefined {
  return commits.get(refs.get(revision) ?? revision);
}

function sendMissing(response: ServerResponse, code: string): ServerResponse {
  return sendJson(response, { error: code }, { status: 404, headers: { 'x-error-code': code } });
}
