/**
 * `decoder` of `tokenizer.json` -> stages that decode one token at a time.
 *
 * Two borders matter. Up to the first *joining* decoder (`ByteLevel`, `ByteFallback`, `Fuse`) a stage sees tokens, as in the library.
 * Behind it the library sees longer pieces than a stage does, so only what works on single characters is the same there. Behind
 * `Fuse` the piece is the whole text, so its beginning and its end are known. What fits neither is refused when the tokenizer is
 * opened: an approximation would give other text streamed than decoded at once.
 */
import {
  ByteFallbackStage,
  ByteLevelStage,
  type DecodeStage,
  MetaspaceStage,
  ReplaceStage,
  StageChain,
  StripStage,
  WordStage,
} from './decode-stages.ts';
import { TextError } from './errors.ts';
import { fieldsOf } from './json-fields.ts';

/** Makes the stages of one stream. */
export type StageFactory = () => DecodeStage;

const SPACE_MARKER = '\u2581';

interface Draft {
  readonly addedTokens: ReadonlySet<string>;
  readonly file: string;
  readonly factories: StageFactory[];
  pieces: 'tokens' | 'runs' | 'whole';
}

/**
 * Pure. `addedTokens`: contents of the added tokens, which `ByteLevel` takes as text.
 * Throws TOKENIZER_UNSUPPORTED for decoders (or an order of them) that cannot be streamed exactly.
 */
export function planDecoding(decoder: unknown, addedTokens: ReadonlySet<string>, file: string): StageFactory {
  if (decoder === null) return () => new WordStage();
  const draft: Draft = { addedTokens, file, factories: [], pieces: 'tokens' };
  appendDecoder(draft, decoder);
  return () => new StageChain(draft.factories.map((make) => make()));
}

function appendDecoder(draft: Draft, decoder: unknown): void {
  const fields = fieldsOf(decoder, draft.file, 'a decoder');
  switch (fields.type) {
    case 'Sequence':
      if (!Array.isArray(fields.decoders)) throw unsupported(draft, 'Sequence without decoders');
      for (const inner of fields.decoders) appendDecoder(draft, inner);
      return;
    case 'ByteLevel':
      requireTokens(draft, 'ByteLevel');
      draft.factories.push(() => new ByteLevelStage(draft.addedTokens));
      draft.pieces = 'runs';
      return;
    case 'ByteFallback':
      requireTokens(draft, 'ByteFallback');
      draft.factories.push(() => new ByteFallbackStage());
      draft.pieces = 'runs';
      return;
    case 'Fuse':
      draft.pieces = 'whole';
      return;
    case 'Replace':
      appendReplace(draft, fields);
      return;
    case 'Metaspace':
      appendMetaspace(draft, fields);
      return;
    case 'Strip':
      appendStrip(draft, fields);
      return;
    default:
      throw unsupported(draft, String(fields.type));
  }
}

function appendReplace(draft: Draft, fields: Record<string, unknown>): void {
  const pattern = fieldsOf(fields.pattern, draft.file, 'the pattern of a Replace decoder').String;
  const content = fields.content ?? '';
  if (typeof pattern !== 'string' || typeof content !== 'string') throw unsupported(draft, 'Replace by an expression');
  if (draft.pieces !== 'tokens' && pattern.length !== 1)
    throw unsupported(draft, 'Replace of a longer text after joining');
  draft.factories.push(() => new ReplaceStage(pattern, content));
}

function appendMetaspace(draft: Draft, fields: Record<string, unknown>): void {
  const marker = fields.replacement ?? SPACE_MARKER;
  if (typeof marker !== 'string' || marker.length !== 1) throw unsupported(draft, 'Metaspace with a long replacement');
  if (draft.pieces === 'runs') throw unsupported(draft, 'Metaspace after joining, without Fuse');
  if (draft.pieces === 'tokens') {
    draft.factories.push(() => new MetaspaceStage(marker));
    return;
  }
  draft.factories.push(() => new ReplaceStage(marker, ' '));
  draft.factories.push(() => new StripStage({ content: ' ', start: 1, stop: 0 }));
}

function appendStrip(draft: Draft, fields: Record<string, unknown>): void {
  const { content = '', start = 0, stop = 0 } = fields;
  if (draft.pieces !== 'whole') throw unsupported(draft, 'Strip before Fuse');
  if (typeof content !== 'string' || typeof start !== 'number' || typeof stop !== 'number') {
    throw unsupported(draft, 'Strip without content, start and stop');
  }
  draft.factories.push(() => new StripStage({ content, start, stop }));
}

function requireTokens(draft: Draft, decoder: string): void {
  if (draft.pieces !== 'tokens') throw unsupported(draft, `${decoder} after joining`);
}

function unsupported(draft: Draft, decoder: string): TextError {
  return new TextError(
    'TOKENIZER_UNSUPPORTED',
    `${draft.file}: the decoder "${decoder}" cannot be streamed; use a tokenizer that decodes with ByteLevel, Metaspace, or Replace, ByteFallback, Fuse and Strip.`,
    { file: draft.file },
  );
}
