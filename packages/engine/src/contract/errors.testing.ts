/** Bad input: a code and a sentence each, and nobody else is harmed. */
import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChatRequest, Engine, EngineOptions, GenerateRequest } from '../api.ts';
import {
  completeAll,
  engineErrorOf,
  expectGoldens,
  expectIdle,
  llama,
  type OpenModel,
  shopkeeper,
  temporaryFolder,
  withEngine,
} from '../engine.testing.ts';
import { badOptions } from './bad-options.testing.ts';

interface BadInput {
  readonly what: string;
  readonly ask: (engine: Engine) => Promise<unknown>;
  readonly code: string;
  readonly message: string | RegExp;
}

/** As from JavaScript, where nobody checks types. */
const generate = (request: object) => (engine: Engine) => engine.generate(request as GenerateRequest).result();
const chat = (request: object) => (engine: Engine) => engine.chat(request as ChatRequest).result();

const badInputs: readonly BadInput[] = [
  {
    what: 'an empty list of ids',
    ask: generate({ ids: [] }),
    code: 'EMPTY_PROMPT',
    message: /no tokens: give at least one/,
  },
  { what: 'an empty text', ask: generate({ prompt: '' }), code: 'EMPTY_PROMPT', message: /no tokens/ },
  { what: 'no messages', ask: chat({ messages: [] }), code: 'EMPTY_PROMPT', message: /give at least one message/ },
  {
    what: 'a token above the vocabulary',
    ask: generate({ ids: [5, 1024] }),
    code: 'TOKEN_OUT_OF_VOCABULARY',
    message: 'Token id 1024 at position 1 is not in the vocabulary: give integers from 0 to 1023.',
  },
  {
    what: 'a negative token',
    ask: generate({ ids: [-1] }),
    code: 'TOKEN_OUT_OF_VOCABULARY',
    message: /Token id -1 at position 0/,
  },
  { what: 'half a token', ask: generate({ ids: [1.5] }), code: 'TOKEN_OUT_OF_VOCABULARY', message: /Token id 1.5/ },
  {
    what: 'ids that are text',
    ask: generate({ ids: '1,2' }),
    code: 'INVALID_OPTION',
    message: /ids is no list of token ids/,
  },
  {
    what: 'neither prompt nor ids',
    ask: generate({}),
    code: 'INVALID_OPTION',
    message: /neither prompt nor ids|neither prompt and ids/,
  },
  {
    what: 'prompt and ids',
    ask: generate({ prompt: 'a', ids: [1] }),
    code: 'INVALID_OPTION',
    message: /both prompt and ids/,
  },
  {
    what: 'a prompt over the context',
    ask: generate({ ids: new Array(1024).fill(5) }),
    code: 'PROMPT_OVER_CONTEXT',
    message: 'The prompt has 1024 tokens, and the context of 1024 tokens takes 1023: shorten it by 1.',
  },
  {
    what: 'a prompt over the pool',
    ask: generate({ ids: new Array(700).fill(5), maxTokens: 10 }),
    code: 'PROMPT_OVER_POOL',
    message: /Prompt and completion of 700 \+ 10 tokens need 45 pages, and a sequence can have 39/,
  },
  {
    what: 'zero tokens',
    ask: generate({ ids: [1], maxTokens: 0 }),
    code: 'INVALID_OPTION',
    message: /maxTokens of a generate request is 0: give an integer of at least 1/,
  },
  {
    what: 'negative tokens',
    ask: generate({ ids: [1], maxTokens: -4 }),
    code: 'INVALID_OPTION',
    message: /maxTokens of a generate request is -4/,
  },
  {
    what: 'a misspelled option',
    ask: generate({ ids: [1], max_tokens: 4 }),
    code: 'UNKNOWN_OPTION',
    message: /a generate request does not know max_tokens: it takes prompt, ids, /,
  },
  {
    what: 'a misspelled field of a message',
    ask: chat({ messages: [{ role: 'user', text: 'a' }] }),
    code: 'UNKNOWN_OPTION',
    message: /does not know text/,
  },
  {
    what: 'a message without content',
    ask: chat({ messages: [{ role: 'user' }] }),
    code: 'INVALID_OPTION',
    message: /A message has no content/,
  },
  {
    what: 'a prompt for a chat',
    ask: chat({ prompt: 'a' }),
    code: 'UNKNOWN_OPTION',
    message: /a chat request does not know prompt/,
  },
  {
    what: 'a negative temperature',
    ask: generate({ ids: [1], temperature: -1 }),
    code: 'INVALID_OPTION',
    message: 'temperature is -1: give a number of at least 0.',
  },
  {
    what: 'a stop string of nothing',
    ask: generate({ ids: [1], stop: [''] }),
    code: 'INVALID_OPTION',
    message: /a list, each element a string that is not empty/,
  },
  {
    what: 'one stop string without a list',
    ask: generate({ ids: [1], stop: 'END' }),
    code: 'INVALID_OPTION',
    message: /stop of a generate request is 'END': give a list/,
  },
  {
    what: 'a stop id above the vocabulary',
    ask: generate({ ids: [1], stopIds: [9999] }),
    code: 'TOKEN_OUT_OF_VOCABULARY',
    message: /9999/,
  },
  {
    what: 'a priority that is no integer',
    ask: generate({ ids: [1], priority: 0.5 }),
    code: 'INVALID_OPTION',
    message: /priority/,
  },
  {
    what: 'a signal that is none',
    ask: generate({ ids: [1], signal: {} }),
    code: 'INVALID_OPTION',
    message: /an AbortSignal/,
  },
  {
    what: 'a request that is none',
    ask: (engine) => engine.generate(null as unknown as GenerateRequest).result(),
    code: 'INVALID_OPTION',
    message: /a generate request is null: give an object/,
  },
  {
    what: 'an empty text to score',
    ask: (engine) => engine.score({ text: '' }),
    code: 'EMPTY_PROMPT',
    message: /no tokens/,
  },
  {
    what: 'a text over the context to score',
    ask: (engine) => engine.score({ ids: new Array(1025).fill(5) }),
    code: 'PROMPT_OVER_CONTEXT',
    message: /1025 tokens, and the context of 1024 tokens takes 1024/,
  },
  {
    what: 'one bad prompt among those to warm',
    ask: (engine) => engine.warm(['fine', []]),
    code: 'EMPTY_PROMPT',
    message: /no tokens/,
  },
  {
    what: 'prompts to warm that are no list',
    ask: (engine) => engine.warm('text' as unknown as string[]),
    code: 'INVALID_OPTION',
    message: /are no list/,
  },
  {
    what: 'an unknown option of warm',
    ask: (engine) => engine.warm([], { pins: true } as object),
    code: 'UNKNOWN_OPTION',
    message: /does not know pins/,
  },
  {
    what: 'a number to tokenize',
    ask: (engine) => engine.tokenize(7 as unknown as string),
    code: 'INVALID_OPTION',
    message: /of type number: give a string/,
  },
];

