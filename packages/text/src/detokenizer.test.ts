import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeFolder, openCodec, propertyRuns, sentencePieceTokenizer, shopkeeperFolder } from './folders.testing.ts';
import type { TextCodec } from './text-codec.ts';

/** Decoding of all ids at once by the library; the oracle. */
type DecodeAll = (ids: readonly number[]) => string;

function libraryDecoder(tokenizer: unknown): DecodeAll {
  const library: { decode(ids: readonly number[], options: Record<string, boolean>): string } = new Tokenizer(
    tokenizer as Record<string, unknown>,
    {},
  );
  return (ids) =>
    ids.length === 0 ? '' : library.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
}

function deltasOf(codec: TextCodec, ids: Iterable<number>): string[] {
  const detokenizer = codec.newDetokenizer();
  const deltas = Array.from(ids, (id) => detokenizer.push(id));
  return [...deltas, detokenizer.flush()];
}

/** Ids of a sequence: mostly single bytes, so that code points are cut, completed and broken often. */
function anyIds(codec: TextCodec, byteIds: readonly number[]): fc.Arbitrary<number[]> {
  const anyId = fc.nat({ max: codec.vocabularyCount - 1 });
  return fc.array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...byteIds) }, { weight: 1, arbitrary: anyId }), {
    maxLength: 60,
  });
}

const halfCodePoint = /^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/;

interface Case {
  readonly codec: TextCodec;
  readonly decodeAll: DecodeAll;
  /** Ids of tokens that are one byte of 0x80 and above. */
  readonly byteIds: readonly number[];
}

async function shopkeeper(): Promise<Case> {
  const codec = await openCodec(shopkeeperFolder);
  const json = JSON.parse(await readFile(join(shopkeeperFolder, 'tokenizer.json'), 'utf8'));
  const lonely = Array.from({ length: codec.vocabularyCount }, (_, id) => id).filter(
    (id) => codec.decode([id]) === '\uFFFD',
  );
  return { codec, decodeAll: libraryDecoder(json), byteIds: lonely };
}

async function sentencePiece(): Promise<Case> {
  const json = sentencePieceTokenizer();
  const codec = await openCodec(await makeFolder({ 'tokenizer.json': json }));
  return { codec, decodeAll: libraryDecoder(json), byteIds: Array.from({ length: 128 }, (_, at) => 3 + 0x80 + at) };
}

describe.each([
  ['byte-level BPE (shopkeeper)', shopkeeper],
  ['SentencePiece with byte fallback', sentencePiece],
])('Detokenizer of %s', (_, open) => {
  it('joins to what decoding all ids at once gives, for any ids', async () => {
    const { codec, decodeAll, byteIds } = await open();
    expect(byteIds).toHaveLength(128);
    fc.assert(
      fc.property(anyIds(codec, byteIds), (ids) => {
        const whole = decodeAll(ids);
        expect(deltasOf(codec, ids).join('')).toBe(whole);
        expect(codec.decode(ids)).toBe(whole);
      }),
      { numRuns: propertyRuns },
    );
  });

  it('never hands out half a code point or U+FFFD for text that has none', async () => {
    const { codec } = await open();
    const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((candidate) => !candidate.includes('\uFFFD'));
    fc.assert(
      fc.property(text, (candidate) => {
        const deltas = deltasOf(codec, codec.encode(candidate, { specialTokens: 'none' }));
        for (const delta of deltas) {
          expect(delta).not.toMatch(halfCodePoint);
          expect(delta).not.toContain('\uFFFD');
        }
        expect(deltas.at(-1)).toBe('');
      }),
      { numRuns: propertyRuns },
    );
  });

  it('gives a text back that was encoded', async () => {
    const { codec } = await open();
    const text = 'hello world 😀 é\u0301 中文\n';
    expect(codec.decode(codec.encode(text))).toBe(text);
  });

  it('holds an emoji until its last byte', async () => {
    const { codec, byteIds } = await open();
    const ids = codec.encode('😀', { specialTokens: 'none' });
    expect(ids.filter((id) => byteIds.includes(id))).toHaveLength(4);
    expect(
      deltasOf(codec, ids)
        .filter((delta) => delta !== '')
        .join('|')
        .trim(),
    ).toBe('😀');
  });

  it('says U+FFFD on flush for bytes that are never completed, and begins anew', async () => {
    const { codec } = await open();
    const ids = codec.encode('😀', { specialTokens: 'none' }).slice(0, -1);
    const detokenizer = codec.newDetokenizer();
    for (const id of ids) expect(detokenizer.push(id).trim()).toBe('');
    expect(detokenizer.flush()).toBe('\uFFFD');
    expect(detokenizer.flush()).toBe('');
    expect(codec.encode('hello', { specialTokens: 'none' }).length).toBeGreaterThan(0);
    const again = Array.from(codec.encode('hello', { specialTokens: 'none' }), (id) => detokenizer.push(id)).join('');
    expect(again).toBe('hello');
  });

  it('refuses ids outside the vocabulary and goes on', async () => {
    const { codec } = await open();
    const detokenizer = codec.newDetokenizer();
    for (const id of [-1, codec.vocabularyCount, 1.5, Number.NaN]) {
      expect(() => detokenizer.push(id)).toThrow(expect.objectContaining({ code: 'TOKEN_OUT_OF_VOCABULARY' }));
      expect(() => codec.decode([id])).toThrow(`ids are integers from 0 to ${codec.vocabularyCount - 1}`);
    }
    const ids = codec.encode('hello', { specialTokens: 'none' });
    expect(Array.from(ids, (id) => detokenizer.push(id)).join('') + detokenizer.flush()).toBe('hello');
  });
});

