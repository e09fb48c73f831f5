import type { StepPlan } from './step-plan.ts';

/** A digest of everything that a plan says: equal before and after a run, or somebody wrote into it. O(plan). */
export function planDigest(plan: StepPlan): number {
  const { rowCount, sequenceCount, headCount, copyCount, chunks } = plan;
  let digest = mixed(mixed(plan.stepId, rowCount), sequenceCount);
  digest = mixed(mixed(mixed(digest, headCount), copyCount), chunks.chunkCount);
  for (const column of [plan.tokens, plan.positions, plan.slots]) digest = mixedColumn(digest, column, rowCount);
  for (const column of [plan.sequences, plan.firstRow, plan.scheduledTokens]) {
    digest = mixedColumn(digest, column, sequenceCount);
  }
  for (const column of [plan.headRow, plan.headSequence, plan.headSamples]) {
    digest = mixedColumn(digest, column, headCount);
  }
  for (const column of [plan.copyFrom, plan.copyTo, plan.copyTokens]) digest = mixedColumn(digest, column, copyCount);
  for (const level of plan.levels) {
    if (level.groupCount === 0) continue;
    digest = mixedColumn(digest, level.rows, level.groupCount * level.rowsPerGroup);
    digest = mixedColumn(digest, level.pages, level.groupCount * level.pagesPerGroup);
    digest = mixedColumn(digest, level.tokens, level.groupCount);
    digest = mixedColumn(digest, level.rowAt, rowCount);
  }
  for (const { levels } of plan.windows) {
    for (const level of levels) {
      digest = mixedColumn(digest, level.pages, level.groupCount * level.pagesPerGroup);
      digest = mixedColumn(digest, level.tokens, level.groupCount);
      digest = mixedColumn(digest, level.firstPositions, level.groupCount);
    }
  }
  if (chunks.chunkCount === 0) return digest;
  digest = mixedColumn(digest, chunks.rows, chunks.chunkCount * chunks.rowsPerChunk);
  return mixedColumn(digest, chunks.rowAt, rowCount);
}

function mixedColumn(digest: number, column: Int32Array | Uint8Array, length: number): number {
  let mixedIn = digest;
  for (let at = 0; at < length; at += 1) mixedIn = mixed(mixedIn, column[at]!);
  return mixedIn;
}

function mixed(digest: number, value: number): number {
  return (Math.imul(digest ^ value, 0x9e3779b1) + (digest >>> 15)) | 0;
}
