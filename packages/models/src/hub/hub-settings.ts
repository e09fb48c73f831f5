/** Where the hub is, where its cache is, and who asks: the variables that every tool of the hub reads. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ModelsError } from '../errors.ts';
import type { RetryPolicy } from './retry.ts';

export interface HubSettings {
  /** Origin of the hub, without a slash at the end. */
  readonly endpoint: string;
  /** Folder with `models--ORG--NAME` inside, shared with the other tools of the hub. */
  readonly cacheFolder: string;
  /** True: never ask. */
  readonly offline: boolean;
  readonly token?: string;
  /** Holds the token when there is none above; it need not exist. */
  readonly tokenFile?: string;
  /** How often what failed for a passing reason is tried again. Default: 5 attempts in a row, half a second to a minute apart. */
  readonly retry?: RetryPolicy;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ENDPOINT = 'https://huggingface.co';

/**
 * Settings from HF_ENDPOINT, HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME), HF_HUB_OFFLINE, HF_TOKEN (or
 * HUGGING_FACE_HUB_TOKEN) and HF_TOKEN_PATH, as `huggingface_hub` reads them. Pure: pass `process.env`. Throws MODEL_OPTION_INVALID for an
 * endpoint that is no URL.
 */
export function hubSettings(env: Environment): HubSettings {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'huggingface');
  const token = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN)?.trim();
  return {
    endpoint: endpointOf(env.HF_ENDPOINT || DEFAULT_ENDPOINT),
    cacheFolder: env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, 'hub'),
    offline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? ''),
    ...(token ? { token } : {}),
    tokenFile: env.HF_TOKEN_PATH || join(home, 'token'),
  };
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return text.replace(/\/+$/, '');
  throw new ModelsError('MODEL_OPTION_INVALID', `HF_ENDPOINT is ${JSON.stringify(text)}; give the URL of a hub.`);
}

/** The token to use; undefined without one. Reads the token file. */
export async function readToken({ token, tokenFile }: HubSettings): Promise<string | undefined> {
  if (token !== undefined || tokenFile === undefined) return token;
  const text = await readFile(tokenFile, 'utf8').catch(() => '');
  return text.trim() || undefined;
}