describe('Detokenizer', () => {
  it('skips special tokens inside a code point, or keeps them on request', async () => {
    const codec = await openCodec(shopkeeperFolder);
    const end = codec.idOf('<|im_end|>') as number;
    const [first, ...others] = codec.encode('é');
    const ids = [first as number, end, ...others];
    expect(codec.decode(ids)).toBe('é');
    expect(codec.decode(ids, { specialTokens: 'keep' })).toBe('\uFFFD<|im_end|>\uFFFD');
  });

  it('drops the space of the first word, but not of a first word that follows other tokens', async () => {
    const { codec } = await sentencePiece();
    const world = codec.idOf('\u2581world') as number;
    const prompt = codec.encode('hello');
    expect(codec.newDetokenizer().push(world)).toBe('world');
    expect(codec.newDetokenizer({ after: prompt }).push(world)).toBe(' world');
    expect(codec.newDetokenizer({ after: [codec.idOf('<s>') as number] }).push(world)).toBe('world');
  });

  it('completes a code point that began before it', async () => {
    const codec = await openCodec(shopkeeperFolder);
    const ids = codec.encode('é');
    const detokenizer = codec.newDetokenizer({ after: ids.subarray(0, 1) });
    expect(detokenizer.push(ids[1] as number)).toBe('é');
  });

  it('has no text for an id that the tokenizer leaves out', async () => {
    const json = sentencePieceTokenizer();
    const model = json.model as { vocab: Record<string, number> };
    model.vocab['\u2581late'] = 400;
    const codec = await openCodec(await makeFolder({ 'tokenizer.json': json }));
    expect(codec.vocabularyCount).toBe(401);
    expect(codec.decode([350, 400, 399])).toBe('late');
  });

  it('costs the same per token late in a long text as early', async () => {
    const { codec, byteIds } = await shopkeeper();
    const detokenizer = codec.newDetokenizer();
    // The worst text: nothing but bytes that never complete a code point.
    const lead = byteIds.find((id) => codec.decode([id, id]) === '\uFFFD\uFFFD') as number;
    const timeOf = (count: number) => {
      const begin = performance.now();
      for (let at = 0; at < count; at += 1) detokenizer.push(lead);
      return performance.now() - begin;
    };
    timeOf(20_000);
    const early = Math.min(timeOf(5_000), timeOf(5_000), timeOf(5_000));
    timeOf(100_000);
    const late = Math.min(timeOf(5_000), timeOf(5_000), timeOf(5_000));
    // Decoding everything again would make this a factor of about 25.
    expect(late).toBeLessThan(early * 8 + 2);
  });
});
