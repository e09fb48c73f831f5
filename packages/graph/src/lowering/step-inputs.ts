/** Declares the inputs that attention reads; see step-interface.ts for what they hold. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import { stepInputs } from '../step-interface.ts';

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
  readonly levels: readonly LevelInputs[];
  readonly chunk: ChunkInputs;
  /** One a layer: float32 [kvHeads, pages, pageSize, headDim] */
  readonly keyPages: readonly Value[];
  readonly valuePages: readonly Value[];
}

export type AttentionShape = Pick<PagedAttentionNode, 'heads' | 'kvHeads' | 'headDim'>;

export interface AttentionRequest {
  readonly levels: number;
  readonly layers: number;
  readonly attention: AttentionShape;
}

export function declareInputs(graph: GraphBuilder, request: AttentionRequest): AttentionInputs {
  const { kvHeads, headDim } = request.attention;
  const pools = (name: (layer: number) => string) =>
    Array.from({ length: request.layers }, (_, layer) =>
      graph.input(name(layer), 'float32', [kvHeads, 'pages', 'pageSize', headDim]),
    );
  return {
    levels: Array.from({ length: request.levels }, (_, level) => declareLevel(graph, level)),
    chunk: {
      on: graph.input(stepInputs.chunkOn, 'bool', [1]),
      rows: graph.input(stepInputs.chunkRows, 'int32', ['C', 'T']),
      rowAt: graph.input(stepInputs.chunkRowAt, 'int32', ['M']),
    },
    keyPages: pools(stepInputs.keyPages),
    valuePages: pools(stepInputs.valuePages),
  };
}

/** The dimensions of each level are its own: G0 groups of R0 rows over P0 pages. */
function declareLevel(graph: GraphBuilder, level: number): LevelInputs {
  const [groups, rowsAGroup, pagesAGroup] = [`G${level}`, `R${level}`, `P${level}`];
  return {
    on: graph.input(stepInputs.levelOn(level), 'bool', [1]),
    rows: graph.input(stepInputs.levelRows(level), 'int32', [groups, rowsAGroup]),
    pages: graph.input(stepInputs.levelPages(level), 'int32', [groups, pagesAGroup]),
    tokens: graph.input(stepInputs.levelTokens(level), 'int32', [groups]),
    rowAt: graph.input(stepInputs.levelRowAt(level), 'int32', ['M']),
  };
}
