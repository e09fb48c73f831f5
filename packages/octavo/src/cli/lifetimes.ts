/** Options about how long entries stay in the cache, shared by the commands that keep some for later. */
import type { EngineOptions } from '@octavo/engine';
import { type Command, Option } from 'commander';
import { CommandError } from './errors.ts';
import { defined, durationMs, durationOption, wholeOption } from './options.ts';

/** What the options about lifetimes hold after parsing; times in milliseconds. */
export interface LifetimeFlags {
  readonly pinBudgetPages?: number;
  readonly ttl?: number;
  readonly slidingTtl?: number;
  readonly tagTtl?: Readonly<Record<string, number>>;
  readonly sessionIdle?: number;
}

/** Adds the options about lifetimes. */
export function addLifetimeOptions(command: Command): Command {
  return command
    .addOption(wholeOption('--pin-budget-pages <n>', 'pages that pins may take at most (default: 0)', 0))
    .addOption(durationOption('--ttl <time>', 'keep entries so long after the request that stored them, such as 24h'))
    .addOption(durationOption('--sliding-ttl <time>', 'keep entries so long after their last use, such as 30m'))
    .addOption(tagTtlOption())
    .addOption(durationOption('--session-idle <time>', 'close sessions that nobody used for so long'));
}

/** The engine's options from those; nothing when none was given. Pure. */
export function lifetimeOptions(flags: LifetimeFlags): Pick<EngineOptions, 'pinBudgetPages' | 'lifetimes'> {
  const { pinBudgetPages, ttl: ttlMs, slidingTtl: slidingTtlMs, tagTtl, sessionIdle: sessionIdleMs } = flags;
  const tags =
    tagTtl && Object.fromEntries(Object.entries(tagTtl).map(([tag, tagTtlMs]) => [tag, { ttlMs: tagTtlMs }]));
  const lifetimes = defined({ ttlMs, slidingTtlMs, tags, sessionIdleMs });
  return { ...defined({ pinBudgetPages }), ...(Object.keys(lifetimes).length === 0 ? {} : { lifetimes }) };
}

/** `--tag-ttl draft=60s`, as often as there are tags. */
function tagTtlOption(): Option {
  const option = new Option('--tag-ttl <tag=time>', 'keep entries with a tag so long, such as draft=60s; repeatable');
  return option.argParser((text: string, before: Readonly<Record<string, number>> = {}) => {
    const at = text.lastIndexOf('=');
    const ttlMs = at < 1 ? undefined : durationMs(text.slice(at + 1));
    if (ttlMs === undefined) {
      throw new CommandError(
        'INVALID_OPTION',
        `--tag-ttl is ${JSON.stringify(text)}; give a tag and a time, such as draft=60s.`,
      );
    }
    return { ...before, [text.slice(0, at)]: ttlMs };
  });
}
