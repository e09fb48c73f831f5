/** From what a caller gave to checked tokens. */
import type { Breakpoint } from '@octavo/kv';
import type { TextCodec } from '@octavo/text';
import type { CacheBreakpoint } from '../cache-api.ts';
import { EngineError } from '../errors.ts';
import type { PromptInput, WarmInput } from '../protocol.ts';

export interface PromptLimits {
  readonly vocabulary: number;
  /** Longest prompt + completion. */
  readonly contextTokens: number;
}

export class PromptEncoder {
  readonly #text: TextCodec | undefined;
  readonly #limits: PromptLimits;

  constructor(text: TextCodec | undefined, limits: PromptLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  /** The tokenizer. Throws TOKENIZER_MISSING. */
  get text(): TextCodec {
    if (this.#text) return this.#text;
    throw new EngineError(
      'TOKENIZER_MISSING',
      'The model folder has no tokenizer: give token ids instead of text, and no stop strings.',
    );
  }

  /** Tokens of a prompt of any length. Throws as `encode`, but for PROMPT_OVER_CONTEXT. */
  encodeAny(prompt: PromptInput): Uint32Array {
    return this.#known(this.#tokensOf(prompt));
  }

  #checked(tokens: Uint32Array): Uint32Array {
    const { contextTokens } = this.#limits;
    if (tokens.length > contextTokens) throw promptOver(tokens.length, contextTokens, contextTokens);
    return this.#known(tokens);
  }

  #known(tokens: Uint32Array): Uint32Array {
    const { vocabulary } = this.#limits;
    if (tokens.length === 0) throw new EngineError('EMPTY_PROMPT', 'The prompt has no tokens: give at least one.');
    // Ids of callers were checked on arrival; a tokenizer may know tokens that the model does not.
    const unknown = tokens.findIndex((token) => token >= vocabulary);
    if (unknown >= 0) {
      throw new EngineError(
        'TOKEN_OUT_OF_VOCABULARY',
        `Token id ${tokens[unknown]} at position ${unknown} is not in the model's vocabulary of ${vocabulary}: use the tokenizer that belongs to the model.`,
        { details: { token: tokens[unknown] as number, position: unknown, vocabulary } },
      );
    }
    return tokens;
  }

  /**
   * Tokens of a prompt within the context. Throws TOKENIZER_MISSING, TEMPLATE_MISSING, EMPTY_PROMPT, TOKEN_OUT_OF_VOCABULARY,
   * PROMPT_OVER_CONTEXT, and what the tokenizer and the template throw.
   */
  encode(prompt: PromptInput): Uint32Array {
    return this.#checked(this.#tokensOf(prompt));
  }

  /**
   * Rising token positions of breakpoints. The end of a message is where the chat up to it, rendered alone, still agrees with the prompt.
   * O(breakpoints x prompt) for those at messages.
   */
  positionsOf(prompt: PromptInput, breakpoints: readonly CacheBreakpoint[], tokens: Uint32Array): Breakpoint[] {
    const byTokens = new Map<number, Breakpoint>();
    for (const breakpoint of breakpoints) {
      const at = 'tokens' in breakpoint ? breakpoint.tokens : this.#endOfMessage(prompt, breakpoint.message, tokens);
      const { priority } = breakpoint;
      if (at > 0) byTokens.set(at, { tokens: at, ...(priority === undefined ? {} : { priority }) });
    }
    return [...byTokens.values()].sort((a, b) => a.tokens - b.tokens);
  }

  #endOfMessage(prompt: PromptInput, message: number, tokens: Uint32Array): number {
    if (prompt.kind !== 'messages') return 0;
    const head = this.text.encodeChat(prompt.messages.slice(0, message + 1), { addGenerationPrompt: false });
    let common = 0;
    while (common < head.length && head[common] === tokens[common]) common += 1;
    return common;
  }

  /** As `encode`, for a prompt to warm: of a prefix, what conversations that go on behind it begin with. */
  encodeWarm(prompt: WarmInput): Uint32Array {
    return this.#checked(this.#tokensOf(prompt));
  }

  #tokensOf(prompt: WarmInput): Uint32Array {
    if (prompt.kind === 'ids') return prompt.ids;
    if (prompt.kind === 'text') return this.text.encode(prompt.text);
    if (!this.text.hasChatTemplate) {
      throw new EngineError(
        'TEMPLATE_MISSING',
        'The model folder has no chat template: give a prompt instead of messages.',
      );
    }
    return this.text.encodeChat(prompt.messages, { addGenerationPrompt: prompt.kind === 'messages' });
  }
}

/** What a prompt over its limit is refused with. Pure. */
export function promptOver(promptTokens: number, limitTokens: number, contextTokens: number): EngineError {
  // Within a token of the context it is the context that is short, else a limit of the request's own.
  const takes =
    limitTokens < contextTokens - 1
      ? `its limit is ${limitTokens}`
      : `the context of ${contextTokens} tokens takes ${limitTokens}`;
  return new EngineError(
    'PROMPT_OVER_CONTEXT',
    `The prompt has ${promptTokens} tokens, and ${takes}: shorten it by ${promptTokens - limitTokens}.`,
    { details: { promptTokens, limitTokens, contextTokens } },
  );
}
