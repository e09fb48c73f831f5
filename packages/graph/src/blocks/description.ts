/** What an architecture says about a model: names, shapes and numbers, no operators. */
import type { ModelShape } from '../compiled-model.ts';

/** A matrix [out, in] (row-major, as stored) and perhaps a bias [out]. */
export interface LinearDescription {
  readonly tensor: string;
  readonly bias?: string;
  readonly out: number;
  readonly in: number;
}

/** Root-mean-square normalisation with a weight [hidden]. */
export interface NormDescription {
  readonly tensor: string;
  readonly hidden: number;
  readonly epsilon: number;
}

export interface AttentionDescription {
  readonly query: LinearDescription;
  readonly key: LinearDescription;
  readonly value: LinearDescription;
  readonly output: LinearDescription;
}

/** down(activation(gate(x)) x up(x)) */
export interface GatedMlpDescription {
  readonly gate: LinearDescription;
  readonly up: LinearDescription;
  readonly down: LinearDescription;
  readonly activation: 'silu';
}

export interface LayerDescription {
  readonly attentionNorm: NormDescription;
  readonly attention: AttentionDescription;
  readonly mlpNorm: NormDescription;
  readonly mlp: GatedMlpDescription;
}

/** Rotary embedding in the layout of Hugging Face: the first half of a head is rotated against the second. */
export interface RopeDescription {
  /** Angle per position of each pair, [headDim / 2], in radians. */
  readonly frequencies: readonly number[];
}

/** A model that reads tokens and predicts the next one. */
export interface DecoderDescription {
  readonly shape: ModelShape;
  readonly embedding: LinearDescription;
  readonly rope: RopeDescription;
  /** What query-key products are multiplied with. */
  readonly attentionScale: number;
  readonly layers: readonly LayerDescription[];
  readonly finalNorm: NormDescription;
  /** The same tensor as the embedding in a tied model. */
  readonly head: LinearDescription;
}
