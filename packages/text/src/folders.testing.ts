import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { TextError } from './errors.ts';
import { openText, type TextCodec } from './text-codec.ts';

/** The shipped model: byte-level BPE. */
export const shopkeeperFolder = fileURLToPath(new URL('../../octavo/model/shopkeeper', import.meta.url));

/** Opens a folder that has a tokenizer. */
export async function openCodec(folder: string): Promise<TextCodec> {
  const codec = await openText(folder);
  if (codec === undefined) throw new Error(`${folder} has no tokenizer.json`);
  return codec;
}

/** A folder with these files (objects are written as JSON), removed when the test ends. */
export async function makeFolder(files: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'octavo-text-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

const pieces = [
  '\u2581',
  'h',
  'e',
  'l',
  'o',
  'w',
  'r',
  'd',
  '\u2581h',
  'el',
  'lo',
  '\u2581hel',
  '\u2581hello',
  '\u2581w',
  'or',
  '\u2581wor',
  'ld',
  '\u2581world',
];

/** The decoder that Llama 2, Mistral and Phi-3 have. */
export const llamaDecoder = {
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ],
};

/** A SentencePiece-style BPE with byte fallback: 3 special tokens, 256 bytes, and what "hello world" needs. */
export function sentencePieceTokenizer(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces];
  const special = (id: number, content: string) => ({ id, content, special: true, normalized: false });
  return {
    added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '\u2581' },
        { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: llamaDecoder,
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [
        '\u2581 h',
        'e l',
        'l o',
        '\u2581h el',
        '\u2581hel lo',
        '\u2581 w',
        'o r',
        '\u2581w or',
        'l d',
        '\u2581wor ld',
      ],
    },
    ...changes,
  };
}

/** What was thrown, as `{ code, file, message }`; fails when nothing was. */
export function failureOf(run: () => unknown): Partial<TextError> {
  try {
    run();
  } catch (thrown) {
    return thrown as TextError;
  }
  throw new Error('nothing was thrown');
}

/** Runs of a property: `OCTAVO_PROPERTY_RUNS`, 300 by default (also in CI). */
export const propertyRuns = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 300);
