/** Writers that are killed, and disks that are full. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { cacheOf, chain, expectOnlyWritten, wanted } from './cache-file.testing.ts';
import { type FilePort, nodeFiles } from './file-port.ts';
import { openCacheFile } from './read-cache-file.ts';
import { writeCacheFile } from './write-cache-file.ts';

const folder = temporaryFolder();
const pathOf = (name: string) => join(folder, name);

describe('writing a cache file', () => {
  /** Stops at the n-th operation, as a process that is killed does: nothing happens afterwards, no cleaning up either. */
  function dyingAt(operation: number): FilePort {
    let left = operation;
    const steps = nodeFiles as unknown as Record<string, (...given: unknown[]) => unknown>;
    const entries = Object.keys(steps).map((name) => [
      name,
      (...given: unknown[]) => {
        left -= 1;
        if (left < 0) throw new Error('killed');
        // Half of what is written arrives.
        if (left === 0 && name === 'write') {
          const [file, bytes, position] = given as [number, Uint8Array, number];
          nodeFiles.write(file, bytes.subarray(0, bytes.length >> 1), position);
          throw new Error('killed');
        }
        return steps[name]?.(...given);
      },
    ]);
    return Object.fromEntries(entries) as FilePort;
  }

  it('leaves the old file or the new one, at whatever operation it is killed', () => {
    const path = pathOf('killed');
    const sizes = new Set<number>();
    let operation = 0;
    for (let isDone = false; !isDone; operation += 1) {
      writeCacheFile(nodeFiles, path, cacheOf(chain(2)));
      const before = statSync(path).size;
      try {
        writeCacheFile(dyingAt(operation), path, cacheOf(chain(4)));
        isDone = true;
      } catch (error) {
        expect((error as Error).message).toBe('killed');
      }
      const after = statSync(path).size;
      sizes.add(after);
      expect(expectOnlyWritten(path)).toBe(0);
      if (isDone) expect(after).toBeGreaterThan(before);
    }
    // open, 4 pages, index, header, sync, close, rename and the folder.
    expect(operation).toBe(12);
    expect(sizes.size).toBe(2);
    // What a killed writer left behind is in nobody's way.
    writeCacheFile(nodeFiles, path, cacheOf(chain(4)));
    expect(expectOnlyWritten(path)).toBe(0);
  });

  it('leaves nothing behind when the disk is full, and says so', () => {
    const path = pathOf('full');
    const full: FilePort = {
      ...nodeFiles,
      write: () => {
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      },
    };
    expect(() => writeCacheFile(full, path, cacheOf(chain(2)))).toThrow('no space left');
    expect(openCacheFile(nodeFiles, path, wanted)).toMatchObject({ ok: false, refusal: { reason: 'unreadable' } });
    expect(openCacheFile(nodeFiles, `${path}.partial`, wanted)).toMatchObject({ refusal: { reason: 'unreadable' } });
  });
});
