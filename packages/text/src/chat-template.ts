import { Template } from '@huggingface/jinja';
import { messageOf, TextError } from './errors.ts';
import type { NamedTokens } from './named-tokens.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** True: the prompt ends where the model's answer begins. */
  readonly addGenerationPrompt: boolean;
}

export interface ChatTemplateSource {
  readonly text: string;
  /** Where it comes from, for messages. */
  readonly file: string;
  readonly namedTokens: NamedTokens;
}

/**
 * A model's chat template (Jinja), with the variables that `apply_chat_template` of Hugging Face transformers passes. Parsed once.
 */
export class ChatTemplate {
  readonly #template: Template;
  readonly #source: ChatTemplateSource;

  /** Throws TEMPLATE_INVALID when it does not parse. */
  constructor(source: ChatTemplateSource) {
    this.#source = source;
    try {
      this.#template = new Template(source.text);
    } catch (thrown) {
      throw new TextError(
        'TEMPLATE_INVALID',
        `${source.file}: the chat template does not parse (${messageOf(thrown)}); correct it or remove it.`,
        { file: source.file, cause: thrown },
      );
    }
  }

  /**
   * Messages as one text, special tokens written out. Message contents are inserted as they are: a special token in a content is one.
   * Throws MESSAGE_INVALID; TEMPLATE_FAILED with the template's own message when it refuses or fails.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): string {
    checkMessages(messages);
    try {
      return this.#template.render({
        ...this.#source.namedTokens,
        messages,
        // Templates ask `tools is not none`, and transformers passes both in any case.
        tools: null,
        documents: null,
        add_generation_prompt: options.addGenerationPrompt,
      });
    } catch (thrown) {
      throw new TextError('TEMPLATE_FAILED', `The chat template failed on these messages: ${messageOf(thrown)}`, {
        file: this.#source.file,
        cause: thrown,
      });
    }
  }
}

/** Throws MESSAGE_INVALID unless this is a list of at least one `{ role, content }` with two strings. */
function checkMessages(messages: unknown): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new TextError('MESSAGE_INVALID', 'Messages must be a list of at least one { role, content }.');
  }
  for (const [index, message] of messages.entries()) {
    const fields: Partial<Record<string, unknown>> = typeof message === 'object' && message !== null ? message : {};
    for (const field of ['role', 'content']) {
      if (typeof fields[field] === 'string') continue;
      throw new TextError(
        'MESSAGE_INVALID',
        `Message ${index} needs a ${field} that is a string, not ${typeof fields[field]}.`,
      );
    }
  }
}
