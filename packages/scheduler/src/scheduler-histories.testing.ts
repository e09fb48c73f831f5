/** Random schedulers, requests and histories for the property tests. */
import { createKvCache, pagesFor } from '@octavo/kv';
import fc from 'fast-check';
import { MEASURED_COSTS } from './cost-model.ts';
import { TinyExecutor } from './scheduler.testing.ts';
import { createScheduler } from './scheduler.ts';
import {
  Abort,
  AbortInFlight,
  Clear,
  ClearInFlight,
  Fail,
  type History,
  type RandomWorld,
  Step,
  Submit,
  SubmitInFlight,
} from './scheduler-commands.testing.ts';
import type { SequenceRequest } from './step-source.ts';

/** Prompts are made of few tokens, so that they share pages; completions of more, so that few end early. */
const PROMPT_ALPHABET = 3;
const ALPHABET = 12;
const END_TOKEN = 11;

const requests: fc.Arbitrary<SequenceRequest> = fc
  .record({
    prompt: fc
      .array(fc.nat({ max: PROMPT_ALPHABET - 1 }), { minLength: 1, maxLength: 24, size: 'max' })
      .map((tokens) => Uint32Array.from(tokens)),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    salt: fc.constantFrom('', '', 'other'),
    priority: fc.constantFrom(0, 0, 1, 2),
    kind: fc.constantFrom('share', 'share', 'share', 'bypass', 'score'),
  })
  .map(({ kind, ...rest }) => ({
    ...rest,
    mode: kind === 'share' ? ('share' as const) : ('bypass' as const),
    logits: kind === 'score' ? ('all' as const) : ('last' as const),
  }));

/** A prompt that shares a beginning with a common text, so that pages are shared, waited for and fought over. */
const relatedRequests = fc.tuple(requests, fc.nat({ max: 20 })).map(([one, shared]) => ({
  ...one,
  prompt: Uint32Array.from([...Array.from({ length: shared }, (_, at) => at % PROMPT_ALPHABET), ...one.prompt]).slice(
    0,
    28,
  ),
}));

/** Histories of up to 60 commands, steps and submissions more often than trouble. */
export const commands = fc.commands(
  [
    ...Array.from({ length: 6 }, () => relatedRequests.map((one) => new Submit(one))),
    requests.map((one) => new Submit(one)),
    ...Array.from({ length: 10 }, () => fc.constant(new Step())),
    fc.nat({ max: 20 }).map((choice) => new Abort(choice)),
    fc.nat({ max: 20 }).map((choice) => new AbortInFlight(choice)),
    fc.constant(new ClearInFlight()),
    relatedRequests.map((one) => new SubmitInFlight(new Submit(one))),
    fc.constant(new Fail()),
    fc.constantFrom(undefined, '', 'other').map((salt) => new Clear(salt)),
  ],
  { maxCommands: 60, size: 'max' },
);

/** Pools that a single sequence may nearly fill. */
export const worlds: fc.Arbitrary<RandomWorld> = fc
  .record({
    pageSize: fc.integer({ min: 1, max: 5 }),
    roomTokens: fc.integer({ min: 12, max: 60 }),
    maxSequences: fc.integer({ min: 1, max: 6 }),
    tokenBudget: fc.integer({ min: 1, max: 20 }),
    longChunkTokens: fc.constantFrom(Number.POSITIVE_INFINITY, 2, 5, 12),
    promptStepsInTurn: fc.constantFrom(1, 1, 2, 9),
    maxWaiting: fc.constantFrom(2, 30),
    watermarkPages: fc.integer({ min: 0, max: 2 }),
    singleFlight: fc.constantFrom(true, true, false),
    attention: fc.constantFrom('levels' as const, 'levels' as const, 'flat' as const),
    // Levels for next to nothing, so that small worlds have deep plans too.
    attentionCosts: fc.constantFrom(MEASURED_COSTS, { gather: 9, score: 1, level: 0, merge: 0 }),
    windows: fc.constantFrom([], [], [1], [7], [3, 16]),
    index: fc.constantFrom('radix' as const, 'radix' as const, 'linear' as const),
  })
  .map(({ roomTokens, ...rest }) => ({
    ...rest,
    pages: 1 + rest.watermarkPages + pagesFor(roomTokens, rest.pageSize),
  }));

/** A new scheduler that proves every plan. */
export function begin(world: RandomWorld): History {
  const { pages, pageSize, index, ...limits } = world;
  const kv = createKvCache({ pages, pageSize, index });
  const scheduler = createScheduler({ kv, ...limits, checks: 'every-step' });
  const executor = new TinyExecutor({ pages, pageSize, alphabet: ALPHABET, endToken: END_TOKEN });
  return {
    model: { world, live: new Map(), submitted: new Map() },
    real: { kv, scheduler, executor, ended: new Map() },
  };
}
