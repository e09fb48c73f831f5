/** How a client's messages reach a host, and back. Two kinds: the same thread, and a worker (worker/connect-worker.ts). */
import type { EngineError } from './errors.ts';
import type { ClientMessage, HostMessage } from './protocol.ts';

/** The client's side of a connection. Both are called from a turn of the event loop of their own, never from within `send`. */
export interface TransportListener {
  receive(message: HostMessage): void;
  /** The other side is gone without having said `closed`. */
  died(error: EngineError): void;
}

export interface Transport {
  send(message: ClientMessage): void;
  /** Resolves when the other side has ended, in whatever way. */
  readonly ended: Promise<void>;
}

export type Connect = (listener: TransportListener) => Transport;

/** Starts a host that posts to its client, and returns what takes the client's messages. */
export type StartHost = (post: (message: HostMessage) => void) => (message: ClientMessage) => void;

/** Host and client in one thread. Messages go by reference, each in a microtask, so that neither side runs inside the other. */
export function connectInThread(start: StartHost): Connect {
  return (listener) => {
    let end: () => void;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const receive = start((message) =>
      queueMicrotask(() => {
        listener.receive(message);
        if (isLast(message)) end();
      }),
    );
    return { send: (message) => queueMicrotask(() => receive(message)), ended };
  };
}

/** Whether a host says nothing after this. Pure. */
export function isLast(message: HostMessage): boolean {
  return message.type === 'closed' || message.type === 'open-failed';
}
