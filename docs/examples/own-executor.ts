/**
 * Octavo's cache and scheduler around somebody else's executor.
 *
 * The executor below stands for your own: where it keeps one number a token, yours keeps keys and values; where it adds up what a row
 * reads, yours runs a model. What it has to do with a plan is all here: copy, run, write, in that order, and hand the tokens back.
 */
// In a project of your own: from '@octavo/kv' and '@octavo/scheduler'.
import { createKvCache } from '../../packages/kv/src/index.ts';
import {
  createScheduler,
  type StepPlan,
  type StepResult,
  type StepSource,
} from '../../packages/scheduler/src/index.ts';

const PAGES = 32;
const PAGE_SIZE = 4;
const VOCABULARY = 100;

/** An executor whose "K/V" of a token is the token, and whose "model" adds up everything that a row sees. */
class AddingExecutor {
  /** [PAGES, PAGE_SIZE]: what is kept of the token in each slot. */
  readonly #store = new Int32Array(PAGES * PAGE_SIZE);
  /** Rows that were run, over all steps: what serving has cost. */
  rows = 0;

  run(plan: StepPlan): StepResult {
    // 1. Copies first: a row of this step may read what is copied.
    for (let copy = 0; copy < plan.copyCount; copy += 1) {
      const from = plan.copyFrom[copy]! * PAGE_SIZE;
      this.#store.copyWithin(plan.copyTo[copy]! * PAGE_SIZE, from, from + plan.copyTokens[copy]!);
    }

    // 2. The model, for the rows whose next token is wanted. (A real one runs all rows: each has K/V to be kept.)
    const tokens = new Int32Array(plan.headCount);
    const stops = new Uint8Array(plan.headCount);
    for (let head = 0; head < plan.headCount; head += 1) {
      const row = plan.headRow[head]!;
      const sum = this.#past(plan, row) + earlierRows(plan, row) + plan.tokens[row]!;
      tokens[head] = sum % VOCABULARY;
      // A token that ends a sequence would set stops[head] = 1.
    }

    // 3. Then the rows' own K/V, into their slots. After `commit` other sequences may read them.
    for (let row = 0; row < plan.rowCount; row += 1) this.#store[plan.slots[row]!] = plan.tokens[row]!;
    this.rows += plan.rowCount;
    return { tokens, stops };
  }

  /** What a row reads from pages: at each level, the leading tokens of its group's pages. */
  #past(plan: StepPlan, row: number): number {
    let sum = 0;
    for (const level of plan.levels) {
      if (level.groupCount === 0) continue;
      const group = Math.floor(level.rowAt[row]! / level.rowsPerGroup);
      for (let token = 0; token < level.tokens[group]!; token += 1) {
        const page = level.pages[group * level.pagesPerGroup + Math.floor(token / PAGE_SIZE)]!;
        sum += this.#store[page * PAGE_SIZE + (token % PAGE_SIZE)]!;
      }
    }
    return sum;
  }
}

/** What a row reads from the rows before it in its own chunk of the same step. */
function earlierRows(plan: StepPlan, row: number): number {
  const { chunkCount, rowsPerChunk, rows, rowAt } = plan.chunks;
  if (chunkCount === 0) return 0;
  const at = rowAt[row]!;
  let sum = 0;
  for (let other = at - (at % rowsPerChunk); other < at; other += 1) sum += plan.tokens[rows[other]!]!;
  return sum;
}

/** What the scheduler knew at the end about one prompt. */
export interface Served {
  readonly completion: readonly number[];
  readonly cachedTokens: number;
  readonly computedTokens: number;
}

/** Plan, run, commit, until there is nothing to run. */
function serve(scheduler: StepSource, executor: AddingExecutor): Map<number, Served> {
  const served = new Map<number, Served>();
  for (let plan = scheduler.plan(); plan !== undefined; plan = scheduler.plan()) {
    const { finished, finishedCount } = scheduler.commit(plan, executor.run(plan));
    for (const sequence of finished.subarray(0, finishedCount)) {
      const { tokens, tokenCount, promptTokens } = scheduler.tokensOf(sequence);
      const { cachedTokens, computedTokens } = scheduler.usage(sequence);
      served.set(sequence, {
        completion: [...tokens.subarray(promptTokens, tokenCount)],
        cachedTokens,
        computedTokens,
      });
    }
  }
  return served;
}

/** Serves two prompts of 20 tokens that share their first 16, at the same time and cold, and prints what was computed. */
export function serveTwoPrompts(print: (line: string) => void): { readonly served: Served[]; readonly rows: number } {
  const kv = createKvCache({ pages: PAGES, pageSize: PAGE_SIZE });
  const scheduler = createScheduler({ kv, maxSequences: 8, tokenBudget: 64, maxWaiting: 100 });
  const executor = new AddingExecutor();
  const shared = Array.from({ length: 16 }, (_, at) => at + 1);
  const ids = [30, 60].map((question) => {
    const prompt = Uint32Array.from([...shared, question, question + 1, question + 2, question + 3]);
    const answer = scheduler.submit({ prompt, maxTokens: 3, salt: '', priority: 0, mode: 'share', logits: 'last' });
    if (!answer.ok)
      throw new Error(`Refused (${answer.reason}): ${answer.needed} needed, ${answer.available} available.`);
    return answer.sequence;
  });
  const answers = serve(scheduler, executor);
  const served = ids.map((id) => answers.get(id)!);
  for (const { cachedTokens, computedTokens, completion } of served) {
    print(`${computedTokens} prompt tokens computed, ${cachedTokens} reused; completion ${completion.join(' ')}`);
  }
  print(`${executor.rows} rows run`);
  return { served, rows: executor.rows };
}
