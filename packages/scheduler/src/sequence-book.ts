import { grownInt32, NO_INT32 } from './columns.ts';
import { SchedulerError } from './errors.ts';
import { Sequence } from './sequence.ts';
import type { CommitReport, FinishReason, SequenceRequest } from './step-source.ts';

class ReusedReport implements CommitReport {
  finishedCount = 0;
  finished = NO_INT32;
  readonly finishReasons: FinishReason[] = [];
}

/** Ended sequences that aborts between two commits keep for a last look, beyond those of the commit. */
const KEPT_ENDED = 64;

/** Every sequence that is alive, those that ended lately, and the report of the last commit. Ids are never used twice. */
export class SequenceBook {
  readonly #live = new Map<number, Sequence>();
  readonly #ended = new Map<number, Sequence>();
  readonly #report = new ReusedReport();
  readonly #keptEnded: number;
  #lastId = 0;

  constructor(maxSequences: number) {
    this.#keptEnded = maxSequences + KEPT_ENDED;
  }

  get report(): CommitReport {
    return this.#report;
  }

  /** Live sequences in order of arrival. */
  live(): Iterable<Sequence> {
    return this.#live.values();
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** Effect: a new live sequence with all its storage. O(prompt + maxTokens). */
  open(request: SequenceRequest): Sequence {
    this.#lastId += 1;
    const sequence = new Sequence(this.#lastId, request);
    this.#live.set(sequence.id, sequence);
    return sequence;
  }

  /** A live sequence; undefined when unknown or ended. */
  findLive(id: number): Sequence | undefined {
    return this.#live.get(id);
  }

  /** A live or lately ended sequence. Throws `UNKNOWN_SEQUENCE`. */
  get(id: number): Sequence {
    const sequence = this.#live.get(id) ?? this.#ended.get(id);
    if (sequence === undefined) {
      throw new SchedulerError(
        'UNKNOWN_SEQUENCE',
        `Sequence ${id} was never submitted, or ended before the last commit.`,
      );
    }
    return sequence;
  }

  /** Effect: forgets what ended before, and begins an empty report. */
  beginReport(): void {
    // Emptying a map or an array allocates, also when it is empty already.
    if (this.#ended.size > 0) this.#ended.clear();
    if (this.#report.finishedCount === 0) return;
    this.#report.finishedCount = 0;
    this.#report.finishReasons.length = 0;
  }

  /** Effect: `sequence`, which holds nothing any more, ended; it is in the report. */
  endReported(sequence: Sequence, reason: FinishReason): void {
    const report = this.#report;
    report.finished = grownInt32(report.finished, report.finishedCount + 1);
    report.finished[report.finishedCount] = sequence.id;
    report.finishReasons[report.finishedCount] = reason;
    report.finishedCount += 1;
    this.#end(sequence);
  }

  /** Effect: as `endReported`, between two commits and in no report. */
  endUnreported(sequence: Sequence): void {
    this.#end(sequence);
    if (this.#ended.size <= this.#keptEnded) return;
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest);
      return;
    }
  }

  #end(sequence: Sequence): void {
    sequence.state = 'ended';
    this.#live.delete(sequence.id);
    this.#ended.set(sequence.id, sequence);
  }
}
