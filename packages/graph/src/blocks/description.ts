/** What an architecture says about a model: names, shapes and numbers, no operators. */
import type { ModelShape } from '../compiled-model.ts';

/** A matrix and perhaps a bias [out]. */
export interface LinearDescription {
  readonly tensor: string;
  readonly bias?: string;
  readonly out: number;
  readonly in: number;
  /** Row-major [out, in] as PyTorch's Linear (default), or [in, out] as GPT-2's Conv1D. */
  readonly stored?: 'out-in' | 'in-out';
}

/** Root-mean-square normalisation, or the classic one (less the mean, with a bias), over the last `hidden` elements. */
export interface NormDescription {
  readonly kind: 'rms' | 'layer';
  /** [hidden] */
  readonly tensor: string;
  readonly bias?: string;
  readonly hidden: number;
  readonly epsilon: number;
  /** The weight is this much more than what is stored (Gemma: 1). */
  readonly weightOffset?: number;
}

export type Activation = 'silu' | 'gelu' | 'gelu-tanh' | 'relu' | 'quick-gelu';

/** Queries, keys and values from matrices of their own, or from one. */
export type AttentionInputDescription =
  | {
      readonly kind: 'apart';
      readonly query: LinearDescription;
      readonly key: LinearDescription;
      readonly value: LinearDescription;
    }
  /** Rows of the matrix: all queries, all keys, all values; or for each head in turn its query, key and value. */
  | { readonly kind: 'fused'; readonly linear: LinearDescription; readonly rows: 'by-kind' | 'by-head' };

export interface AttentionDescription {
  readonly input: AttentionInputDescription;
  readonly output: LinearDescription;
  /** Before the rotation; of a head's width (each head for itself) or of all heads' together. */
  readonly queryNorm?: NormDescription;
  readonly keyNorm?: NormDescription;
  /** Absent: the layer does not rotate. */
  readonly rope?: RopeDescription;
  /** What query-key products are multiplied with. */
  readonly scale: number;
  /** Tokens that a row sees, its own included; absent: all before it. */
  readonly window?: number;
  /** Scores become softcap x tanh(score / softcap). */
  readonly softcap?: number;
}

/** down(activation(gate(x)) x up(x)) */
export interface GatedMlpDescription {
  readonly kind: 'gated';
  readonly activation: Activation;
  /** Gate and up from matrices of their own, or from one whose first rows are the gate's. */
  readonly input:
    | { readonly kind: 'apart'; readonly gate: LinearDescription; readonly up: LinearDescription }
    | { readonly kind: 'fused'; readonly linear: LinearDescription };
  readonly down: LinearDescription;
}

/** down(activation(up(x))) */
export interface PlainMlpDescription {
  readonly kind: 'plain';
  readonly activation: Activation;
  readonly up: LinearDescription;
  readonly down: LinearDescription;
}

/** The sum of a row's `chosen` best experts by softmax(router(x)), weighed by their shares, which are scaled to sum to 1. */
export interface ExpertsDescription {
  readonly kind: 'experts';
  /** [experts, hidden] */
  readonly router: LinearDescription;
  readonly chosen: number;
  readonly experts: readonly GatedMlpDescription[];
}

export type MlpDescription = GatedMlpDescription | PlainMlpDescription | ExpertsDescription;

/** Sum with a residual of two branches, one after the other (default), or both from the same input. */
export interface LayerDescription {
  /** What attention reads goes through it; absent: it reads the residual itself. */
  readonly attentionNorm?: NormDescription;
  readonly attention: AttentionDescription;
  /** On what attention adds to the residual. */
  readonly attentionOutputNorm?: NormDescription;
  readonly mlpNorm?: NormDescription;
  readonly mlp: MlpDescription;
  readonly mlpOutputNorm?: NormDescription;
  /** Attention and MLP both read the residual before either was added. */
  readonly parallel?: boolean;
  /** What both branches are multiplied with before they are added; default 1. */
  readonly branchScale?: number;
}

/** Angles and length of a rotation, for one context setting. */
export interface RopeTable {
  /** Angle per position of each pair, in radians. */
  readonly frequencies: readonly number[];
  /** What cosines and sines are multiplied with. */
  readonly magnitude: number;
}

/** Rotary embedding in the layout of Hugging Face: the first half of what is rotated goes against the second. */
export interface RopeDescription {
  /** Leading elements of a head that are rotated; even. */
  readonly rotaryDim: number;
  /** Whether `at` gives other tables for other contexts. */
  readonly followsContext: boolean;
  /** The table of a context setting. Never of the current length: K/V must depend on tokens and positions alone. Pure. */
  readonly at: (contextTokens: number) => RopeTable;
}

/** A model that reads tokens and predicts the next one. */
export interface DecoderDescription {
  readonly shape: ModelShape;
  readonly embedding: LinearDescription;
  /** What embeddings are multiplied with; default 1. */
  readonly embeddingScale?: number;
  /** One learned row a position, added to the embedding. */
  readonly positions?: LinearDescription;
  readonly layers: readonly LayerDescription[];
  readonly finalNorm: NormDescription;
  /** The same tensor as the embedding in a tied model. */
  readonly head: LinearDescription;
  /** What logits are multiplied with; default 1. */
  readonly logitScale?: number;
  /** Logits become softcap x tanh(logit / softcap). */
  readonly logitSoftcap?: number;
  /** Some checkpoints leave this out at the start of tensor names. */
  readonly optionalPrefix?: string;
}
