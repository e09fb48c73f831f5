/** Reads and writes of all bytes: one call of the system may do with fewer than it was given. */
import type { FileHandle } from 'node:fs/promises';
import { GraphError } from '../errors.ts';

/** Effect: fills `into` from `offset` on. Throws WEIGHTS_CHANGED when the file has become shorter since it was checked. */
export async function readExactly(
  reader: FileHandle,
  into: Uint8Array,
  place: { file: string; offset: number },
): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await reader.read(into, done, into.length - done, place.offset + done);
    if (bytesRead === 0) throw weightsChanged(place.file);
    done += bytesRead;
  }
}

/** Effect: all of `bytes` are in the file from `offset` on. */
export async function writeExactly(output: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await output.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

export function weightsChanged(file: string): GraphError {
  const message = `${file} changed while it was read: let whatever writes it finish, then compile again`;
  return new GraphError('WEIGHTS_CHANGED', message, { file });
}
