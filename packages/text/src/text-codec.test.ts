import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failureOf, makeFolder, openCodec, sentencePieceTokenizer, shopkeeperFolder } from './folders.testing.ts';
import { openText } from './text-codec.ts';

interface Golden {
  readonly prompts: readonly {
    readonly messages: { role: string; content: string }[];
    readonly text: string;
    readonly token_ids: number[];
  }[];
}

const question = [{ role: 'user', content: 'How long is the warranty?' }];

describe('openText', () => {
  it('is undefined without a tokenizer.json, or without the folder', async () => {
    const folder = await makeFolder({ 'config.json': {} });
    expect(await openText(folder)).toBeUndefined();
    expect(await openText(join(folder, 'missing'))).toBeUndefined();
  });

  it.each([
    ['is not JSON', '{"model":'],
    ['must be a JSON object', '[]'],
    ['model must be a JSON object, not missing', {}],
    ['model.vocab must be a JSON object', { model: { type: 'BPE', merges: [] } }],
    ['the id of "a" must be an integer', { model: { type: 'BPE', vocab: { a: -1 }, merges: [] } }],
    ['the id of "a" must be an integer', { model: { type: 'BPE', vocab: { a: 2 ** 31 }, merges: [] } }],
    ['entry 0 of model.vocab must be', { model: { type: 'Unigram', vocab: ['a'] } }],
    ['must have at least one token', { model: { type: 'BPE', vocab: {}, merges: [] } }],
    ['added_tokens must be a list', { ...sentencePieceTokenizer(), added_tokens: {} }],
    ['needs a content', { ...sentencePieceTokenizer(), added_tokens: [{ id: 1 }] }],
    ['cannot be used', { model: { type: 'BPE', vocab: { a: 0 } } }],
    ['Unknown PreTokenizer type', sentencePieceTokenizer({ pre_tokenizer: { type: 'Nonsense' } })],
  ])('rejects a tokenizer.json and says: %s', async (sentence, content) => {
    const folder = await makeFolder({ 'tokenizer.json': content });
    const failure = await openText(folder).catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({
      name: 'TextError',
      code: 'TOKENIZER_INVALID',
      file: join(folder, 'tokenizer.json'),
    });
    expect((failure as Error).message).toContain(sentence);
  });

  it('names the file at fault when it is another one', async () => {
    const folder = await makeFolder({ 'tokenizer.json': sentencePieceTokenizer(), 'tokenizer_config.json': 'none' });
    await expect(openText(folder)).rejects.toMatchObject({
      code: 'TOKENIZER_INVALID',
      file: join(folder, 'tokenizer_config.json'),
    });
  });

  it('rejects a file that cannot be read', async () => {
    const folder = await makeFolder({});
    await mkdir(join(folder, 'tokenizer.json'));
    await expect(openText(folder)).rejects.toMatchObject({
      code: 'TOKENIZER_UNREADABLE',
      file: join(folder, 'tokenizer.json'),
    });
  });

  it('rejects a decoder that cannot be streamed', async () => {
    const folder = await makeFolder({ 'tokenizer.json': sentencePieceTokenizer({ decoder: { type: 'CTC' } }) });
    await expect(openText(folder)).rejects.toMatchObject({ code: 'TOKENIZER_UNSUPPORTED' });
  });

  it('rejects a chat template that does not parse, or a list without a default', async () => {
    const tokenizer = sentencePieceTokenizer();
    const cut = await makeFolder({ 'tokenizer.json': tokenizer, 'chat_template.jinja': '{% if %}' });
    await expect(openText(cut)).rejects.toMatchObject({
      code: 'TEMPLATE_INVALID',
      file: join(cut, 'chat_template.jinja'),
    });
    const named = { chat_template: [{ name: 'tool_use', template: 'x' }] };
    const list = await makeFolder({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': named });
    await expect(openText(list)).rejects.toMatchObject({
      code: 'TEMPLATE_INVALID',
      message: expect.stringContaining('found: tool_use'),
    });
  });
});

describe('TextCodec', () => {
  it('gives the golden ids of the shipped model, from text and from messages', async () => {
    const codec = await openCodec(shopkeeperFolder);
    const golden = JSON.parse(await readFile(join(shopkeeperFolder, 'golden.json'), 'utf8')) as Golden;
    expect(golden.prompts).toHaveLength(20);
    for (const prompt of golden.prompts) {
      expect(codec.renderChat(prompt.messages, { addGenerationPrompt: true })).toBe(prompt.text);
      expect([...codec.encode(prompt.text)]).toEqual(prompt.token_ids);
      expect([...codec.encodeChat(prompt.messages)]).toEqual(prompt.token_ids);
      expect(codec.decode(prompt.token_ids, { specialTokens: 'keep' })).toBe(prompt.text);
    }
  });

  it('knows its vocabulary', async () => {
    const codec = await openCodec(shopkeeperFolder);
    expect(codec.vocabularyCount).toBe(1024);
    expect(codec.idOf('<|im_end|>')).toBe(2);
    expect(codec.idOf('no such token')).toBeUndefined();
  });

  it('adds what the post-processor adds to a text, and nothing to a rendered chat', async () => {
    const config = {
      bos_token: '<s>',
      chat_template: '{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}',
    };
    const folder = await makeFolder({ 'tokenizer.json': sentencePieceTokenizer(), 'tokenizer_config.json': config });
    const codec = await openCodec(folder);
    const hello = codec.idOf('\u2581hello') as number;
    expect([...codec.encode('hello')]).toEqual([1, hello]);
    expect([...codec.encode('hello', { specialTokens: 'none' })]).toEqual([hello]);
    expect([...codec.encodeChat([{ role: 'user', content: 'hello' }])]).toEqual([1, hello]);
  });

  it('falls back to bytes for what the vocabulary lacks', async () => {
    const codec = await openCodec(await makeFolder({ 'tokenizer.json': sentencePieceTokenizer() }));
    const ids = codec.encode('é', { specialTokens: 'none' });
    expect([...ids]).toEqual([codec.idOf('\u2581'), codec.idOf('<0xC3>'), codec.idOf('<0xA9>')]);
  });

  it('reads a Unigram vocabulary and files without the parts that are null', async () => {
    const vocab = [
      ['<unk>', 0],
      ['\u2581', -2],
      ['\u2581a', -1],
      ['b', -1],
    ];
    const tokenizer = {
      model: { type: 'Unigram', unk_id: 0, vocab },
      pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always' },
      decoder: { type: 'Metaspace', replacement: '\u2581' },
    };
    const codec = await openCodec(
      await makeFolder({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': { eos_token: '<unk>' } }),
    );
    expect(codec.vocabularyCount).toBe(4);
    expect([...codec.encode('a ab')]).toEqual([2, 2, 3]);
    expect(codec.decode([2, 2, 3])).toBe('a ab');
    expect(codec.hasChatTemplate).toBe(false);
  });

  it('says so when a post-processor adds a token that does not exist', async () => {
    const post = { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<bos>', type_id: 0 } }], pair: [] };
    const tokenizer = sentencePieceTokenizer({ post_processor: post });
    const model = { ...(tokenizer.model as object), unk_token: null };
    const codec = await openCodec(await makeFolder({ 'tokenizer.json': { ...tokenizer, model } }));
    expect(failureOf(() => codec.encode('hello')).code).toBe('TOKENIZER_INVALID');
  });

  it('refuses to encode what is not a string', async () => {
    const codec = await openCodec(shopkeeperFolder);
    expect(failureOf(() => codec.encode(7 as unknown as string))).toMatchObject({ code: 'TEXT_INVALID' });
  });

  it('encodes and decodes nothing as nothing', async () => {
    const codec = await openCodec(shopkeeperFolder);
    expect(codec.encode('')).toHaveLength(0);
    expect(codec.decode([])).toBe('');
  });

  it('skips each token that the folder names in decoded text', async () => {
    const folder = await makeFolder({
      'tokenizer.json': sentencePieceTokenizer(),
      'special_tokens_map.json': { eos_token: { content: '\u2581world' } },
    });
    const codec = await openCodec(folder);
    const ids = codec.encode('hello world');
    expect(codec.decode(ids)).toBe('hello');
    expect(codec.decode(ids, { specialTokens: 'keep' })).toBe('<s> hello world');
  });
});

describe('chat templates', () => {
  const tokenizer = sentencePieceTokenizer();

  it('gets the tokens that the folder names, and knows of no tools', async () => {
    const config = {
      eos_token: { content: '</s>' },
      additional_special_tokens: ['<a>', { content: '<b>' }, 7],
      chat_template:
        '{{ bos_token }}|{{ eos_token }}|{{ additional_special_tokens | join(",") }}|{% if tools is none %}no tools{% endif %}|{{ add_generation_prompt }}',
    };
    const folder = await makeFolder({
      'tokenizer.json': tokenizer,
      'tokenizer_config.json': config,
      'special_tokens_map.json': { bos_token: '<s>', eos_token: 'not this one' },
    });
    const codec = await openCodec(folder);
    expect(codec.renderChat(question, { addGenerationPrompt: false })).toBe('<s>|</s>|<a>,<b>|no tools|false');
  });

  it('takes the file of its own before the configuration, and the default of a list', async () => {
    const list = {
      chat_template: [
        { name: 'tool_use', template: 'tools' },
        { name: 'default', template: 'plain' },
      ],
    };
    const both = await makeFolder({
      'tokenizer.json': tokenizer,
      'tokenizer_config.json': list,
      'chat_template.jinja': 'own\n',
    });
    const listOnly = await makeFolder({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': list });
    const render = async (folder: string) =>
      (await openCodec(folder)).renderChat(question, { addGenerationPrompt: true });
    expect(await render(both)).toBe('own');
    expect(await render(listOnly)).toBe('plain');
  });

  it('passes on why a template refuses', async () => {
    const template = "{{ raise_exception('Roles must alternate') }}";
    const codec = await openCodec(await makeFolder({ 'tokenizer.json': tokenizer, 'chat_template.jinja': template }));
    const failure = failureOf(() => codec.encodeChat(question));
    expect(failure).toMatchObject({ name: 'TextError', code: 'TEMPLATE_FAILED' });
    expect(failure.message).toContain('Roles must alternate');
  });

  it('says that there is none', async () => {
    const codec = await openCodec(await makeFolder({ 'tokenizer.json': tokenizer }));
    expect(codec.hasChatTemplate).toBe(false);
    expect(failureOf(() => codec.encodeChat(question))).toMatchObject({ code: 'TEMPLATE_MISSING' });
  });

  it.each([
    ['at least one', []],
    ['at least one', 'hello'],
    ['Message 0 needs a role', [null]],
    ['Message 0 needs a role', [{ content: 'x' }]],
    ['Message 1 needs a content that is a string, not object', [question[0], { role: 'user', content: null }]],
  ])('refuses messages and says: %s', async (sentence, messages) => {
    const codec = await openCodec(shopkeeperFolder);
    const failure = failureOf(() => codec.encodeChat(messages as unknown as typeof question));
    expect(failure).toMatchObject({ code: 'MESSAGE_INVALID' });
    expect(failure.message).toContain(sentence);
  });
});
