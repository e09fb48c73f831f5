/**
 * One way to stop early, whatever the reason: Ctrl-C, a polite kill, or a reader that closed its end of the pipe.
 * Work gets an `AbortSignal`, engines are closed by the same code as at a normal end, and only then does the process end:
 * ending it (or the worker) while the runtime runs a step would abort the process.
 */
import { setMaxListeners } from 'node:events';

/** Where process signals come from; `process` in the command, an `EventEmitter` in tests. */
export interface SignalSource {
  on(name: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(name: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** Why a command stopped early: the reason of the aborted signal. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  /** 128 + signal number; 0 when the reader of the output has what it wanted, 1 when the output cannot be written. */
  readonly status: 0 | 1 | 130 | 143;

  constructor(status: Interruption['status']) {
    super('interrupted');
    this.status = status;
  }
}

/** Listens until `dispose`. */
export interface Interrupt {
  /** Aborted by the first interruption; its reason is the `Interruption`. */
  readonly signal: AbortSignal;
  /** The interruption, once there was one. */
  readonly interruption: Interruption | undefined;
  /** Stops the work; called again it only calls `onRepeat`. */
  interrupt(status: Interruption['status']): void;
  dispose(): void;
}

/** Effect: adds listeners to `source`. `onRepeat` is called for each interruption after the first one. */
export function listenForInterrupts(source: SignalSource, onRepeat: () => void): Interrupt {
  const controller = new AbortController();
  // Every request in flight listens to the one signal.
  setMaxListeners(0, controller.signal);
  let interruption: Interruption | undefined;
  const interrupt = (status: Interruption['status']): void => {
    if (interruption !== undefined) {
      // A closed pipe reports every later write as well.
      if (status > 1) onRepeat();
      return;
    }
    interruption = new Interruption(status);
    controller.abort(interruption);
  };
  const onInt = (): void => interrupt(130);
  const onTerm = (): void => interrupt(143);
  source.on('SIGINT', onInt);
  source.on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    get interruption() {
      return interruption;
    },
    interrupt,
    dispose() {
      source.off('SIGINT', onInt);
      source.off('SIGTERM', onTerm);
    },
  };
}

/** Settles as `work` does, unless the signal is aborted first: then rejects with its reason, and `work` is left to itself. */
export async function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
