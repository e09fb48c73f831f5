/** Every code of a `TextError`. */
export type TextErrorCode =
  /** A file of the tokenizer exists and cannot be read. */
  | 'TOKENIZER_UNREADABLE'
  /** A file of the tokenizer is not JSON, or not of the form that its format asks for. */
  | 'TOKENIZER_INVALID'
  /** The tokenizer turns ids back into text in a way that cannot be done one token at a time here. */
  | 'TOKENIZER_UNSUPPORTED'
  /** The chat template does not parse, or there are several and none is named `default`. */
  | 'TEMPLATE_INVALID'
  /** Messages were given, and the model folder has no chat template. */
  | 'TEMPLATE_MISSING'
  /** The chat template refused the messages, or failed on them. */
  | 'TEMPLATE_FAILED'
  /** The messages are not a list of at least one `{ role, content }` with two strings. */
  | 'MESSAGE_INVALID'
  /** What should be encoded is not a string. */
  | 'TEXT_INVALID'
  /** A token id is not an integer in [0, vocabularyCount). */
  | 'TOKEN_OUT_OF_VOCABULARY'
  /** A stop string is empty or not a string. */
  | 'STOP_INVALID';

export interface TextErrorOptions {
  /** The file at fault. */
  readonly file?: string;
  readonly cause?: unknown;
}

/** A typed failure: `code` for programs, one sentence for people, and the file at fault when there is one. */
export class TextError extends Error {
  readonly code: TextErrorCode;
  readonly file?: string;

  constructor(code: TextErrorCode, message: string, options: TextErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TextError';
    this.code = code;
    if (options.file !== undefined) this.file = options.file;
  }
}

/** The message of whatever was thrown, for a sentence of our own. Pure. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
