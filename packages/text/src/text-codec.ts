import { Tokenizer } from '@huggingface/tokenizers';
import { type ChatMessage, ChatTemplate, type RenderOptions } from './chat-template.ts';
import { planDecoding, type StageFactory } from './decode-plan.ts';
import { Detokenizer, type DetokenizerOptions } from './detokenizer.ts';
import { messageOf, TextError } from './errors.ts';
import { readTokenizerFolder, type TokenizerFolder } from './tokenizer-folder.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /**
   * `add` (default): what the tokenizer's post-processor puts around a text, a beginning token for example. `none`: only the text;
   * right for rendered chat templates, which write those tokens out. (`add_special_tokens` of Hugging Face.)
   */
  readonly specialTokens?: 'add' | 'none';
}

/** The part of the library's tokenizer that is used; its own declarations do not resolve under `nodenext`. */
interface Encoder {
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean },
  ): { readonly ids: readonly (number | undefined)[] };
}

/**
 * The tokenizer and the chat template of a model folder. Immutable but for the library's cache of words; not bound to a request.
 * Encoding is `@huggingface/tokenizers`; decoding is one token at a time in every case, so that streamed and whole text agree.
 */
export class TextCodec {
  readonly #folder: TokenizerFolder;
  readonly #encoder: Encoder;
  readonly #makeStages: StageFactory;
  readonly #chatTemplate: ChatTemplate | undefined;

  /** Made by `openText`. */
  constructor(folder: TokenizerFolder) {
    this.#folder = folder;
    this.#encoder = makeEncoder(folder);
    this.#makeStages = planDecoding(folder.tokenizer.decoder, folder.addedTokens, folder.file);
    this.#chatTemplate = folder.chatTemplate && new ChatTemplate(folder.chatTemplate);
  }

  /** Highest id + 1. A model may have more: padding ids, which have no text here. */
  get vocabularyCount(): number {
    return this.#vocabulary.count;
  }

  get hasChatTemplate(): boolean {
    return this.#chatTemplate !== undefined;
  }

  /** The id of a token as the tokenizer writes it; undefined when there is none. */
  idOf(token: string): number | undefined {
    return this.#vocabulary.idOf(token);
  }

  /**
   * Text to ids; special tokens that are written in the text are recognised. Cost: linear in the text for words seen before.
   * Throws TEXT_INVALID for anything but a string, TOKENIZER_INVALID when the tokenizer names a token that it does not have.
   */
  encode(text: string, options: EncodeOptions = {}): Uint32Array {
    if (typeof text !== 'string') throw new TextError('TEXT_INVALID', `Text must be a string, not ${typeof text}.`);
    const { ids } = this.#encoder.encode(text, { add_special_tokens: options.specialTokens !== 'none' });
    const encoded = new Uint32Array(ids.length);
    for (const [index, id] of ids.entries()) {
      if (id === undefined) throw this.#namesMissingToken();
      encoded[index] = id;
    }
    return encoded;
  }

  /**
   * Ids to text; incomplete UTF-8 becomes U+FFFD. Nothing is cleaned up (`clean_up_tokenization_spaces` is ignored): that would change
   * text after it was streamed. Throws TOKEN_OUT_OF_VOCABULARY.
   */
  decode(ids: Iterable<number>, options: Pick<DetokenizerOptions, 'specialTokens'> = {}): string {
    const detokenizer = this.newDetokenizer(options);
    const texts: string[] = [];
    for (const id of ids) texts.push(detokenizer.push(id));
    texts.push(detokenizer.flush());
    return texts.join('');
  }

  /** A stream of its own. Throws TOKEN_OUT_OF_VOCABULARY for an id in `after`. */
  newDetokenizer(options: DetokenizerOptions = {}): Detokenizer {
    return new Detokenizer(this.#vocabulary, this.#makeStages, options);
  }

  /** Throws TEMPLATE_MISSING, MESSAGE_INVALID; TEMPLATE_FAILED with the template's own message when it refuses or fails. */
  renderChat(messages: readonly ChatMessage[], options: RenderOptions): string {
    if (this.#chatTemplate === undefined) {
      throw new TextError(
        'TEMPLATE_MISSING',
        'The model folder has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja); pass a prompt instead of messages.',
        { file: this.#folder.file },
      );
    }
    return this.#chatTemplate.render(messages, options);
  }

  /** Ids of a rendered chat, up to where the answer begins by default. Throws what `renderChat` and `encode` throw. */
  encodeChat(messages: readonly ChatMessage[], options: RenderOptions = { addGenerationPrompt: true }): Uint32Array {
    return this.encode(this.renderChat(messages, options), { specialTokens: 'none' });
  }

  get #vocabulary(): Vocabulary {
    return this.#folder.vocabulary;
  }

  #namesMissingToken(): TextError {
    const { file } = this.#folder;
    return new TextError(
      'TOKENIZER_INVALID',
      `${file} names a token that is not in its vocabulary; download it again.`,
      {
        file,
      },
    );
  }
}

/**
 * Opens the tokenizer of a model folder: `tokenizer.json`, and if present `tokenizer_config.json`, `special_tokens_map.json` and
 * `chat_template.jinja`. Undefined without `tokenizer.json`.
 *
 * Throws TOKENIZER_UNREADABLE, TOKENIZER_INVALID, TOKENIZER_UNSUPPORTED, TEMPLATE_INVALID, each with the file.
 */
export async function openText(folder: string): Promise<TextCodec | undefined> {
  const files = await readTokenizerFolder(folder);
  return files && new TextCodec(files);
}

function makeEncoder(folder: TokenizerFolder): Encoder {
  try {
    return new Tokenizer(folder.tokenizer, folder.config);
  } catch (thrown) {
    throw new TextError(
      'TOKENIZER_INVALID',
      `${folder.file} cannot be used (${messageOf(thrown)}); download it again.`,
      {
        file: folder.file,
        cause: thrown,
      },
    );
  }
}
