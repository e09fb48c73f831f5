/** What the compiler hands to an executor. */

/** Formats of the matrices of one graph: see docs/weights.md. */
export const MATRIX_FORMATS = ['f32', 'q8', 'q4', 'w8a8'] as const;

export type MatrixFormat = (typeof MATRIX_FORMATS)[number];

/** Formats that weights can be stored in. `q4+w8a8`: the matrices of `q4`, kept as 8-bit codes as well, for steps of many rows. */
export const WEIGHT_FORMATS = [...MATRIX_FORMATS, 'q4+w8a8'] as const;

export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

/** How an element of K/V is kept in pages. `int8`: whole numbers from -127 to 127, with one float32 scale a row (token x head). */
export type KvType = 'f32' | 'f16' | 'int8';

/** What decides the size and the meaning of K/V. */
export interface ModelShape {
  readonly architecture: string;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hidden: number;
  readonly vocabulary: number;
  /** Positions that the model was made for; rope tables are fixed for at most this many. */
  readonly contextTokens: number;
  /** Distinct sliding windows of layers, in tokens, ascending; a window of at least contextTokens is none. */
  readonly windows: readonly number[];
  /** Whether some layer reads the whole past. */
  readonly hasFullLayers: boolean;
}

/** What may be taken from a model so that its K/V take less memory; each costs accuracy, which `octavo tune` measures. */
export interface ModelTrims {
  /** Layers to leave out: so many of the last ones before the very last, or their numbers. */
  readonly dropLayers?: number | readonly number[];
  /** K/V heads to be left: a divisor of the model's. Neighbouring ones become one. */
  readonly kvHeads?: number;
  /** What a group of heads becomes: their mean (default), or the first of them. */
  readonly kvHeadsBy?: 'mean' | 'first';
  /** Tokens that a row sees at most, its own included: less is read, though pages are kept as long as their sequence lives. */
  readonly windowTokens?: number;
}

export interface CompiledModel {
  /** The folder it was compiled from (tokenizer and templates are read from there). */
  readonly sourceFolder: string;
  /** Absolute path of the ONNX file; its external data lies in the same folder. */
  readonly graphFile: string;
  /** Path of a second graph with the same interface, which multiplies the same matrices faster when a step has many rows; of `q4+w8a8` alone. */
  readonly manyRowsFile?: string;
  readonly shape: ModelShape;
  /** The shape before anything was taken away; absent: nothing was. */
  readonly untrimmed?: ModelShape;
  readonly weights: WeightFormat;
  readonly kvType: KvType;
  /** A row's bits do not depend on what else is in the step: the graph reads levels as `lowering/fixed-grid.ts` says. */
  readonly deterministic: boolean;
  /** Bytes of all weights that the graph reads. */
  readonly weightBytes: number;
  readonly levels: number;
  /** Ids that end a generation: from generation_config.json, else config.json; may be empty. */
  readonly endIds: readonly number[];
  /** Changes whenever the same tokens could give other K/V: weights, formats, compiler version, options. */
  readonly fingerprint: string;
  /** True when nothing had to be compiled. */
  readonly fromCache: boolean;
  /** What a person should know about how this model is run; absent: nothing. */
  readonly notices?: readonly string[];
  /** Present: the graph is no paged one but an export as it is, which wants its past as tensors. */
  readonly past?: PastGraph;
}

/** An export that is run as it is: names of its inputs and outputs, one sequence at a time. */
export interface PastGraph {
  readonly tokens: string;
  readonly mask?: string;
  readonly positions?: string;
  readonly logits: string;
  readonly layers: readonly PastGraphLayer[];
  /** Element type of past and present. */
  readonly type: 'float32' | 'float16';
  /** `int32` or `int64` of each input of integers. */
  readonly integerTypes: Readonly<Record<string, string>>;
  /** Further inputs of one element, and what they are always given. */
  readonly constants: Readonly<Record<string, PastGraphConstant>>;
  /** Rows of one sequence change each other's values, so that K/V depend on how a prompt was cut: nothing may be shared. */
  readonly mixesRows: boolean;
  /** What was made for one row with its past is given one row a run: several might see each other. */
  readonly oneRowRuns: boolean;
}

export interface PastGraphConstant {
  readonly value: number;
  readonly type: 'bool' | 'int64' | 'int32';
  readonly dims: readonly number[];
}

export interface PastGraphLayer {
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

export interface CompileOptions {
  /** Default `f32`. */
  readonly weights?: WeightFormat;
  /** How pages hold K/V. Default `f32`. */
  readonly kvType?: KvType;
  /** A row gives the same bits whatever else is in the step, at the cost of reading pages once for each sequence. Default false. */
  readonly deterministic?: boolean;
  /** Levels of page groups (the scheduler's LEVEL_COUNT). */
  readonly levels: number;
  /** Positions that rope tables cover; default and maximum: the model's own. */
  readonly contextTokens?: number;
  /**
   * The context setting: ropes that follow it (dynamic, longrope) are fixed for so many tokens, whatever a sequence's length. Default:
   * contextTokens.
   */
  readonly ropeContextTokens?: number;
  /** Default: nothing is taken away. Not for ONNX exports. */
  readonly trims?: ModelTrims;
  /**
   * Codes of `w8a8` matrices are unsigned bytes, the code of 0 being 128: the same answers, bit for bit, more slowly. For processors whose products of
   * unsigned with signed bytes saturate (x64 without VNNI; `integerProbe` tells). Default false; other formats are the same with it.
   */
  readonly unsignedCodes?: boolean;
  /** Where compiled graphs are kept; see `cacheFolder()`. */
  readonly cacheFolder: string;
  /**
   * `read` once the graph is built, then `pack` (bytes of weights written), `write` (weight files linked or copied), and `ready` (1 of 1),
   * which is all that comes when the graph was compiled before.
   */
  readonly onProgress?: (progress: {
    readonly status: 'read' | 'pack' | 'write' | 'ready';
    readonly loaded: number;
    readonly total: number;
  }) => void;
}
