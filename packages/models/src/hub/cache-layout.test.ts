import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelsError } from '../errors.ts';
import { folderWith } from '../model-folder.testing.ts';
import { CachedModel, cacheError } from './cache-layout.ts';

const commit = 'c'.repeat(40);
const failed = (code: string) => Object.assign(new Error(code), { code });

describe('cacheError', () => {
  it('tells a full disk from one that cannot be written', () => {
    expect(cacheError(failed('ENOSPC'), '/cache/x')).toMatchObject({ code: 'DISK_FULL' });
    expect(cacheError(failed('EDQUOT'), '/cache/x')).toMatchObject({ code: 'DISK_FULL' });
    expect(cacheError(failed('EROFS'), '/cache/x')).toMatchObject({
      code: 'HUB_CACHE_UNWRITABLE',
      message: '/cache/x cannot be written (EROFS); set HF_HUB_CACHE to a folder that can.',
    });
  });

  it('leaves everything else as it is', () => {
    for (const error of [new ModelsError('HUB_BUSY', 'Later.'), new TypeError('a defect'), 'text']) {
      expect(cacheError(error, '/cache/x')).toBe(error);
    }
  });
});

describe('CachedModel', () => {
  it('takes a commit only from a reference that holds one', async () => {
    const cache = folderWith({ 'models--org--name/refs/main': `${commit}\n`, 'models--org--name/refs/odd': '../../x' });
    const model = new CachedModel(cache, 'org/name');
    expect(await model.commitOf('main')).toBe(commit);
    expect(await model.commitOf('odd')).toBeUndefined();
    expect(await model.commitOf('none')).toBeUndefined();
    expect(await model.commitOf(commit)).toBe(commit);
  });

  it('keeps a listing, and trusts none that was tampered with', async () => {
    const cache = folderWith([]);
    const model = new CachedModel(cache, 'org/name');
    const files = [
      { path: 'config.json', bytes: 3, digest: { kind: 'git-blob', hex: 'a'.repeat(40) } },
      { path: 'model.safetensors', bytes: 9, digest: { kind: 'sha256', hex: 'b'.repeat(64) } },
    ] as const;
    expect(await model.listing(commit)).toBeUndefined();
    await model.writeListing(commit, files);
    expect(await model.listing(commit)).toEqual(files);
    const outside = [{ ...files[0], path: '../../outside' }];
    for (const text of ['', '{}', '[7]', JSON.stringify(outside)]) {
      mkdirSync(join(cache, 'models--org--name/.octavo'), { recursive: true });
      writeFileSync(join(cache, `models--org--name/.octavo/${commit}.json`), text);
      expect(await model.listing(commit)).toBeUndefined();
    }
  });
});
