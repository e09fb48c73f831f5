/** The smallest thing that drives a compiled graph with pages: sequences, page tables, one plan for all sequences. Used by tests. */
import {
  type GraphSession,
  type GroupSpec,
  type LayerPools,
  makePools,
  type PoolShape,
  type StepRun,
  type StepSpec,
} from './ort.testing.ts';

export interface TestSequence {
  readonly tokens: number[];
  readonly pages: number[];
  /** Tokens whose K/V is in pages. */
  computed: number;
  /** Leading pages of each level but the last, which has the rest: [2, 1] is two pages, one page, the others. */
  readonly cut: readonly number[];
}

export interface Work {
  readonly sequence: TestSequence;
  readonly tokens: readonly number[];
}

export interface WorkResult {
  /** Next token after each row of the work. */
  readonly argmax: readonly number[];
  /** Logits of the last row. */
  readonly lastLogits: Float32Array;
}

export class PagedDriver {
  readonly #session: GraphSession;
  readonly pool: PoolShape;
  readonly pools: readonly LayerPools[];
  #nextPage = 1;

  constructor(session: GraphSession, pool: PoolShape) {
    this.#session = session;
    this.pool = pool;
    this.pools = makePools(session.model.shape, pool);
  }

  /** A new sequence, which may start with full pages of another. */
  sequence(options: { cut?: readonly number[]; from?: TestSequence; sharedPages?: number } = {}): TestSequence {
    const sharedPages = options.sharedPages ?? 0;
    const computed = sharedPages * this.pool.pageSize;
    const from = options.from;
    if (from !== undefined && from.computed < computed) throw new Error('shared pages must be full');
    return {
      tokens: from?.tokens.slice(0, computed) ?? [],
      pages: from?.pages.slice(0, sharedPages) ?? [],
      computed,
      cut: options.cut ?? [],
    };
  }

  /** Computes the given tokens of several sequences in one run and writes their rows into pages. */
  async step(work: readonly Work[]): Promise<WorkResult[]> {
    const spec = this.plan(work);
    const run = await this.#session.run(spec, this.pools, this.pool);
    let row = 0;
    return work.map(({ sequence, tokens }, index) => {
      const first = row;
      row += tokens.length;
      this.#write(sequence, tokens, { run, first, rowCount: spec.tokens.length });
      const argmax = [...run.argmax.subarray(first, row)];
      return { argmax, lastLogits: Float32Array.from(run.logits[index] as Float32Array) };
    });
  }

  plan(work: readonly Work[]): StepSpec {
    const levels: Map<string, { rows: number[]; pages: readonly number[]; tokens: number; first: number }>[] = [];
    const chunks: number[][] = [];
    const spec = { tokens: [] as number[], positions: [] as number[], fullRows: [] as number[] };
    for (const { sequence, tokens } of work) {
      const rows = tokens.map((_, index) => spec.tokens.length + index);
      tokens.forEach((token, index) => {
        spec.tokens.push(token);
        spec.positions.push(sequence.computed + index);
      });
      spec.fullRows.push(spec.tokens.length - 1);
      if (rows.length > 1) chunks.push(rows);
      this.#levelsOf(sequence).forEach((group, level) => {
        levels[level] ??= new Map();
        const key = `${group.pages.join()}:${group.tokens}`;
        const known = levels[level].get(key);
        if (known === undefined) levels[level].set(key, { ...group, rows: [...rows] });
        else known.rows.push(...rows);
      });
    }
    const groups = Array.from(levels, (level): GroupSpec[] => [...(level?.values() ?? [])]);
    return { ...spec, headRows: spec.tokens.map((_, row) => row), levels: groups, chunks };
  }

  #levelsOf(sequence: TestSequence): { pages: readonly number[]; tokens: number; first: number }[] {
    const { pageSize } = this.pool;
    const used = Math.ceil(sequence.computed / pageSize);
    let firstPage = 0;
    const groups = [...sequence.cut, Number.POSITIVE_INFINITY].map((pageCount) => {
      const end = Math.min(used, firstPage + pageCount);
      const pages = sequence.pages.slice(firstPage, end);
      const tokens = Math.min(sequence.computed, end * pageSize) - firstPage * pageSize;
      const first = firstPage * pageSize;
      firstPage = end;
      return { first, pages: pages.length === 0 ? [0] : pages, tokens: Math.max(0, tokens) };
    });
    return used === 0 ? [] : groups;
  }

  #write(
    sequence: TestSequence,
    tokens: readonly number[],
    rows: { run: StepRun; first: number; rowCount: number },
  ): void {
    const { kvHeads, headDim } = this.#session.model.shape;
    const { pageSize, pages } = this.pool;
    tokens.forEach((token, index) => {
      const position = sequence.computed + index;
      if (position % pageSize === 0 && position / pageSize >= sequence.pages.length)
        sequence.pages.push(this.#allocate());
      const page = sequence.pages[Math.floor(position / pageSize)] as number;
      this.pools.forEach(({ keys, values }, layer) => {
        for (let head = 0; head < kvHeads; head += 1) {
          const from = ((layer * rows.rowCount + rows.first + index) * kvHeads + head) * headDim;
          const to = ((head * pages + page) * pageSize + (position % pageSize)) * headDim;
          keys.set(rows.run.newKeys.subarray(from, from + headDim), to);
          values.set(rows.run.newValues.subarray(from, from + headDim), to);
        }
      });
      sequence.tokens.push(token);
    });
    sequence.computed += tokens.length;
  }

  #allocate(): number {
    if (this.#nextPage >= this.pool.pages) throw new Error(`a test needs more than ${this.pool.pages} pages`);
    this.#nextPage += 1;
    return this.#nextPage - 1;
  }
}

/** Feeds `prompt` in chunks of at most `chunkTokens`, then generates greedily; one sequence alone. */
export async function generate(
  driver: PagedDriver,
  prompt: readonly number[],
  options: { count: number; chunkTokens?: number; cut?: readonly number[] },
): Promise<{ ids: number[]; argmax: number[]; lastLogits: Float32Array }> {
  const sequence = driver.sequence(options.cut === undefined ? {} : { cut: options.cut });
  const chunkTokens = options.chunkTokens ?? prompt.length;
  const argmax: number[] = [];
  let lastLogits = new Float32Array();
  for (let first = 0; first < prompt.length; first += chunkTokens) {
    const [result] = await driver.step([{ sequence, tokens: prompt.slice(first, first + chunkTokens) }]);
    argmax.push(...(result as WorkResult).argmax);
    lastLogits = (result as WorkResult).lastLogits as Float32Array<ArrayBuffer>;
  }
  const ids: number[] = [];
  let next = argmax.at(-1) as number;
  while (ids.length < options.count) {
    ids.push(next);
    if (ids.length === options.count) break;
    const [result] = await driver.step([{ sequence, tokens: [next] }]);
    next = (result as WorkResult).argmax[0] as number;
  }
  return { ids, argmax, lastLogits };
}
