/** From a way to open a model to a host that talks: the same for a worker and for the caller's thread. */
import type { OpenProgress } from './api.ts';
import type { EngineParts } from './engine-parts.ts';
import { EngineHost } from './host.ts';
import type { StartHost } from './transport.ts';
import { toWireError } from './wire-error.ts';

export type OpenParts = (onProgress: (progress: OpenProgress) => void) => EngineParts | Promise<EngineParts>;

/** Opens in a turn of its own; posts progress, then `opened` or `open-failed`. A client sends nothing before it has read `opened`. */
export function startHost(open: OpenParts): StartHost {
  return (post) => {
    let host: EngineHost | undefined;
    const begin = async () => {
      try {
        host = new EngineHost(await open((progress) => post({ type: 'progress', progress })), post);
      } catch (error) {
        post({ type: 'open-failed', error: toWireError(error, 'OPEN_FAILED') });
      }
    };
    void begin();
    return (message) => host?.receive(message);
  };
}
