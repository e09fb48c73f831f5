/** Engines over the fake model on a clock that the test turns. */
import type { Engine } from './api.ts';
import { openClient } from './client.ts';
import type { EngineTime } from './clock.ts';
import { engineConfig } from './engine-config.ts';
import { assembleEngine } from './engine-parts.ts';
import { FakeRunner, type FakeRunnerOptions } from './fake-runner.ts';
import type { OwnRunnerOptions } from './open-engine.ts';
import { startHost } from './start-host.ts';
import { connectInThread } from './transport.ts';

/** Time that stands still until it is turned, or goes on by so much with each look at the clock; what is due by then is called, in order. */
export class FakeTime implements EngineTime {
  readonly #lookMs: number;
  #nowMs = 1_000.5;
  #timers: { readonly dueMs: number; readonly work: () => void }[] = [];

  constructor(lookMs = 0) {
    this.#lookMs = lookMs;
  }

  readonly clock = (): number => {
    this.#nowMs += this.#lookMs;
    return this.#nowMs;
  };
  readonly wallClock = (): number => 1_700_000_000_000 + Math.floor(this.#nowMs);
  readonly after = (ms: number, work: () => void): (() => void) => {
    const timer = { dueMs: this.#nowMs + ms, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** Effect: so much time goes by, a second at a time, and after each everything that it set off comes to rest. */
  async turn(ms: number): Promise<void> {
    // Whoever was just answered may not be at rest yet.
    await settled();
    for (let left = ms; left > 0; left -= 1000) {
      this.#nowMs += Math.min(left, 1000);
      for (let due = this.#due(); due !== undefined; due = this.#due()) {
        due();
        await settled();
      }
    }
  }

  /** Effect: the first of what is due is called, and nothing else. */
  callDue(): void {
    this.#due()?.();
  }

  #due(): (() => void) | undefined {
    const at = this.#timers.findIndex(({ dueMs }) => dueMs <= this.#nowMs);
    return at < 0 ? undefined : this.#timers.splice(at, 1)[0]?.work;
  }
}

/** A few turns of the event loop, in which an engine without requests has done what there is to do. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export function openFakeAt(
  time: EngineTime,
  options: OwnRunnerOptions = {},
  runner: FakeRunnerOptions = {},
): Promise<Engine> {
  // Nothing is to wait for time that a test does not know of.
  const config = engineConfig({ pageSize: 4, pages: 64, commitMemory: 'never', ...options });
  const start = startHost(() => assembleEngine({ runner: new FakeRunner(runner) }, config, time));
  return openClient(connectInThread(start));
}
