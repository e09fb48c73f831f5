/** What is asked of the hub about one model, through its library. The only file that knows the library. */
import { ModelsError } from '../errors.ts';
import { nonsense } from './hub-errors.ts';
import { type HubConnection, hubFetch } from './hub-fetch.ts';
import { checkedFile, type HubFile } from './hub-file.ts';
import { isCommit } from './model-name.ts';

/** Loaded when a hub is asked for the first time: a model folder needs none of it. */
const loadLibrary = () => import('@huggingface/hub');

export type ByteStream = ReadableStream<Uint8Array>;

export interface OpenAt {
  readonly commit: string;
  /** First byte. */
  readonly offset: number;
  /** `chunks`: deduplicated chunks from several places at once where the hub offers them; `whole`: always the one plain file. */
  readonly way: 'chunks' | 'whole';
}

/** A model at one commit; every request names that commit, so a moving branch cannot mix two states. */
export class HubClient {
  readonly name: string;
  readonly #connection: HubConnection;

  constructor(name: string, connection: HubConnection) {
    this.name = name;
    this.#connection = connection;
  }

  /** The commit that a revision is at this moment. Throws what hub-errors.ts lists. */
  async commitOf(revision: string): Promise<string> {
    const { modelInfo } = await loadLibrary();
    const { sha } = await modelInfo({ ...this.#request(revision), name: this.name, additionalFields: ['sha'] });
    if (typeof sha === 'string' && isCommit(sha)) return sha;
    throw nonsense(this.name, `its commit is ${JSON.stringify(sha)}`);
  }

  /** All files of a commit, checked: paths stay inside the model, sizes and digests have their form. */
  async filesOf(commit: string): Promise<readonly HubFile[]> {
    const { listFiles } = await loadLibrary();
    const files: HubFile[] = [];
    for await (const entry of listFiles({ ...this.#request(commit), repo: this.name, recursive: true })) {
      if (entry.type === 'file') files.push(checkedFile(this.name, entry));
    }
    return files;
  }

  /** The bytes of a file from `offset` on. Throws REVISION_CHANGED when the file is not what the listing said. */
  async open(file: HubFile, { commit, offset, way }: OpenAt): Promise<ByteStream> {
    const { downloadFile, fileDownloadInfo } = await loadLibrary();
    const request = { ...this.#request(commit), repo: this.name, path: file.path };
    const info = await fileDownloadInfo(request);
    if (info === null) throw this.#changed(file, 'it is gone');
    if (info.size !== file.bytes) throw this.#changed(file, `it has ${info.size} bytes in place of ${file.bytes}`);
    const etag = info.etag.replace(/^W\//, '').replaceAll('"', '');
    // A content network's own tag is of another form and says nothing.
    if (isDigest(etag) && etag !== file.digest.hex)
      throw this.#changed(file, `its content is ${etag} in place of ${file.digest.hex}`);
    if (info.xet !== undefined && way === 'chunks') {
      const blob = await downloadFile({ ...request, downloadInfo: info });
      if (blob === null) throw this.#changed(file, 'it is gone');
      return blob.slice(offset).stream() as ByteStream;
    }
    return this.#openRange(file, { url: info.url, commit, offset });
  }

  /** Not with the library's blob: it takes an answer that ignores the range for the range. */
  async #openRange(file: HubFile, at: { url: string; commit: string; offset: number }): Promise<ByteStream> {
    const headers = at.offset === 0 ? {} : { range: `bytes=${at.offset}-` };
    const answer = await this.#fetch(at.commit)(at.url, { headers });
    const from = answer.status === 206 ? /^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '')?.[1] : '0';
    if (!answer.ok || answer.body === null) {
      await answer.body?.cancel();
      throw nonsense(this.name, `${file.path} was answered with ${answer.status}`);
    }
    if (Number(from) === at.offset) return answer.body;
    if (answer.status === 200) return skipped(answer.body, at.offset);
    await answer.body.cancel();
    throw nonsense(this.name, `bytes of ${file.path} from ${at.offset} on were answered with bytes from ${from} on`);
  }

  #changed(file: HubFile, how: string): ModelsError {
    return new ModelsError(
      'REVISION_CHANGED',
      `${file.path} of ${this.name} changed during the download (${how}); start it again.`,
      { details: { file: file.path } },
    );
  }

  #request(revision: string) {
    const { endpoint } = this.#connection;
    return { revision, hubUrl: endpoint, fetch: this.#fetch(revision) };
  }

  #fetch(revision: string): typeof fetch {
    return hubFetch(this.#connection, { name: this.name, revision });
  }
}

function isDigest(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** The stream without its first bytes: for a server that sends everything again. */
function skipped(stream: ByteStream, bytes: number): ByteStream {
  let left = bytes;
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const skip = Math.min(left, chunk.byteLength);
        left -= skip;
        if (skip < chunk.byteLength) controller.enqueue(chunk.subarray(skip));
      },
    }),
  );
}
