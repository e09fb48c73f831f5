/**
 * The decoders of `tokenizer.json`, one token at a time. Each stage takes the text of a token (as the stage before left it) and gives
 * the text that is certain by now; what a later token can still change is held. Joined, the texts are what
 * `@huggingface/tokenizers` decodes from all tokens at once.
 */
import { byteLevelBytes } from './byte-level.ts';

export interface DecodeStage {
  /** The text that is certain after one more piece. Cost: the piece's length. */
  push(piece: string): string;
  /** What was held, since nothing follows; the stage is then as new. */
  flush(): string;
}

/** `ByteLevel`: characters are bytes. Added tokens, and tokens with a character outside the alphabet, are text and end a run of bytes. */
export class ByteLevelStage implements DecodeStage {
  readonly #addedTokens: ReadonlySet<string>;
  // Its streaming mode holds 3 bytes at most, and joined gives what one decoding of all bytes gives (WHATWG Encoding Standard).
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(addedTokens: ReadonlySet<string>) {
    this.#addedTokens = addedTokens;
  }

  push(piece: string): string {
    const bytes = this.#addedTokens.has(piece) ? undefined : byteLevelBytes(piece);
    return bytes === undefined ? this.#decoder.decode() + piece : this.#decoder.decode(bytes, { stream: true });
  }

  flush(): string {
    return this.#decoder.decode();
  }
}

/** `ByteFallback`: runs of `<0x00>` ... `<0xFF>` are bytes of UTF-8, anything else is text. */
export class ByteFallbackStage implements DecodeStage {
  // Drops a byte order mark at the beginning of each run, as the library does.
  readonly #decoder = new TextDecoder();

  push(piece: string): string {
    const byte = byteOfFallback(piece);
    return byte === undefined
      ? this.#decoder.decode() + piece
      : this.#decoder.decode(Uint8Array.of(byte), { stream: true });
  }

  flush(): string {
    return this.#decoder.decode();
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
