import { describe, expect, it } from 'vitest';
import { fakeHost } from './fake-host.testing.ts';

const chat = ['chat', '--system', 'S'];

describe('options about lifetimes', () => {
  it('reach the engine in milliseconds and pages', async () => {
    const { run, log } = fakeHost({ stdin: 'hi' });
    const times = ['--ttl', '24h', '--sliding-ttl', '1.5m', '--session-idle', '500ms'];
    const tags = ['--tag-ttl', 'draft=60s', '--tag-ttl', 'a=b=7d'];
    expect(await run(...chat, '--pin-budget-pages', '12', ...times, ...tags)).toBe(0);
    expect(log.opened[0]?.options).toMatchObject({
      pinBudgetPages: 12,
      lifetimes: {
        ttlMs: 86_400_000,
        slidingTtlMs: 90_000,
        sessionIdleMs: 500,
        tags: { draft: { ttlMs: 60_000 }, 'a=b': { ttlMs: 604_800_000 } },
      },
    });
  });

  it('are not passed on when they were not given', async () => {
    const { run, log } = fakeHost({ stdin: 'hi' });
    await run(...chat);
    expect(Object.keys(log.opened[0]?.options ?? {})).toEqual(['cacheFolder']);
  });

  it.each([
    ['--ttl', '24'],
    ['--ttl', '-1h'],
    ['--ttl', '0s'],
    ['--sliding-ttl', 'soon'],
    ['--session-idle', '5 years'],
    ['--tag-ttl', 'draft'],
    ['--tag-ttl', '=60s'],
    ['--tag-ttl', 'draft=never'],
    ['--pin-budget-pages', '-1'],
  ])('refuse %s %s in one sentence', async (flag, value) => {
    const { run, stderr, log } = fakeHost();
    expect(await run(...chat, flag, value)).toBe(2);
    expect(stderr()).toMatch(new RegExp(`^octavo: INVALID_OPTION: ${flag} is [^\n]+\\.\n$`));
    expect(log.opened).toEqual([]);
  });
});
