/**
 * One step as data: which rows (tokens) are computed, where their K/V goes, and which pages each row reads.
 * All arrays are reused columns, valid until the step's commit; a consumer reads, never writes, and never keeps them.
 * Lengths are the counts beside them, not the arrays' own.
 */

/** How many levels of page groups a plan has at most; fixed when the graph is compiled. */
export const LEVEL_COUNT = 3;

/**
 * One round of attention over pages. A group is rows that all read the same pages, every row all of its tokens:
 * the pages of a step's past are complete for every row, so no causal mask is needed here.
 * A row is in at most one group a level. A row that reads nothing at a level points into a group of 0 tokens.
 */
export interface LevelPlan {
  /** 0: the level is unused in this step, and the arrays hold nothing. */
  readonly groupCount: number;
  readonly rowsPerGroup: number;
  readonly pagesPerGroup: number;
  /** [groupCount, rowsPerGroup] row of the batch; padded with row 0. */
  readonly rows: Int32Array;
  /** [groupCount, pagesPerGroup] page id; padded with the null page. */
  readonly pages: Int32Array;
  /** [groupCount] leading tokens of the group's pages that are read; the rest is masked. */
  readonly tokens: Int32Array;
  /** [rowCount] where a row's result is: group x rowsPerGroup + place. */
  readonly rowAt: Int32Array;
}

/**
 * A level as a layer with a sliding window reads it. Groups, `rows` and `rowAt` are those of the full level, so only what differs is here:
 * pages that no row of a group can see any more are dropped at its front. What is left of the first page may lie before the
 * window of some row, or of all but one: the executor masks by positions.
 */
export interface WindowLevelPlan {
  /** That of the full level; 0: the full level is unused, or the window has left all of it. */
  readonly groupCount: number;
  readonly pagesPerGroup: number;
  /** [groupCount, pagesPerGroup] page id; padded with the null page. */
  readonly pages: Int32Array;
  /** [groupCount] leading tokens of these pages that are read, 0: the window has left the group. */
  readonly tokens: Int32Array;
  /** [groupCount] position of the first of them in its sequence. */
  readonly firstPositions: Int32Array;
}

/** The levels once more, for layers in which a row at position i reads positions j with 0 <= i - j < window. */
export interface WindowPlan {
  readonly window: number;
  /** [LEVEL_COUNT] */
  readonly levels: readonly WindowLevelPlan[];
}

/**
 * Attention of a step's rows to earlier rows of the same sequence in the same step: row i of a chunk sees rows j < i (its own
 * K/V is always seen, by every row, outside this plan). A row that is in no chunk points to the first row of the first one, which sees nothing.
 */
export interface ChunkPlan {
  /** 0: no sequence has two rows in this step. */
  readonly chunkCount: number;
  readonly rowsPerChunk: number;
  /** [chunkCount, rowsPerChunk] row of the batch, in order; padded at the end with row 0. */
  readonly rows: Int32Array;
  /** [rowCount] chunk x rowsPerChunk + place. */
  readonly rowAt: Int32Array;
}

/** Of the full levels: windows are not counted. */
export interface AttentionStats {
  /** Distinct pages read in this step. */
  readonly uniquePages: number;
  /** Pages that a flat plan (each row its own pages) would have read, less those read here (padding included): negative when nothing is shared. */
  readonly savedPageReads: number;
  /** Page reads that are padding. */
  readonly paddingPageReads: number;
}

export interface StepPlan {
  readonly stepId: number;

  /** Rows of the batch: tokens computed in this step; at least 1. */
  readonly rowCount: number;
  /** [rowCount] */
  readonly tokens: Int32Array;
  /** [rowCount] index of the token in its sequence. */
  readonly positions: Int32Array;
  /** [rowCount] where the row's K/V is written: page x pageSize + offset; pairwise distinct. Negative slots do not exist: see `writes`. */
  readonly slots: Int32Array;
  /** False when no K/V is kept (the recompute baseline): `slots` then holds nothing. */
  readonly writes: boolean;

  readonly sequenceCount: number;
  /** [sequenceCount] ids, as `submit` gave them. */
  readonly sequences: Int32Array;
  /** [sequenceCount] its rows are [firstRow, firstRow + scheduledTokens). */
  readonly firstRow: Int32Array;
  readonly scheduledTokens: Int32Array;

  /** Rows whose logits are wanted. */
  readonly headCount: number;
  /** [headCount] row of the batch. */
  readonly headRow: Int32Array;
  /** [headCount] id of its sequence; heads of a sequence follow each other, in the order of `sequences`. */
  readonly headSequence: Int32Array;
  /** [headCount] 1: the sequence's next token is sampled from it; 0: only its logits are wanted (scoring). */
  readonly headSamples: Uint8Array;

  /** Page copies to perform before the run: rows [0, copyTokens) of every layer. */
  readonly copyCount: number;
  readonly copyFrom: Int32Array;
  readonly copyTo: Int32Array;
  readonly copyTokens: Int32Array;

  /** [LEVEL_COUNT] */
  readonly levels: readonly LevelPlan[];
  /** One for each window that the scheduler was told of, in that order. */
  readonly windows: readonly WindowPlan[];
  readonly chunks: ChunkPlan;
  readonly attention: AttentionStats;
}

/** What the executor hands back; read in commit, not kept. */
export interface StepResult {
  /** [headCount] the sampled token where headSamples is 1. */
  readonly tokens: Int32Array;
  /** [headCount] 1: the sequence ends with this token (an end id or a stop string), finish reason `stop`. */
  readonly stops: Uint8Array;
}
