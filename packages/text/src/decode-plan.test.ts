import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planDecoding } from './decode-plan.ts';
import { failureOf, llamaDecoder, propertyRuns } from './folders.testing.ts';

const none = new Set<string>();
const file = 'tokenizer.json';
const replaceMarker = { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' };

function stream(decoder: unknown, tokens: readonly string[]): string {
  const stages = planDecoding(decoder, none, file)();
  return tokens.map((token) => stages.push(token)).join('') + stages.flush();
}

/** The same tokens through the library's decoder, all at once. */
function decodeAll(decoder: unknown, tokens: readonly string[]): string {
  const vocabulary = [...new Set(tokens)];
  const library: { decode(ids: readonly number[], options: Record<string, boolean>): string } = new Tokenizer(
    {
      model: { type: 'BPE', vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])), merges: [] },
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder,
    },
    {},
  );
  const ids = tokens.map((token) => vocabulary.indexOf(token));
  return ids.length === 0 ? '' : library.decode(ids, { clean_up_tokenization_spaces: false });
}

const decoders: Readonly<Record<string, unknown>> = {
  'none (words)': null,
  Metaspace: { type: 'Metaspace', replacement: '\u2581' },
  'the one of Llama': llamaDecoder,
  'the one of Gemma': { type: 'Sequence', decoders: [replaceMarker, { type: 'ByteFallback' }, { type: 'Fuse' }] },
  'Metaspace behind Fuse': {
    type: 'Sequence',
    decoders: [{ type: 'Fuse' }, { type: 'Metaspace', replacement: '\u2581' }],
  },
  'Strip at both ends': {
    type: 'Sequence',
    decoders: [replaceMarker, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 2, stop: 2 }],
  },
  'Replace behind ByteFallback': {
    type: 'Sequence',
    decoders: [
      { type: 'ByteFallback' },
      { ...replaceMarker, pattern: { String: 'a' }, content: 'bb' },
      { type: 'Fuse' },
    ],
  },
  'a longer Replace before joining': {
    type: 'Sequence',
    decoders: [{ type: 'Replace', pattern: { String: '\u2581\u2581' }, content: '-' }, { type: 'Fuse' }],
  },
  ByteLevel: { type: 'ByteLevel' },
};

const token = fc.oneof(
  fc.constantFrom(
    '\u2581',
    '\u2581\u2581',
    '\u2581\u2581a',
    ' ',
    'a',
    'ab',
    'a\u2581',
    '<0x61>',
    '<0x0>',
    '<0xE2>',
    '<0x82>',
    '<0xAC>',
  ),
  fc.constantFrom('<0xEF>', '<0xBB>', '<0xBF>', '\u0120a', '\u00E2', '\u0124', '\u00AC'),
);

describe('planDecoding', () => {
  it.each(Object.entries(decoders))('streams what the library decodes at once: %s', (name, decoder) => {
    // The library takes a character outside the byte-level alphabet for byte 0; here such a token is text (next test).
    const tokens = name === 'ByteLevel' ? token.filter((candidate) => !/[\u2581 ]/.test(candidate)) : token;
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 12 }), (sequence) => {
        expect(stream(decoder, sequence)).toBe(decodeAll(decoder, sequence));
      }),
      { numRuns: propertyRuns },
    );
  });

  it('takes added tokens and tokens outside the alphabet as text between runs of bytes', () => {
    const stages = planDecoding({ type: 'ByteLevel' }, new Set(['\u00E9!']), file)();
    expect(['\u00E2', '\u00E9!', '\u0120', '\u4E2D'].map((piece) => stages.push(piece))).toEqual([
      '',
      '\uFFFD\u00E9!',
      ' ',
      '\u4E2D',
    ]);
  });

  it.each([
    [{ type: 'CTC' }, 'CTC'],
    [{ type: 'Sequence' }, 'Sequence without decoders'],
    [{ type: 'Replace', pattern: { Regex: 'a+' }, content: '' }, 'Replace by an expression'],
    [{ type: 'Metaspace', replacement: '--' }, 'Metaspace with a long replacement'],
    [{ type: 'Strip', content: ' ', start: 1, stop: 0 }, 'Strip before Fuse'],
    [{ type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Strip', content: 1 }] }, 'Strip without content'],
    [{ type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteLevel' }] }, 'ByteLevel after joining'],
    [{ type: 'Sequence', decoders: [{ type: 'ByteLevel' }, { type: 'ByteFallback' }] }, 'ByteFallback after joining'],
    [{ type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Metaspace' }] }, 'Metaspace after joining'],
    [
      { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Replace', pattern: { String: 'ab' }, content: '' }] },
      'Replace of a longer text',
    ],
  ])('refuses what it cannot stream exactly: %j', (decoder, sentence) => {
    const failure = failureOf(() => planDecoding(decoder, none, file));
    expect(failure).toMatchObject({ name: 'TextError', code: 'TOKENIZER_UNSUPPORTED', file });
    expect(failure.message).toContain(sentence);
  });

  it('refuses a decoder that is not an object', () => {
    expect(failureOf(() => planDecoding('ByteLevel', none, file)).code).toBe('TOKENIZER_INVALID');
  });
});
