/**
 * Slots that pages reserve and no token fills: over running sequences whose lengths are no multiples of the page, weighted by the steps for which
 * they run. Scheduler and cache run without a model: where tokens come from does not matter here.
 */
import { strict as assert } from 'node:assert';
import { createKvCache } from '@octavo/kv';
import { checkScheduler, createScheduler, type PlannedSequence } from '@octavo/scheduler';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { seededIds } from '../token-ids.ts';

const SEQUENCES = 32;
const SHORTEST = 100;
const LONGEST = 600;
const NEW_TOKENS = 128;

export async function runWastedSlots(effort: BenchEffort): Promise<BenchRow[]> {
  const requests = effort === 'smoke' ? 64 : 1_000;
  return [16, 4].map((pageSize) => {
    const { share, steps } = serve(requests, pageSize);
    return measured({
      name: `wasted slots, page size ${pageSize}, ${requests} prompts of ${SHORTEST} to ${LONGEST} tokens, ${NEW_TOKENS} new`,
      value: 100 * share,
      unit: '%',
      aim: pageSize === 16 ? '<= 4 %' : '<= 1 %',
      samples: steps,
      checked: steps,
    });
  });
}

/** All of its tokens have slots in this step; a prompt that is still read has pages for the next chunk only. */
function isDecoding({ tokenCount, computedTokens }: PlannedSequence): boolean {
  return tokenCount - computedTokens === 1;
}

/** Share of the slots held by running sequences that no token fills, over all steps. */
function serve(requests: number, pageSize: number): { readonly share: number; readonly steps: number } {
  const pages = 1 + SEQUENCES * Math.ceil((LONGEST + NEW_TOKENS) / pageSize + 1) * 2;
  const kv = createKvCache({ pages, pageSize });
  const scheduler = createScheduler({ kv, maxSequences: SEQUENCES, tokenBudget: 512, maxWaiting: requests });
  const lengths = seededIds(5, requests, LONGEST - SHORTEST);
  const live = new Set<number>();
  for (const [request, length] of lengths.entries()) {
    const promptTokens = SHORTEST + length + ((SHORTEST + length) % 16 === 0 ? 1 : 0);
    const prompt = seededIds(20_000 + request, promptTokens, 40_000);
    const answer = scheduler.submit({
      prompt,
      maxTokens: NEW_TOKENS,
      salt: '',
      priority: 0,
      mode: 'share',
      logits: 'last',
    });
    assert(answer.ok, 'the scheduler refused a sequence');
    live.add(answer.sequence);
  }
  const result = { tokens: new Int32Array(512), stops: new Uint8Array(512) };
  let held = 0;
  let filled = 0;
  let steps = 0;
  for (let plan = scheduler.plan(); plan !== undefined; plan = scheduler.plan()) {
    const inspection = scheduler.inspect();
    for (const sequence of live) {
      const planned = inspection.planned(sequence);
      if (planned === undefined || !isDecoding(planned) || planned.tokenCount % 16 === 0) continue;
      held += planned.pageCount * pageSize;
      filled += planned.tokenCount;
    }
    for (let head = 0; head < plan.headCount; head++) result.tokens[head] = 16 + ((steps * 31 + head * 7) % 30_000);
    const { finished, finishedCount } = scheduler.commit(plan, result);
    for (const sequence of finished.subarray(0, finishedCount)) live.delete(sequence);
    steps += 1;
  }
  assert.deepEqual(checkScheduler(scheduler), []);
  assert(held > 0, 'no sequence was seen running');
  return { share: 1 - filled / held, steps };
}
