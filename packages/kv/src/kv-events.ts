import type { KvEvent, KvEvents } from './lifetimes.ts';

/** An event before it has its number. */
export type UnnumberedEvent = KvEvent extends infer Each
  ? Each extends KvEvent
    ? Omit<Each, 'sequence'>
    : never
  : never;

/**
 * What happened to the index, for whoever listens, with a bounded memory of the last events for those who missed some. While nobody has ever
 * listened `isRecording` is false, and whoever would tell an event does not even make it.
 */
export class EventLog implements KvEvents {
  readonly #capacity: number;
  readonly #listeners = new Set<(event: KvEvent) => void>();
  /** The last `#capacity` events; the one with number n at n modulo its capacity. */
  readonly #ring: (KvEvent | undefined)[] = [];
  #isRecording = false;
  lastSequence = 0;

  /** @param capacity events that can be replayed. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get isRecording(): boolean {
    return this.#isRecording;
  }

  listen(listener: (event: KvEvent) => void): () => void {
    this.#isRecording = true;
    // A function of its own each time: the same one may listen twice.
    const own = (event: KvEvent) => listener(event);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  replay(sequence: number): readonly KvEvent[] | undefined {
    if (sequence >= this.lastSequence) return [];
    if (sequence < 0 || this.lastSequence - sequence > this.#capacity) return undefined;
    const events: KvEvent[] = [];
    for (let number = sequence + 1; number <= this.lastSequence; number++) {
      events.push(this.#ring[number % this.#capacity] as KvEvent);
    }
    return events;
  }

  /** Effect: numbers the event, keeps it, and tells all listeners. Only while `isRecording`. */
  tell(event: UnnumberedEvent): void {
    this.lastSequence++;
    const numbered = { ...event, sequence: this.lastSequence } as KvEvent;
    if (this.#capacity > 0) this.#ring[this.lastSequence % this.#capacity] = numbered;
    for (const listener of this.#listeners) listener(numbered);
  }
}

/** A page's name in events: 60 bits of digest in 16 hexadecimal digits. Pure. */
export function pageKey(high: number, low: number): string {
  return `${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;
}
