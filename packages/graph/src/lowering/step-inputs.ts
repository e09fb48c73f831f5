/** Declares the inputs that attention reads; see step-interface.ts for what they hold. */
import type { KvType } from '../compiled-model.ts';
import type { GraphBuilder } from '../ir/builder.ts';
import type { Dim, PagedAttentionNode, Value } from '../ir/graph.ts';
import { stepInputs } from '../step-interface.ts';
import { declarePools, type LayerPools } from './page-format.ts';

export interface LevelInputs {
  /** bool [1] */
  readonly on: Value;
  /** int32 [G, R] */
  readonly rows: Value;
  /** int32 [G, P] */
  readonly pages: Value;
  /** int32 [G] */
  readonly tokens: Value;
  /** int32 [M] */
  readonly rowAt: Value;
  /** int32 [G] position of the group's first token; only through a window. */
  readonly first?: Value;
}

/** What layers of one kind read: those with a certain window, or those that read the whole past. */
export interface ViewInputs {
  /** Tokens; absent: the whole past. */
  readonly window?: number;
  readonly levels: readonly LevelInputs[];
}

export interface ChunkInputs {
  /** bool [1] */
  readonly on: Value;
  /** int32 [C, T] */
  readonly rows: Value;
  /** int32 [M] */
  readonly rowAt: Value;
}

export interface AttentionInputs {
  readonly views: readonly ViewInputs[];
  readonly chunk: ChunkInputs;
  /** int32 [M]; declared only when a view has a window. */
  readonly positions?: Value;
  /** [layers] */
  readonly pools: readonly LayerPools[];
}

export type AttentionShape = Pick<PagedAttentionNode, 'heads' | 'kvHeads' | 'headDim'>;

export interface AttentionRequest {
  readonly levels: number;
  readonly layers: number;
  readonly attention: AttentionShape;
  readonly kvType: KvType;
  /** Distinct windows of the layers, ascending. */
  readonly windows: readonly number[];
  readonly hasFullLayers: boolean;
}

/** Windows of some layers, ascending, and whether there are others. Pure. */
export function windowsOf(
  layers: Iterable<{ readonly window?: number }>,
): Pick<AttentionRequest, 'windows' | 'hasFullLayers'> {
  const windows = new Set(Array.from(layers, ({ window }) => window));
  const hasFullLayers = windows.delete(undefined);
  return { windows: [...(windows as Set<number>)].sort((left, right) => left - right), hasFullLayers };
}

export function declareInputs(graph: GraphBuilder, request: AttentionRequest): AttentionInputs {
  const positions = request.windows.length > 0 && {
    positions: graph.sharedInput(stepInputs.positions, 'int32', ['M']),
  };
  return {
    views: declareViews(graph, request),
    chunk: {
      on: graph.input(stepInputs.chunkOn, 'bool', [1]),
      rows: graph.input(stepInputs.chunkRows, 'int32', ['C', 'T']),
      rowAt: graph.input(stepInputs.chunkRowAt, 'int32', ['M']),
    },
    ...positions,
    pools: declarePools(graph, { ...request.attention, ...request }),
  };
}

type LevelRows = Pick<LevelInputs, 'rows' | 'rowAt'>;

function declareRows(graph: GraphBuilder, levels: number): LevelRows[] {
  return Array.from({ length: levels }, (_, level): LevelRows => {
    const shape = [`G${level}`, `R${level}`];
    return {
      rows: graph.input(stepInputs.levelRows(level), 'int32', shape),
      rowAt: graph.input(stepInputs.levelRowAt(level), 'int32', ['M']),
    };
  });
}

/** Rows of the levels are common to all views. The dimensions of each level are its own: G0 groups of R0 rows over P0 pages. */
function declareViews(graph: GraphBuilder, { levels, windows, hasFullLayers }: AttentionRequest): ViewInputs[] {
  const rows = declareRows(graph, levels);
  const views = windows.map((window, at): ViewInputs => ({ window, levels: declareWindow(graph, rows, at) }));
  return hasFullLayers ? [{ levels: declareFull(graph, rows) }, ...views] : views;
}

function declareFull(graph: GraphBuilder, rows: readonly LevelRows[]): LevelInputs[] {
  return rows.map((own, level) => ({
    ...own,
    on: graph.input(stepInputs.levelOn(level), 'bool', [1]),
    pages: graph.input(stepInputs.levelPages(level), 'int32', [groupsOf(own), `P${level}`]),
    tokens: graph.input(stepInputs.levelTokens(level), 'int32', [groupsOf(own)]),
  }));
}

function declareWindow(graph: GraphBuilder, rows: readonly LevelRows[], window: number): LevelInputs[] {
  return rows.map((own, level) => ({
    ...own,
    on: graph.input(stepInputs.windowOn(window, level), 'bool', [1]),
    pages: graph.input(stepInputs.windowPages(window, level), 'int32', [groupsOf(own), `P${level}w${window}`]),
    tokens: graph.input(stepInputs.windowTokens(window, level), 'int32', [groupsOf(own)]),
    first: graph.input(stepInputs.windowFirst(window, level), 'int32', [groupsOf(own)]),
  }));
}

function groupsOf({ rows }: LevelRows): Dim {
  return rows.shape[0] ?? 1;
}
