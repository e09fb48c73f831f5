/** `octavo chat`: a conversation in the terminal; each turn reuses what the turns before it computed. */
import { createInterface, type Interface } from 'node:readline';
import type { Engine, GenerateResult, Message } from '@octavo/engine';
import type { Command } from 'commander';
import { readCatalog, systemPrompt } from '../demo/workload.ts';
import { shippedModel } from '../shipped-model.ts';
import {
  addCacheFileOption,
  assertCacheFile,
  type CacheFileFlags,
  describeFileTokens,
  withCacheFile,
} from './cache-file.ts';
import { drawTree } from './cache-tree.ts';
import type { CommandContext } from './context.ts';
import { CommandError, describeFailure } from './errors.ts';
import { addLifetimeOptions, type LifetimeFlags, lifetimeOptions } from './lifetimes.ts';
import { addFileOptions, MODEL_WORDS, type ModelFlags } from './model.ts';
import { addEngineOptions, defined, type EngineFlags, engineOptions, numberOption, wholeOption } from './options.ts';
import { addTruncationOptions, describeDropped, type TruncationFlags, truncationOptions } from './truncation.ts';
import { withEngine } from './with-engine.ts';

interface ChatFlags extends EngineFlags, TruncationFlags, CacheFileFlags, LifetimeFlags, Omit<ModelFlags, 'model'> {
  readonly system?: string;
  readonly product?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly seed?: number;
}

const EXAMPLES = `
In the conversation:
  /reset    forget what was said, keep the system message
  /cache    show what the cache holds
  /exit     leave (so does the end of the input)

Examples:
  octavo chat --product p002
  octavo chat ./my-model --system "You answer in one sentence." --temperature 0.7
  echo "How long is the warranty?" | octavo chat
`;

/** What the shipped model talks about when nothing is said: the one product whose description was written by hand. */
const DEFAULT_PRODUCT = 'p001';

export function addChat(program: Command, context: CommandContext): void {
  const command = program
    .command('chat')
    .description('talk with a model')
    .argument('[model]', `${MODEL_WORDS}, with a chat template (default: the shipped one)`)
    .option('--system <text>', 'the system message')
    .option(
      '--product <id>',
      `a product of the shipped catalog as the system message (default with the shipped model: ${DEFAULT_PRODUCT})`,
    )
    .addOption(
      wholeOption('--max-tokens <n>', 'tokens of an answer at most (default: what the model says, else 256)', 1),
    )
    .addOption(
      numberOption('--temperature <t>', '0 takes the likeliest token (default: 0)', { minimum: 0, maximum: Infinity }),
    )
    .addOption(wholeOption('--seed <n>', 'same seed, same tokens (default: drawn)', 0))
    .addHelpText('after', EXAMPLES);
  addEngineOptions(addCacheFileOption(addLifetimeOptions(addTruncationOptions(addFileOptions(command))))).action(
    (model: string | undefined, flags: ChatFlags) => chat(model, flags, context),
  );
}

async function chat(model: string | undefined, flags: ChatFlags, context: CommandContext): Promise<void> {
  assertCacheFile(flags);
  const system = await systemMessage(model, flags, context);
  const options = { ...engineOptions(flags, context.env), ...truncationOptions(flags), ...lifetimeOptions(flags) };
  const named = { ...flags, ...defined({ model }) };
  await withEngine(context, { model: named, options, reader: 'person' }, async (engine) => {
    const conversation = new Conversation(engine, system, flags, context.interrupt.signal);
    await withCacheFile(engine, flags, context.output, () => converse(conversation, context));
  });
}

async function systemMessage(
  model: string | undefined,
  flags: ChatFlags,
  { output }: CommandContext,
): Promise<Message | undefined> {
  const { system, product } = flags;
  if (system !== undefined && product !== undefined) {
    throw new CommandError('CONFLICTING_OPTIONS', '--system and --product exclude each other; give one of them.');
  }
  if (system !== undefined) return system === '' ? undefined : { role: 'system', content: system };
  const wanted = product ?? (model === undefined ? DEFAULT_PRODUCT : undefined);
  if (wanted === undefined) return undefined;
  const catalog = await readCatalog(shippedModel());
  const found = catalog.find(({ id }) => id === wanted);
  if (found === undefined) {
    const ids = `${catalog[0]?.id} to ${catalog.at(-1)?.id}`;
    throw new CommandError(
      'UNKNOWN_PRODUCT',
      `The catalog has no product ${JSON.stringify(wanted)}; give one of ${ids}.`,
    );
  }
  output.note(found.description);
  return { role: 'system', content: systemPrompt(found) };
}

