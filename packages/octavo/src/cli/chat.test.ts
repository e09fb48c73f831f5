import { describe, expect, it } from 'vitest';
import { engineError } from './fake-engine.testing.ts';
import { fakeHost } from './fake-host.testing.ts';

function contentsOf(request: unknown): readonly string[] {
  return (request as { messages: readonly { content: string }[] }).messages.map(({ content }) => content);
}

function refuseBad(text: string): string {
  if (text.includes('bad')) throw engineError('PROMPT_OVER_POOL', 'No room.');
  return 'ok';
}

describe('octavo chat', () => {
  it('answers piped lines one after the other and sends the conversation so far with each', async () => {
    const { run, stdout, stderr, log } = fakeHost({ stdin: 'hi\n\nagain\n', reply: (text) => `<${text.length}>` });
    expect(await run('chat', '--system', 'S')).toBe(0);
    expect(stdout()).toBe('<4>\n<14>\n');
    expect(stderr()).toBe('[0 prompt tokens cached, 4 computed]\n[4 prompt tokens cached, 10 computed]\n');
    expect(log.requests.map(contentsOf)).toEqual([
      ['S', 'hi'],
      ['S', 'hi', '<4>', 'again'],
    ]);
    expect(log.closed).toBe(1);
  });

  it('opens the engine with what is to happen to a conversation over its limit', async () => {
    const { run, log } = fakeHost({ stdin: 'hi\n' });
    const flags = ['--truncation', 'turns', '--limit-tokens', '300', '--head-tokens', '9', '--slide'];
    expect(await run('chat', '--system', 'S', ...flags)).toBe(0);
    expect(log.opened[0]?.options.truncation).toEqual({
      policy: 'turns',
      limitTokens: 300,
      headTokens: 9,
      whileGenerating: 'slide',
    });
    const { run: plain, log: plainLog } = fakeHost({ stdin: 'hi\n' });
    expect(await plain('chat', '--system', 'S')).toBe(0);
    expect(plainLog.opened[0]?.options).not.toHaveProperty('truncation');
  });

  it('forgets with /reset and leaves with /exit', async () => {
    const { run, log } = fakeHost({ stdin: 'one\n/reset\ntwo\n/exit\nthree\n' });
    expect(await run('chat', '--system', '')).toBe(0);
    expect(log.requests.map(contentsOf)).toEqual([['one'], ['two']]);
  });

  it('talks about the first product of the catalog with the shipped model, about another one when told', async () => {
    for (const [argv, name] of [
      [['chat'], 'Harbour 55'],
      [['chat', '--product', 'p002'], 'Anchor 67'],
    ] as const) {
      const { run, log } = fakeHost({ stdin: 'hi' });
      expect(await run(...argv)).toBe(0);
      expect(contentsOf(log.requests[0])[0]).toContain(`Product description: The ${name}`);
    }
  });

  it('has no system message of its own for another model', async () => {
    const { run, log } = fakeHost({ stdin: 'hi' });
    expect(await run('chat', './my-model')).toBe(0);
    expect(contentsOf(log.requests[0])).toEqual(['hi']);
  });

  it('tells a person of a turn that failed and goes on without it', async () => {
    const { run, stdout, stderr, log } = fakeHost({ stdin: 'bad\ngood\n', reply: refuseBad, isTTY: true });
    expect(await run('chat', '--system', '')).toBe(0);
    expect(stdout()).toContain('ok\n');
    expect(log.requests.map(contentsOf)).toEqual([['bad'], ['good']]);
    expect(stderr()).toContain('octavo: PROMPT_OVER_POOL: No room.');
  });

  it('ends with the first turn that failed when questions are piped in', async () => {
    const { run, stdout, stderr, log } = fakeHost({ stdin: 'bad\ngood\n', reply: refuseBad });
    expect(await run('chat', '--system', '')).toBe(2);
    expect(stdout()).toBe('');
    expect(stderr()).toBe('octavo: PROMPT_OVER_POOL: No room.\n');
    expect(log.closed).toBe(1);
  });

  it('ends at Ctrl-C on a terminal, where it is a key', async () => {
    const { run, log } = fakeHost({ stdin: '\u0003', isTTY: true });
    expect(await run('chat')).toBe(130);
    expect(log.closed).toBe(1);
  });

  it('closes the engine at Ctrl-C in the middle of an answer', async () => {
    const { run, log, signals } = fakeHost({ stdin: 'hi\n', ready: new Promise(() => {}) });
    const status = run('chat');
    await expect.poll(() => log.inFlight).toBe(1);
    signals.emit('SIGINT');
    expect(await status).toBe(130);
    expect(log.closed).toBe(1);
  });
});
