/** What goes in and comes out of `resolveModel`. */
import type { HubSettings } from './hub/hub-settings.ts';

/**
 * News of a download, one file at a time. `initiate`: the file will be fetched; `loaded` bytes of it are there already. `progress`:
 * more of it arrived. `done`: it is in the cache, size and hash checked. Sizes are in bytes.
 */
export interface ModelProgress {
  readonly status: 'initiate' | 'progress' | 'done';
  /** Path in the model's repository. */
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
}

export interface ResolveOptions {
  /** A file of the model, or a pattern with `*`, that says which weights to take where there is a choice. */
  readonly file?: string;
  /** Branch, tag or commit of a model on the hub; default `main`. The same as `@REV` behind its name. */
  readonly revision?: string;
  /** Where the hub and its cache are; `hubSettings(process.env)` makes them. Without them only local models are accepted. */
  readonly hub?: HubSettings;
  /**
   * `cached` (default): a complete copy in the cache is taken as it is, without any request. `newest`: the hub is asked which commit
   * the revision is, and what is missing of it is fetched.
   */
  readonly freshness?: 'cached' | 'newest';
  readonly onProgress?: (progress: ModelProgress) => void;
  /** When it fires, downloads stop, what arrived is kept for the next attempt, and the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Where a model's files are. */
export interface ResolvedModel {
  /** Absolute; holds config.json (or genai_config.json) and the tokenizer. */
  readonly folder: string;
  /** Absolute; absent when the weights are the folder's safetensors. */
  readonly onnxFile?: string;
  readonly source: 'folder' | 'onnx' | 'hub';
  /** Only of a model from the hub. */
  readonly hub?: HubOrigin;
}

/** What came from the hub. */
export interface HubOrigin {
  /** ORG/NAME. */
  readonly name: string;
  /** As asked for. */
  readonly revision: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** Bytes that had to be fetched; 0 when everything was there. */
  readonly downloadedBytes: number;
}
