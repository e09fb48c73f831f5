import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderWith } from '../model-folder.testing.ts';
import { hubSettings, readToken } from './hub-settings.ts';

describe('hubSettings', () => {
  it('are those of every tool of the hub when nothing is set', () => {
    expect(hubSettings({ HOME: '/home/a' })).toEqual({
      endpoint: 'https://huggingface.co',
      cacheFolder: '/home/a/.cache/huggingface/hub',
      offline: false,
      tokenFile: '/home/a/.cache/huggingface/token',
    });
  });

  it.each([
    [{ HF_HUB_CACHE: '/c', HUGGINGFACE_HUB_CACHE: '/d', HF_HOME: '/h' }, '/c'],
    [{ HUGGINGFACE_HUB_CACHE: '/d', HF_HOME: '/h' }, '/d'],
    [{ HF_HOME: '/h', XDG_CACHE_HOME: '/x' }, '/h/hub'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ HF_HUB_CACHE: '', HF_HOME: '/h' }, '/h/hub'],
  ])('take the cache folder of %j', (env, folder) => {
    expect(hubSettings({ HOME: '/home/a', ...env }).cacheFolder).toBe(folder);
  });

  it('are offline for every way to say yes', () => {
    for (const yes of ['1', 'ON', 'yes', 'True']) expect(hubSettings({ HF_HUB_OFFLINE: yes }).offline).toBe(true);
    for (const no of ['0', '', 'no', 'false']) expect(hubSettings({ HF_HUB_OFFLINE: no }).offline).toBe(false);
  });

  it('take the endpoint without its last slash, and refuse one that is no URL', () => {
    expect(hubSettings({ HF_ENDPOINT: 'http://mirror:8080/hf/' }).endpoint).toBe('http://mirror:8080/hf');
    for (const bad of ['mirror', 'ftp://mirror'])
      expect(() => hubSettings({ HF_ENDPOINT: bad })).toThrow(/HF_ENDPOINT/);
  });
});

describe('readToken', () => {
  it('prefers the variable, then the file, and knows that there may be none', async () => {
    const folder = folderWith({ token: 'hf_file\n' });
    const settings = hubSettings({ HF_HOME: folder });
    expect(await readToken(settings)).toBe('hf_file');
    expect(await readToken(hubSettings({ HF_HOME: folder, HF_TOKEN: ' hf_env ' }))).toBe('hf_env');
    expect(await readToken(hubSettings({ HF_HOME: folder, HF_TOKEN_PATH: join(folder, 'none') }))).toBeUndefined();
  });
});
