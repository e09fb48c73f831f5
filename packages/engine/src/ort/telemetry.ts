/**
 * The runtime's reports to its maker. Its builds for Linux and macOS (1.29 and later) send which models are loaded and how fast they run,
 * keep an identifier of the machine and a database below the user's cache folder, and read the command line with a recursive expression that
 * overflows the stack, of a worker thread at some 14 kB. None of it happens where this variable is set before the first session of the process.
 */
const SWITCH = 'ORT_DISABLE_TELEMETRY';

/**
 * Turns the reports off, unless the environment says otherwise already. Effect: sets a variable of this process's environment. Call it in the
 * main thread: a worker thread has a copy of the environment, which the runtime does not read.
 */
export function disableTelemetry(): void {
  process.env[SWITCH] ??= '1';
}