export function describeErrors(open: OpenModel): void {
  describe('refuses bad input with a typed error, and goes on', () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await open({ pages: 40 });
    });
    afterAll(async () => {
      await expectIdle(engine);
      await engine.close();
    });

    it.each(badInputs)('$what: $code', async ({ ask, code, message }) => {
      const goldens = shopkeeper.goldens.slice(0, 1);
      const bystander = completeAll(engine, goldens);
      const error = await engineErrorOf(ask(engine));
      expect({ name: error.name, code: error.code }).toEqual({ name: 'EngineError', code });
      expect(error.message).toMatch(message);
      expectGoldens(await bystander, goldens);
    });
  });

  it('refuses text without a tokenizer, and messages without a chat template', async () => {
    await withEngine(open({}, llama.folder), async (engine) => {
      const message = /no tokenizer: give token ids instead of text/;
      const asked = [
        generate({ prompt: 'hello' })(engine),
        chat({ messages: [{ role: 'user', content: 'hello' }] })(engine),
        engine.tokenize('hello'),
        engine.detokenize([1]),
        engine.score({ text: 'hello' }),
        generate({ ids: [1], stop: ['hello'] })(engine),
      ];
      for (const refused of asked) {
        const error = await engineErrorOf(refused);
        expect(error.code).toBe('TOKENIZER_MISSING');
        expect(error.message).toMatch(message);
      }
    });
    const folder = copyOfShopkeeper((copy) => {
      const config = JSON.parse(readFileSync(join(copy, 'tokenizer_config.json'), 'utf8')) as Record<string, unknown>;
      delete config.chat_template;
      writeFileSync(join(copy, 'tokenizer_config.json'), JSON.stringify(config));
    });
    await withEngine(open({}, folder), async (engine) => {
      const error = await engineErrorOf(chat({ messages: [{ role: 'user', content: 'hello' }] })(engine));
      expect(error.code).toBe('TEMPLATE_MISSING');
      expect(error.message).toMatch(/no chat template: give a prompt instead of messages/);
    });
  });

  it.each(badOptions)('does not open with $options', async ({ options, code, message }) => {
    const error = await engineErrorOf(open(options as EngineOptions));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('does not open a broken folder, and keeps the code of who found the fault', async () => {
    const missing = await engineErrorOf(open({}, join(temporaryFolder(), 'nothing')));
    expect(missing.code).toBe('MODEL_UNKNOWN');
    const cut = copyOfShopkeeper((copy) => {
      const file = join(copy, 'model.safetensors');
      writeFileSync(file, readFileSync(file).subarray(0, 100_000));
    });
    const truncated = await engineErrorOf(open({}, cut));
    expect(truncated.code).toBe('SAFETENSORS_TRUNCATED');
    expect(truncated.details.file).toBe('model.safetensors');
    const garbled = copyOfShopkeeper((copy) => writeFileSync(join(copy, 'tokenizer.json'), '{"model"'));
    expect((await engineErrorOf(open({}, garbled))).code).toBe('TOKENIZER_INVALID');
  });
}

function copyOfShopkeeper(change: (folder: string) => void): string {
  const folder = temporaryFolder();
  for (const name of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(join(shopkeeper.folder, name), join(folder, name));
  }
  cpSync(join(shopkeeper.folder, 'model.safetensors'), join(folder, 'model.safetensors'));
  change(folder);
  return folder;
}
