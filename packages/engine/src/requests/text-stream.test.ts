import { openText, type TextCodec } from '@octavo/text';
import { beforeAll, describe, expect, it } from 'vitest';
import { shopkeeper } from '../engine.testing.ts';
import { TextStream } from './text-stream.ts';

let text: TextCodec;
beforeAll(async () => {
  text = (await openText(shopkeeper.folder)) as TextCodec;
});

function show(sentence: string, stop: readonly string[]): { pieces: string[]; stopped: boolean } {
  const stream = new TextStream(text, { stop, prompt: Uint32Array.of(1, 5000) });
  const pieces: string[] = [];
  for (const token of text.encode(sentence)) {
    if (!stream.stopped) pieces.push(stream.push(token));
  }
  return { pieces: [...pieces, stream.flush()], stopped: stream.stopped };
}

describe('TextStream', () => {
  it('shows whole code points only', () => {
    const { pieces } = show('Fine 👩🏽‍🚀 café', []);
    expect(pieces.join('')).toBe('Fine 👩🏽‍🚀 café');
    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.filter((piece) => piece.includes('\uFFFD'))).toEqual([]);
  });

  it('hides a stop string and what follows, wherever tokens end', () => {
    expect(show('It weighs 14.2 kg.', ['4.2'])).toEqual({ pieces: expect.any(Array), stopped: true });
    expect(show('It weighs 14.2 kg.', ['4.2']).pieces.join('')).toBe('It weighs 1');
    expect(show('It weighs 14.2 kg.', ['kg. The']).pieces.join('')).toBe('It weighs 14.2 kg.');
  });

  it('gives ids above the tokenizer, which padded models have, no text', () => {
    const stream = new TextStream(text, { stop: [], prompt: Uint32Array.of(1) });
    expect(stream.push(text.vocabularyCount)).toBe('');
    expect(stream.push(text.encode('a')[0] as number)).toBe('a');
  });
});
