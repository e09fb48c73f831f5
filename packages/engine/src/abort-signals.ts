/**
 * Callbacks on abort signals, one listener a signal: a caller may pass the same signal to thousands of requests, and a listener for
 * each would make Node warn of a leak.
 */
export class AbortSignals {
  readonly #callbacks = new Map<AbortSignal, { readonly each: Set<() => void>; readonly listener: () => void }>();

  /** Calls back once when the signal fires; returns how to stop waiting for it. Nothing is kept of a signal that nobody waits for. */
  on(signal: AbortSignal | undefined, callback: (reason: unknown) => void): () => void {
    if (!signal) return () => {};
    const each = (this.#callbacks.get(signal) ?? this.#listen(signal)).each;
    const call = () => callback(signal.reason);
    each.add(call);
    return () => {
      each.delete(call);
      if (each.size === 0) this.#forget(signal);
    };
  }

  #listen(signal: AbortSignal) {
    const each = new Set<() => void>();
    const listener = () => {
      this.#forget(signal);
      for (const call of each) call();
    };
    const entry = { each, listener };
    this.#callbacks.set(signal, entry);
    signal.addEventListener('abort', listener);
    return entry;
  }

  #forget(signal: AbortSignal): void {
    const entry = this.#callbacks.get(signal);
    if (!entry) return;
    this.#callbacks.delete(signal);
    signal.removeEventListener('abort', entry.listener);
  }
}
