/**
 * Names, types and shapes of the inputs and outputs of a compiled graph: the one contract between the compiler and the executor.
 *
 * M rows (tokens of the step), H head rows, F rows of full logits, L layers, G groups, R rows a group, P pages a group, C chunks,
 * T rows a chunk, B blocks a row, W rows of the step in a level's blocks. M, H, G, R, P, C, T, B, W are at least 1 in every run (an unused level or
 * chunk is given one group of one row and the null page, and switched off by its flag); F may be 0. Pools are read-only to the graph.
 *
 * Positions are below the compiled contextTokens; the run fails otherwise. What a switched-off level or chunk is given is not read. Slots
 * behind a group's tokens may hold anything finite: they get a weight of 0, but 0 x NaN is NaN, so pages must never take in a row that is
 * not finite. A step of one row with no level but the first and no chunk takes a path of its own with half the nodes, except in a deterministic graph.
 *
 * Windows are the distinct ones of the model's layers, ascending (`windows` of the shape); a row sees keys with 0 <= position - key < window.
 * Their groups and rows are those of the level: level{l}_rows and level{l}_row_at are given whenever the level is on. When every layer has
 * a window (`hasFullLayers` is false), level{l}_on, level{l}_pages and level{l}_tokens do not exist. None of this is true of a
 * deterministic graph, which has the levels below, whatever its windows.
 *
 * | input | type | shape |
 * |---|---|---|
 * | tokens | int32 | [M] |
 * | positions | int32 | [M] |
 * | head_rows | int32 | [H] rows of the batch whose next-token distribution is wanted |
 * | heads_on | bool | [1] whether a next-token distribution is wanted at all; if not, what is handed out for the one head row means nothing |
 * | full_rows | int32 | [F] which of the H head rows are handed out as full logits |
 * | sample_on | bool | [1] whether rows are sampled from candidates |
 * | sample_rows | int32 | [S] which of the H head rows |
 * | sample_scales | float32 | [S] 1 / temperature |
 * | sample_masses | float32 | [S] share of all probability that candidates must hold; 0: whatever they hold is enough |
 * | sample_floors | float32 | [S] or the weight (relative to the most probable token) that the last candidate must be below |
 * | level{l}_on | bool | [1] |
 * | level{l}_rows | int32 | [G, R] row of the batch, padded with 0 |
 * | level{l}_pages | int32 | [G, P] page id, padded with the null page 0 |
 * | level{l}_tokens | int32 | [G] leading tokens of the group's pages that every row of the group reads; 0: reads nothing |
 * | level{l}_row_at | int32 | [M] group x R + place: where a row's result is |
 * | window{w}_level{l}_on | bool | [1] |
 * | window{w}_level{l}_pages | int32 | [G, P] as above, without leading pages that no row of the group sees through window w |
 * | window{w}_level{l}_tokens | int32 | [G] leading tokens of these pages, some of which rows may be past: the graph masks by positions |
 * | window{w}_level{l}_first | int32 | [G] position of the first of them in its sequence |
 * | chunk_on | bool | [1] |
 * | chunk_rows | int32 | [C, T] row of the batch, padded at the end with 0; row i of a chunk reads rows j < i |
 * | chunk_row_at | int32 | [M] chunk x T + place; rows in no chunk point to place 0, which reads nothing |
 * | key_pages_{i}, value_pages_{i} | float32, float16 or int8 | [kvHeads, pages, pageSize, headDim] pool of layer i |
 * | key_scales_{i}, value_scales_{i} | float32 | [kvHeads, pages, pageSize] one a row, of int8 pools only |
 *
 * A deterministic graph has other levels, `gridLevels`, whose groups read one block of positions each, and no inputs of windows and chunks. Layers with a
 * window read the same blocks through a mask. A row is in as many groups of a level as it has blocks there, and a group's rows see its tokens up to their own
 * position: there is no level{l}_tokens, and no level{l}_row_at. Its inputs are level{l}_on, level{l}_rows and level{l}_pages as above, always, and
 *
 * | input | type | shape |
 * |---|---|---|
 * | level{l}_first | int32 | [G] position of the first token of the group's pages; of whole blocks only where the model has windows |
 * | level{l}_written | int32 | [W] rows of the batch that stand in these blocks; of written blocks only, as is the next |
 * | level{l}_written_at | int32 | [W] where: group x P x pageSize + place |
 * | part_at | int32 | [B, M] for each block of a row, in order, the place of what it gives the row: 1 + group x R + place + the places of the levels before, one where a level is off; 0: no such block |
 *
 * | output | type | shape |
 * |---|---|---|
 * | new_keys, new_values | as the pools | [L, M, kvHeads x headDim] rows to be written at the step's slots (keys after rotation) |
 * | new_key_scales, new_value_scales | float32 | [L, M, kvHeads] of int8 rows only |
 * | argmax | int32 | [H] greedy next token (lowest id on a tie) |
 * | candidate_ids, candidate_logits | int32, float32 | [S, K] the K most probable tokens, most probable first, the lower id on a tie |
 * | candidate_totals | float32 | [S] sum of exp((logit - largest) x scale) over the whole vocabulary |
 * | candidates_lacking | bool | [S] the candidates are not enough: the row is among the logits |
 * | logits | float32 | [F + U, vocabulary] the full rows, then the U rows whose candidates are not enough |
 */
