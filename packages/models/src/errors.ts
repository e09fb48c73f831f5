/** Everything that can be wrong with the place that model files come from. */
export type ModelsErrorCode =
  /** The argument is neither a path that exists nor the name of a model on the hub. */
  | 'MODEL_UNKNOWN'
  /** The path exists, and cannot be read or is no model. */
  | 'MODEL_UNREADABLE'
  /** The file that was asked for is not among the model's. */
  | 'MODEL_FILE_MISSING'
  /** Several ONNX files, and none has a name that says which one to take. */
  | 'MODEL_FILE_AMBIGUOUS'
  /** An ONNX file with no configuration beside it or one level up. */
  | 'MODEL_CONFIG_MISSING'
  /** Neither safetensors nor ONNX. */
  | 'MODEL_WEIGHTS_MISSING'
  /** An option has a value that cannot be used, or no meaning for this model. */
  | 'MODEL_OPTION_INVALID'
  /** The hub has no such model, or none that this token may see. */
  | 'HUB_MODEL_MISSING'
  /** The model has no such branch, tag or commit. */
  | 'HUB_REVISION_MISSING'
  /** The terms of the model were not accepted by the owner of the token, or there is no token. */
  | 'HUB_ACCESS_DENIED'
  /** The hub does not know the token. */
  | 'HUB_TOKEN_REFUSED'
  /** The hub may not be asked, and the cache is not complete. */
  | 'HUB_OFFLINE'
  /** No connection to the hub, or none that lasts. */
  | 'HUB_UNREACHABLE'
  /** The hub asks to come back later. */
  | 'HUB_BUSY'
  /** The hub answered with an error, or with something that makes no sense. */
  | 'HUB_FAILED'
  /** What arrived does not have the size or the hash that the hub promised, twice. */
  | 'DOWNLOAD_CORRUPT'
  /** The files of the revision changed during the download. */
  | 'REVISION_CHANGED'
  /** The files do not fit on the disk. */
  | 'DISK_FULL'
  /** The cache folder of the hub cannot be written. */
  | 'HUB_CACHE_UNWRITABLE';

export interface ModelsErrorOptions {
  /** Numbers and names behind the message. */
  readonly details?: Readonly<Record<string, number | string>>;
  readonly cause?: unknown;
}

/** A model that cannot be found or fetched. The message is one sentence that says what to do. */
export class ModelsError extends Error {
  override readonly name = 'ModelsError';
  readonly code: ModelsErrorCode;
  readonly details: Readonly<Record<string, number | string>>;

  constructor(code: ModelsErrorCode, message: string, options: ModelsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The code that the system gave a failed call, such as `ENOENT`; undefined for anything else. Pure. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
