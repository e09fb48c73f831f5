/** The heads of a step that are sampled from candidates, as reused columns. */
import type { CandidateOutputs, CandidateRequest } from './model-runner.ts';
import type { RowCandidates } from './sampling/candidate-sampler.ts';
import type { CandidateWish } from './sampling/candidate-wish.ts';

export class SampledHeads implements CandidateRequest {
  count = 0;
  heads = new Int32Array(64);
  scales = new Float32Array(64);
  masses = new Float32Array(64);
  floors = new Float32Array(64);

  /** Effect: empties the columns and makes room for `most` heads. */
  begin(most: number): void {
    this.count = 0;
    if (this.heads.length >= most) return;
    this.heads = new Int32Array(2 * most);
    this.scales = new Float32Array(2 * most);
    this.masses = new Float32Array(2 * most);
    this.floors = new Float32Array(2 * most);
  }

  add(head: number, wish: CandidateWish): void {
    this.heads[this.count] = head;
    this.scales[this.count] = wish.scale;
    this.masses[this.count] = wish.mass;
    this.floors[this.count] = wish.floor;
    this.count += 1;
  }

  /** The candidates of one of the heads, as views. */
  rowOf({ ids, logits, totals }: CandidateOutputs, place: number): RowCandidates {
    const width = ids.length / this.count;
    return {
      ids: ids.subarray(place * width, (place + 1) * width),
      logits: logits.subarray(place * width, (place + 1) * width),
      total: totals[place] as number,
    };
  }
}
