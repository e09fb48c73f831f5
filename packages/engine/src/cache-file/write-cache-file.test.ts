/** Writers that are killed, and disks that are full. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { cacheOf, chain, dyingAt, expectOnlyWritten, wanted, writeCacheFile } from './cache-file.testing.ts';
import { type FilePort, nodeFiles } from './file-port.ts';
import { openCacheFile } from './read-cache-file.ts';

const folder = temporaryFolder();
const pathOf = (name: string) => join(folder, name);

describe('writing a cache file', () => {
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
    // open, 4 pages, index, header, truncate, sync, close and rename.
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