/** What was said so far. A turn that failed leaves it as it was. */
class Conversation {
  readonly #engine: Engine;
  readonly #system: readonly Message[];
  readonly #flags: ChatFlags;
  readonly #signal: AbortSignal;
  #messages: readonly Message[];

  constructor(engine: Engine, system: Message | undefined, flags: ChatFlags, signal: AbortSignal) {
    this.#engine = engine;
    this.#system = system === undefined ? [] : [system];
    this.#flags = flags;
    this.#signal = signal;
    this.#messages = this.#system;
  }

  reset(): void {
    this.#messages = this.#system;
  }

  /** The cache of the engine as a tree, with the texts of its entries. */
  async describeCache(): Promise<string> {
    const entries = await this.#engine.cache.tree();
    if (entries.length === 0) return '[the cache is empty]';
    const texts = await Promise.all(entries.map(({ ids }) => this.#engine.detokenize(ids)));
    const textOf = new Map(entries.map(({ ids }, index) => [ids, texts[index]]));
    return drawTree(entries, (ids) => textOf.get(ids));
  }

  /** Streams the answer to `onText` and remembers both sides. */
  async ask(question: string, onText: (text: string) => void): Promise<GenerateResult> {
    const { maxTokens, temperature, seed } = this.#flags;
    const messages = [...this.#messages, { role: 'user', content: question }];
    const options = defined({ maxTokens, temperature, seed });
    const generation = this.#engine.chat({ messages, signal: this.#signal, ...options });
    for await (const { text } of generation) if (text !== undefined) onText(text);
    const result = await generation.result();
    this.#messages = [...messages, { role: 'assistant', content: result.text ?? '' }];
    return result;
  }
}

/**
 * Reads lines until the input ends. A person is told of a turn that failed and goes on; for piped input the first one is the end.
 * Throws that failure, or the signal's reason when it is aborted.
 */
async function converse(conversation: Conversation, context: CommandContext): Promise<void> {
  const { stdin, interrupt, output } = context;
  const lines = openInput(context);
  try {
    lines.prompt();
    for await (const line of lines) {
      if (line.trim() === '/exit') break;
      try {
        await takeTurn(line.trim(), conversation, context);
      } catch (error) {
        if (stdin.isTTY !== true || interrupt.signal.aborted) throw error;
        const { code, message } = describeFailure(error);
        output.note(`octavo: ${code}: ${message}`);
      }
      lines.prompt();
    }
    interrupt.signal.throwIfAborted();
  } finally {
    lines.close();
  }
}

/** On a terminal with editing and a prompt; else plain lines. Ctrl-C comes through the terminal as a key, not as a signal. */
function openInput({ stdin, stdout, interrupt, output }: CommandContext): Interface {
  const isTerminal = stdin.isTTY === true && stdout.isTTY === true;
  const lines = createInterface({
    input: stdin,
    ...(isTerminal ? { output: stdout } : {}),
    terminal: isTerminal,
    prompt: isTerminal ? output.colors.bold('> ') : '',
    signal: interrupt.signal,
  });
  lines.on('SIGINT', () => interrupt.interrupt(130));
  return lines;
}

/** Answers one line, or does what it says. */
async function takeTurn(line: string, conversation: Conversation, { output }: CommandContext): Promise<void> {
  if (line === '') return;
  if (line === '/reset') {
    conversation.reset();
    output.note('[a new conversation]');
    return;
  }
  if (line === '/cache') {
    output.note(await conversation.describeCache());
    return;
  }
  const { usage } = await conversation.ask(line, output.write);
  output.write('\n');
  output.note(
    `[${usage.cachedTokens} prompt tokens cached${describeFileTokens(usage)}, ${usage.computedTokens} computed${describeDropped(usage)}]`,
  );
}
