/** The files of a model folder that concern text -> checked values. Formats: Hugging Face tokenizers and transformers. */
import { join } from 'node:path';
import type { ChatTemplateSource } from './chat-template.ts';
import { TextError } from './errors.ts';
import { fieldsOf, readJsonObject, readTextFile } from './json-fields.ts';
import { allTokensOf, type NamedTokens, namedTokensIn } from './named-tokens.ts';
import { Vocabulary } from './vocabulary.ts';

export interface TokenizerFolder {
  /** Path of `tokenizer.json`. */
  readonly file: string;
  /** Its content, of which `model`, `added_tokens` and the presence of the other parts are checked. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** Content of `tokenizer_config.json`; empty without one. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly vocabulary: Vocabulary;
  readonly addedTokens: ReadonlySet<string>;
  /** Absent for a model without a chat template. */
  readonly chatTemplate?: ChatTemplateSource;
}

/** Far above any vocabulary (the largest have 2^18 ids): a wild id in a damaged file must not become a huge array. */
const MOST_IDS = 1 << 24;

/**
 * Reads `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json` and `chat_template.jinja`; only the first one is
 * required: undefined without it. Throws TOKENIZER_UNREADABLE, TOKENIZER_INVALID, TEMPLATE_INVALID, each with the file.
 */
export async function readTokenizerFolder(folder: string): Promise<TokenizerFolder | undefined> {
  const file = join(folder, 'tokenizer.json');
  const tokenizer = await readJsonObject(file);
  if (tokenizer === undefined) return undefined;
  const configFile = join(folder, 'tokenizer_config.json');
  const config = (await readJsonObject(configFile)) ?? {};
  const namedTokens = namedTokensIn(config, await readJsonObject(join(folder, 'special_tokens_map.json')));

  const templateFile = join(folder, 'chat_template.jinja');
  // The file of its own wins, as in transformers.
  const ownTemplate = await readTextFile(templateFile);
  const chatTemplate =
    ownTemplate === undefined
      ? configTemplate(config.chat_template, configFile, namedTokens)
      : { text: ownTemplate, file: templateFile, namedTokens };

  const added = addedTokensIn(tokenizer, file);
  return {
    file,
    // The library expects every part to be there; older files leave out those that are null.
    tokenizer: {
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      ...tokenizer,
      added_tokens: added,
    },
    config,
    vocabulary: readVocabulary(tokenizer, added, { file, namedTokens }),
    addedTokens: new Set(added.map((token) => token.content)),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  };
}

/** `chat_template`: a string, or a list of `{ name, template }` of which `default` is the one for plain messages. */
function configTemplate(value: unknown, file: string, namedTokens: NamedTokens): ChatTemplateSource | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return { text: value, file, namedTokens };
  const byName = new Map<unknown, unknown>();
  for (const item of Array.isArray(value) ? value : []) {
    const { name, template } = fieldsOf(item, file, 'a chat template');
    byName.set(name, template);
  }
  const text = byName.get('default');
  if (typeof text === 'string') return { text, file, namedTokens };
  throw new TextError(
    'TEMPLATE_INVALID',
    `${file}: chat_template must be a string, or a list with one named "default" (found: ${[...byName.keys()].join(', ') || 'none'}).`,
    { file },
  );
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: unknown;
}

function addedTokensIn(tokenizer: Record<string, unknown>, file: string): readonly AddedToken[] {
  const list = tokenizer.added_tokens ?? [];
  if (!Array.isArray(list)) throw invalid(file, 'added_tokens must be a list');
  return list.map((item) => {
    const fields = fieldsOf(item, file, 'an added token');
    if (typeof fields.content !== 'string') throw invalid(file, 'each added token needs a content that is a string');
    return { ...fields, content: fields.content, id: idIn(fields.id, fields.content, file) };
  });
}

interface VocabularyContext {
  readonly file: string;
  readonly namedTokens: NamedTokens;
}

function readVocabulary(
  tokenizer: Record<string, unknown>,
  added: readonly AddedToken[],
  { file, namedTokens }: VocabularyContext,
): Vocabulary {
  const { vocab } = fieldsOf(tokenizer.model, file, 'model');
  const [tokens, ids] = Array.isArray(vocab) ? scoredTokens(vocab, file) : namedIds(vocab, file);
  for (const { id, content } of added) {
    tokens.push(content);
    ids.push(id);
  }
  if (tokens.length === 0) throw invalid(file, 'model.vocab must have at least one token');
  const byId = new Array<string | undefined>(highestOf(ids) + 1).fill(undefined);
  for (const [index, id] of ids.entries()) byId[id] = tokens[index];
  const special = added.filter((token) => token.special === true).map((token) => token.content);
  return new Vocabulary({ tokens: byId, specialTokens: new Set([...special, ...allTokensOf(namedTokens)]) });
}

type TokensAndIds = readonly [tokens: string[], ids: number[]];

/** Unigram: [token, score] at its id. */
function scoredTokens(vocab: readonly unknown[], file: string): TokensAndIds {
  const tokens = vocab.map((pair, id) => {
    if (Array.isArray(pair) && typeof pair[0] === 'string') return pair[0];
    throw invalid(file, `entry ${id} of model.vocab must be [token, score]`);
  });
  return [tokens, [...tokens.keys()]];
}

/** Token -> id. `for in`, since the pairs of 2^18 tokens as lists of their own take longer to make than all the rest. */
function namedIds(vocab: unknown, file: string): TokensAndIds {
  const fields = fieldsOf(vocab, file, 'model.vocab');
  const tokens: string[] = [];
  const ids: number[] = [];
  for (const token in fields) {
    tokens.push(token);
    ids.push(idIn(fields[token], token, file));
  }
  return [tokens, ids];
}

function highestOf(ids: readonly number[]): number {
  let highest = -1;
  for (const id of ids) if (id > highest) highest = id;
  return highest;
}

function idIn(id: unknown, token: string, file: string): number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MOST_IDS) return id;
  throw invalid(
    file,
    `the id of ${JSON.stringify(token)} must be an integer from 0 to ${MOST_IDS - 1}, not ${String(id)}`,
  );
}

function invalid(file: string, sentence: string): TextError {
  return new TextError('TOKENIZER_INVALID', `${file}: ${sentence}.`, { file });
}
