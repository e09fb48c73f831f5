/** What goes wrong on the command line, and how each kind of failure is told: one sentence, one exit status. */

/** Every code of this package. Codes of the other packages pass through as they are. */
export type CommandErrorCode =
  | 'ANSWERS_DIFFER'
  | 'MISSING_ARGUMENT'
  | 'UNEXPECTED_ARGUMENT'
  | 'UNKNOWN_COMMAND'
  | 'MISSING_FILE'
  | 'UNREADABLE_FILE'
  | 'UNWRITABLE_FILE'
  | 'CONFLICTING_OPTIONS'
  | 'INVALID_FILE'
  | 'INVALID_OPTION'
  | 'MISSING_OPTION'
  | 'UNKNOWN_OPTION'
  | 'UNKNOWN_PRODUCT'
  | 'REQUESTS_FAILED';

/** Bad input to a command: a code, and one sentence that says what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: CommandErrorCode;

  constructor(code: CommandErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A failure as the caller sees it. `status` is the exit status of the process when the failure ends it. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly status: 1 | 2;
}

/** Exit status of a run that was refused because of its input, and of one that failed for another reason. */
const BAD_INPUT = 2;
const INTERNAL = 1;

const typedErrors: ReadonlySet<string> = new Set([
  'CommandError',
  'EngineError',
  'GraphError',
  'KvError',
  'ModelsError',
  'SchedulerError',
  'TextError',
]);

/** Codes of failures that no other input would have avoided. */
const internalCodes: ReadonlySet<string> = new Set([
  'ANSWERS_DIFFER',
  'DISK_FULL',
  'DOWNLOAD_CORRUPT',
  'HUB_BUSY',
  'HUB_FAILED',
  'HUB_UNREACHABLE',
  'INVARIANT_BROKEN',
  'REVISION_CHANGED',
  'REQUEST_FAILED',
  'RUN_FAILED',
  'WORKER_DIED',
]);

/** Code, sentence and status of anything that was thrown. Pure. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof Error && typedErrors.has(error.name) && 'code' in error && typeof error.code === 'string') {
    return {
      code: error.code,
      message: sentence(error.message),
      status: internalCodes.has(error.code) ? INTERNAL : BAD_INPUT,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message: oneLine(message) || 'an error without a message', status: INTERNAL };
}

/** The sentence for a file of the caller that could not be opened, read or written. */
export function fileError(error: unknown, path: string, use: 'read' | 'write'): CommandError {
  const systemCode = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  if (use === 'read' && systemCode === 'ENOENT') {
    return new CommandError('MISSING_FILE', `${path} does not exist; give the path of a file.`, { cause: error });
  }
  return new CommandError(
    use === 'read' ? 'UNREADABLE_FILE' : 'UNWRITABLE_FILE',
    `${path} cannot be ${use === 'read' ? 'read' : 'written'} (${systemCode}); give another path.`,
    { cause: error },
  );
}

/** True when what was written was a pipe whose reader has left: it has what it wanted. */
export function isClosedPipe(error: unknown): boolean {
  const cause = error instanceof CommandError ? error.cause : error;
  return cause instanceof Error && 'code' in cause && cause.code === 'EPIPE';
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** One line that ends like a sentence. */
function sentence(text: string): string {
  return oneLine(text).replace(/(?<![.!?])$/, '.');
}
