import { readFileSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

/** A stretch of time, in milliseconds on the clock of `performance`. */
interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
}

/** What is known of the calls of one kind, over rounds that made the same calls in the same order. */
export interface Pause {
  /** The longest call by the clock on the wall, as whoever waits for it sees it, in the round where that was shortest. */
  readonly ms: number;
  /** How much of that the garbage collector had the thread. */
  readonly collectorMs: number;
  /** The longest call without the time in which its thread was ready to run and others had the processor, in the round where that was shortest. */
  readonly ownMs: number;
  /**
   * The longest call that took so long in every round. What the calls do themselves comes again at the same place; what the machine and the
   * collector do comes somewhere else.
   */
  readonly recurringMs: number;
}

interface Kind {
  /** [calls] the shortest time of each call over the rounds so far */
  least: Float32Array;
  calls: number;
  longest: Stretch;
  /** The longest call of each round that is over. */
  readonly longestOfRounds: Stretch[];
  /** The longest call of the round without what others took, and that of each round that is over. */
  ownMs: number;
  readonly ownOfRounds: number[];
}

/** Calls between two looks at how long the thread waited: a look takes ten microseconds and leaves garbage behind. */
const LOOK_EVERY = 2_048;
/** Calls that took longer are asked at once whether others had the processor meanwhile. */
const SLOW_MS = 1;

const NOTHING: Stretch = { startMs: 0, endMs: 0 };

/** Times calls in rounds. */
export class PauseMeter {
  readonly #kinds = new Map<string, Kind>();
  readonly #collections: Stretch[] = [];
  /** The last look: how long the thread had waited for a processor, and what was timed then. */
  #waitedMs = 0;
  #looked: Kind | undefined;
  #callsSince = 0;
  readonly #observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      this.#collections.push({ startMs: startTime, endMs: startTime + duration });
  });

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** A kind of calls, of which a round makes `calls` at most. */
  expect(name: string, calls: number): void {
    const least = new Float32Array(calls).fill(Number.POSITIVE_INFINITY);
    this.#kinds.set(name, { least, calls: 0, longest: NOTHING, longestOfRounds: [], ownMs: 0, ownOfRounds: [] });
  }

  /** Runs and times a call. */
  time(name: string, call: () => void): void {
    const kind = this.#kindOf(name);
    // Whatever came before it may have waited for the processor, too.
    if (kind !== this.#looked || ++this.#callsSince >= LOOK_EVERY) this.#look(kind);
    const startMs = performance.now();
    call();
    const endMs = performance.now();
    const place = kind.calls++;
    const ms = endMs - startMs;
    if (ms < (kind.least[place] as number)) kind.least[place] = ms;
    if (ms > msOf(kind.longest)) kind.longest = { startMs, endMs };
    const ownMs = ms < SLOW_MS ? ms : Math.max(0, ms - this.#look(kind));
    if (ownMs > kind.ownMs) kind.ownMs = ownMs;
  }

  endRound(): void {
    for (const kind of this.#kinds.values()) {
      kind.longestOfRounds.push(kind.longest);
      kind.longest = NOTHING;
      kind.ownOfRounds.push(kind.ownMs);
      kind.ownMs = 0;
      kind.calls = 0;
    }
  }

  /** Between rounds: collections are reported between turns of the event loop, and the calls of a round are all in one. */
  async settle(): Promise<void> {
    await setImmediate();
    await setImmediate();
  }

  /** The meter is done with. */
  end(): (name: string) => Pause {
    this.#observer.disconnect();
    return (name) => {
      const { least, longestOfRounds, ownOfRounds } = this.#kindOf(name);
      const longest = longestOfRounds.reduce((best, each) => (msOf(each) < msOf(best) ? each : best));
      let recurringMs = 0;
      for (const ms of least) if (ms > recurringMs && ms < Number.POSITIVE_INFINITY) recurringMs = ms;
      const ownMs = Math.min(...ownOfRounds);
      return { ms: msOf(longest), collectorMs: this.#collectorMs(longest), ownMs, recurringMs };
    };
  }

  /** How long the thread waited for a processor since the last look. */
  #look(kind: Kind): number {
    const before = this.#waitedMs;
    this.#waitedMs = waitedForProcessorMs();
    this.#looked = kind;
    this.#callsSince = 0;
    return this.#waitedMs - before;
  }

  #kindOf(name: string): Kind {
    const kind = this.#kinds.get(name);
    if (kind === undefined) throw new Error(`The kind "${name}" was not expected.`);
    return kind;
  }

  #collectorMs(call: Stretch): number {
    const overlaps = this.#collections.map(
      ({ startMs, endMs }) => Math.min(endMs, call.endMs) - Math.max(startMs, call.startMs),
    );
    return overlaps.reduce((sum, overlap) => sum + Math.max(0, overlap), 0);
  }
}

function msOf({ startMs, endMs }: Stretch): number {
  return endMs - startMs;
}

/** Since the thread began, as Linux counts it; 0 elsewhere. */
function waitedForProcessorMs(): number {
  try {
    const [, waitedNs = '0'] = readFileSync('/proc/self/schedstat', 'utf8').split(' ');
    return Number(waitedNs) / 1e6;
  } catch {
    return 0;
  }
}
