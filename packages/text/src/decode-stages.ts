/**
 * The decoders of `tokenizer.json`, one token at a time. Each stage takes the text of a token (as the stage before left it) and gives
 * the text that is certain by now; what a later token can still change is held. Joined, the texts are what
 * `@huggingface/tokenizers` decodes from all tokens at once.
 */
import { byteOf, isByteLevel } from './byte-level.ts';
import { Utf8Stream } from './utf8-stream.ts';

export interface DecodeStage {
  /** The text that is certain after one more piece. Cost: the piece's length. */
  push(piece: string): string;
  /** What was held, since nothing follows; the stage is then as new. */
  flush(): string;
}

/** `ByteLevel`: characters are bytes. Added tokens, and tokens with a character outside the alphabet, are text and end a run of bytes. */
export class ByteLevelStage implements DecodeStage {
  readonly #addedTokens: ReadonlySet<string>;
  readonly #stream = new Utf8Stream({ byteOrderMark: 'keep' });

  constructor(addedTokens: ReadonlySet<string>) {
    this.#addedTokens = addedTokens;
  }

  push(piece: string): string {
    if (this.#addedTokens.has(piece) || !isByteLevel(piece)) return this.#stream.flush() + piece;
    for (let at = 0; at < piece.length; at += 1) this.#stream.put(byteOf(piece.charCodeAt(at)) as number);
    return this.#stream.take();
  }

  flush(): string {
    return this.#stream.flush();
  }
}

/** `ByteFallback`: runs of `<0x00>` ... `<0xFF>` are bytes of UTF-8, anything else is text. */
export class ByteFallbackStage implements DecodeStage {
  readonly #stream = new Utf8Stream({ byteOrderMark: 'drop' });

  push(piece: string): string {
    const byte = byteOfFallback(piece);
    if (byte === undefined) return this.#stream.flush() + piece;
    this.#stream.put(byte);
    return this.#stream.take();
  }

  flush(): string {
    return this.#stream.flush();
  }
}

function byteOfFallback(piece: string): number | undefined {
  return /^<0x[0-9a-f]{2}>$/i.test(piece) ? Number.parseInt(piece.slice(3, 5), 16) : undefined;
}

/** `Replace`: every occurrence inside a piece. */
export class ReplaceStage implements DecodeStage {
  readonly #pattern: string;
  readonly #content: string;

  constructor(pattern: string, content: string) {
    this.#pattern = pattern;
    this.#content = content;
  }

  push(piece: string): string {
    return piece.replaceAll(this.#pattern, this.#content);
  }

  flush(): string {
    return '';
  }
}

/** `Metaspace`: the marker of a space is a space, and the very first one goes. */
export class MetaspaceStage implements DecodeStage {
  readonly #marker: string;
  #isFirst = true;

  constructor(marker: string) {
    this.#marker = marker;
  }

  push(piece: string): string {
    const text = piece.replaceAll(this.#marker, ' ');
    const skipped = this.#isFirst && text.startsWith(' ') ? 1 : 0;
    this.#isFirst = false;
    return text.slice(skipped);
  }

  flush(): string {
    this.#isFirst = true;
    return '';
  }
}

/** No decoder: tokens are words with a space between them. */
export class WordStage implements DecodeStage {
  #isFirst = true;

  push(piece: string): string {
    const text = this.#isFirst ? piece : ` ${piece}`;
    this.#isFirst = false;
    return text;
  }

  flush(): string {
    this.#isFirst = true;
    return '';
  }
}

export interface StripOptions {
  /** One character. */
  readonly content: string;
  /** How many of it go at the beginning of the text at most. */
  readonly start: number;
  /** How many of it go at the end of the text at most. */
  readonly stop: number;
}

/** `Strip` after `Fuse`: at both ends of the whole text. What may turn out to be the end is held. */
export class StripStage implements DecodeStage {
  readonly #options: StripOptions;
  #strippable: number;
  #heldCount = 0;

  constructor(options: StripOptions) {
    this.#options = options;
    this.#strippable = options.start;
  }

  push(piece: string): string {
    const { content, stop } = this.#options;
    let from = 0;
    while (this.#strippable > 0 && from < piece.length) {
      if (piece[from] !== content) {
        this.#strippable = 0;
        break;
      }
      from += 1;
      this.#strippable -= 1;
    }
    let to = piece.length;
    while (to > from && piece[to - 1] === content) to -= 1;
    // All of the piece is content: it joins what is held; otherwise what was held is inside the text.
    const trailing = piece.length - to + (to === from ? this.#heldCount : 0);
    const released = to === from ? 0 : this.#heldCount;
    this.#heldCount = Math.min(trailing, stop);
    return content.repeat(released) + piece.slice(from, to) + content.repeat(trailing - this.#heldCount);
  }

  flush(): string {
    this.#strippable = this.#options.start;
    this.#heldCount = 0;
    return '';
  }
}

/** Stages one behind the other. */
export class StageChain implements DecodeStage {
  readonly #stages: readonly DecodeStage[];

  constructor(stages: readonly DecodeStage[]) {
    this.#stages = stages;
  }

  push(piece: string): string {
    let text = piece;
    for (const stage of this.#stages) text = stage.push(text);
    return text;
  }

  flush(): string {
    let text = '';
    // What one stage held passes the later ones before they are flushed themselves.
    for (const stage of this.#stages) text = (text === '' ? '' : stage.push(text)) + stage.flush();
    return text;
  }
}
