/**
 * Who yields steps: the scheduler, or the recompute baseline that keeps no K/V. An executor drives either the same way:
 * `plan()` -> run -> `commit(plan, result)`, one step at a time.
 */
import type { Breakpoint, CacheMode, ClaimOptions, MissReason } from '@octavo/kv';
import type { StepPlan, StepResult } from './step-plan.ts';

export type FinishReason = 'stop' | 'length' | 'abort' | 'error';

export interface SequenceRequest {
  /** Prompt token ids, at least 1; owned by the scheduler from here on. */
  readonly prompt: Uint32Array;
  /** Tokens to generate at most, at least 1. */
  readonly maxTokens: number;
  readonly salt: string;
  /** Higher runs first; equal: first come, first served. */
  readonly priority: number;
  readonly mode: CacheMode;
  /** How long what it stores stays. Default: until it has to make room. */
  readonly claim?: ClaimOptions;
  /** Positions of the prompt up to which it is worth storing. Default: all of it, and the completion. */
  readonly breakpoints?: readonly Breakpoint[];
  /**
   * `all`: the logits of every prompt row are wanted too (scoring); needs `mode: 'bypass'`, since cached rows have none. Each prompt row is
   * a head in exactly one committed step, also when the sequence is preempted and runs rows again.
   */
  readonly logits: 'last' | 'all';
}

export type SubmitResult =
  | { readonly ok: true; readonly sequence: number }
  | {
      readonly ok: false;
      /** `too-long`: prompt + maxTokens - 1 tokens can never be in the pool at once. `queue-full`: try later. */
      readonly reason: 'too-long' | 'queue-full';
      /** Pages (too-long) or waiting sequences (queue-full) that it would need, and how many there are. */
      readonly needed: number;
      readonly available: number;
    };

/** Counted per sequence; final when it has finished. cachedTokens + computedTokens = promptTokens once the prompt is through. */
export interface SequenceUsage {
  readonly promptTokens: number;
  /**
   * Prompt tokens whose K/V was reused instead of run: at the first admission, and, when the sequence was preempted before its prompt was
   * through, what others had published of the rest by the time it came back.
   */
  readonly cachedTokens: number;
  /** Prompt tokens that were run for the first time. */
  readonly computedTokens: number;
  /** Tokens run again after preemption (the recompute baseline: after their first run). */
  readonly recomputedTokens: number;
  readonly completionTokens: number;
  readonly preemptions: number;
  readonly missReason: MissReason;
  /** Tokens of prompt and completion that it put into the cache: those that others had put there are not counted. */
  readonly storedTokens: number;
}

/** What a commit changed; columns are reused, valid until the next commit. */
export interface CommitReport {
  readonly finishedCount: number;
  /** [finishedCount] */
  readonly finished: Int32Array;
  readonly finishReasons: readonly FinishReason[];
}

export interface SequenceTokens {
  /** At least [tokenCount]. */
  readonly tokens: Uint32Array;
  readonly tokenCount: number;
  readonly promptTokens: number;
}

export interface StepSource {
  /** Queues a sequence, or refuses at the door what can never fit. */
  submit(request: SequenceRequest): SubmitResult;
  /**
   * Ends a sequence at any point; its pages return. Between two steps at once, and in no report; while a step is in flight with its
   * commit (or failure), which reports it as `abort`. False: unknown, already ended or already aborted.
   */
  abort(sequence: number): boolean;
  /** The next step, or undefined when there is nothing to run. Throws when the previous step was neither committed nor failed. */
  plan(): StepPlan | undefined;
  /** Advances, publishes, finishes. */
  commit(plan: StepPlan, result: StepResult): CommitReport;
  /** The step in flight failed: nothing of it is published, and its sequences are ended (so are those aborted meanwhile). Returns their ids. */
  fail(plan: StepPlan): readonly number[];
  /** Usage of a live sequence, or of one that the last commit or abort ended. */
  usage(sequence: number): SequenceUsage;
  /** Prompt followed by generated tokens: [0, tokenCount) of `tokens`. A live view: it grows with the sequence. */
  tokensOf(sequence: number): SequenceTokens;
  readonly waitingCount: number;
  readonly runningCount: number;
}
