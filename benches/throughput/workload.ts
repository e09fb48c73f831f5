/** What a throughput bench serves: requests as token ids, named and seeded. */
import type { GenerateResult } from 'octavo';

export interface WorkloadRequest {
  readonly ids: Uint32Array;
  readonly maxTokens: number;
}

/** Submits one request and waits for its end. */
export type Ask = (request: WorkloadRequest) => Promise<GenerateResult>;

export interface Workload {
  readonly name: string;
  /** One sentence with the numbers that a reader needs. */
  readonly about: string;
  /** Prompts whose K/V is computed before the clock starts. */
  readonly warm?: readonly Uint32Array[];
  /** How many requests `serve` makes. */
  readonly requests: number;
  /** Makes all requests; resolves when the last has ended. The same calls in every run, whatever comes back when. */
  serve(ask: Ask): Promise<void>;
  /** The same workload with fewer requests of the same kind, for the slow variants; absent: they serve all of it. */
  readonly excerpt?: Workload;
}

/** Runs `work` over all items, at most `inFlight` at a time, in order of their start. */
export async function eachInFlight<Item>(
  items: readonly Item[],
  inFlight: number,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const item = items[next] as Item;
      next += 1;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, items.length) }, lane));
}

/** A workload of independent requests, `inFlight` at a time. */
export function independent(
  named: Pick<Workload, 'name' | 'about' | 'warm' | 'excerpt'>,
  requests: readonly WorkloadRequest[],
  inFlight: number,
): Workload {
  return {
    ...named,
    requests: requests.length,
    serve: (ask) => eachInFlight(requests, inFlight, ask),
  };
}