/** Candidates that a graph hands out for a row that is sampled from, unless its vocabulary is smaller. */
export const MOST_CANDIDATES = 128;

/** What the fused attention operator asks of headDim: it must be a multiple of this. */
const FUSED_HEAD_STEP = 8;

/**
 * Whether a step that is one chunk of one sequence takes a faster path in a layer that sees its whole past: the fused operator cannot take
 * other heads, nor a window, which cuts the past at the front. Pure.
 */
export function fusesChunk({ headDim }: { readonly headDim: number }, window?: number): boolean {
  return window === undefined && headDim % FUSED_HEAD_STEP === 0;
}

/** `whole`: blocks of the past that every row of the group reads whole. `written`: blocks that take in rows of the step. */
export type GridLevelKind = 'whole' | 'written';

/** Levels of a deterministic graph: of each kind groups of few rows and groups of many, which would pad each other. */
export const gridLevels: readonly GridLevelKind[] = ['whole', 'whole', 'written', 'written'];

export const stepInputs = {
  tokens: 'tokens',
  positions: 'positions',
  headRows: 'head_rows',
  headsOn: 'heads_on',
  fullRows: 'full_rows',
  sampleOn: 'sample_on',
  sampleRows: 'sample_rows',
  sampleScales: 'sample_scales',
  sampleMasses: 'sample_masses',
  sampleFloors: 'sample_floors',
  levelOn: (level: number) => `level${level}_on`,
  levelRows: (level: number) => `level${level}_rows`,
  levelPages: (level: number) => `level${level}_pages`,
  levelTokens: (level: number) => `level${level}_tokens`,
  levelFirst: (level: number) => `level${level}_first`,
  levelWritten: (level: number) => `level${level}_written`,
  levelWrittenAt: (level: number) => `level${level}_written_at`,
  partAt: 'part_at',
  levelRowAt: (level: number) => `level${level}_row_at`,
  windowOn: (window: number, level: number) => `window${window}_level${level}_on`,
  windowPages: (window: number, level: number) => `window${window}_level${level}_pages`,
  windowTokens: (window: number, level: number) => `window${window}_level${level}_tokens`,
  windowFirst: (window: number, level: number) => `window${window}_level${level}_first`,
  chunkOn: 'chunk_on',
  chunkRows: 'chunk_rows',
  chunkRowAt: 'chunk_row_at',
  keyPages: (layer: number) => `key_pages_${layer}`,
  valuePages: (layer: number) => `value_pages_${layer}`,
  keyScales: (layer: number) => `key_scales_${layer}`,
  valueScales: (layer: number) => `value_scales_${layer}`,
} as const;

export const stepOutputs = {
  newKeys: 'new_keys',
  newValues: 'new_values',
  newKeyScales: 'new_key_scales',
  newValueScales: 'new_value_scales',
  argmax: 'argmax',
  candidateIds: 'candidate_ids',
  candidateLogits: 'candidate_logits',
  candidateTotals: 'candidate_totals',
  candidatesLacking: 'candidates_lacking',
  logits: 'logits',
} as const;
