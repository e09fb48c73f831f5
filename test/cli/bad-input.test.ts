import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { llama, octavo, repository, scratch } from './octavo.testing.ts';

let folders = 0;

/** A copy of the fixture without its golden values; `damage` is done to it. */
function brokenModel(damage: (folder: string) => void): string {
  const folder = join(scratch, `broken-${folders++}`);
  mkdirSync(folder);
  for (const file of ['config.json', 'model.safetensors']) copyFileSync(join(llama, file), join(folder, file));
  damage(folder);
  return folder;
}

/** A copy whose config.json has other values. */
function withConfig(fields: object): string {
  return brokenModel((folder) => {
    const config: object = JSON.parse(readFileSync(join(llama, 'config.json'), 'utf8'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...fields }));
  });
}

/** A copy in which one file has another text. */
function withFile(name: string, text: string): string {
  return brokenModel((folder) => writeFileSync(join(folder, name), text));
}

function withWeightsCutAt(byteCount: number): string {
  return brokenModel((folder) => truncateSync(join(folder, 'model.safetensors'), byteCount));
}

/** A copy whose first tensor begins where the file ends. */
function withHeaderThatPointsOutside(): string {
  return brokenModel((folder) => {
    const path = join(folder, 'model.safetensors');
    const bytes = readFileSync(path);
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    const header = bytes.subarray(8, 8 + headerBytes).toString();
    const moved = header.replace(/"data_offsets":\s*\[(\d+),\s*(\d+)\]/, (found) => {
      const outside = `"data_offsets":[${bytes.length},${bytes.length + 99}]`;
      return outside.padEnd(found.length);
    });
    const encoded = Buffer.from(moved);
    bytes.writeBigUInt64LE(BigInt(encoded.length), 0);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, 8), encoded, bytes.subarray(8 + headerBytes)]));
  });
}

const models: readonly [what: string, code: string, folder: () => string][] = [
  ['a missing folder', 'MODEL_UNKNOWN', () => join(scratch, 'none')],
  ['a file as folder', 'MODEL_UNREADABLE', () => join(llama, 'config.json')],
  ['no config.json', 'CONFIG_MISSING', () => brokenModel((folder) => rmSync(join(folder, 'config.json')))],
  ['a malformed config.json', 'CONFIG_MALFORMED', () => withFile('config.json', '{"hidden_size": ')],
  ['an impossible value in config.json', 'CONFIG_INVALID', () => withConfig({ hidden_size: -64 })],
  ['an unknown architecture', 'ARCHITECTURE_UNKNOWN', () => withConfig({ architectures: ['SomethingElse'] })],
  ['no weights', 'WEIGHTS_MISSING', () => brokenModel((folder) => rmSync(join(folder, 'model.safetensors')))],
  ['truncated weights', 'SAFETENSORS_TRUNCATED', () => withWeightsCutAt(100_000)],
  ['weights cut inside their header', 'SAFETENSORS_TRUNCATED', () => withWeightsCutAt(100)],
  ['a header that points outside the file', 'SAFETENSORS_(TRUNCATED|MALFORMED)', withHeaderThatPointsOutside],
  ['a shape mismatch', 'TENSOR_SHAPE', () => withConfig({ intermediate_size: 96 })],
  ['a missing tensor', 'TENSOR_MISSING', () => withConfig({ num_hidden_layers: 4 })],
  ['a malformed tokenizer', 'TOKENIZER_INVALID', () => withFile('tokenizer.json', '{"model":')],
];

const many = Array.from({ length: 256 }, () => '5').join(',');

/** Command lines for the fixture, which has no tokenizer. */
const requests: readonly [what: string, code: string, argv: readonly string[]][] = [
  ['a token outside the vocabulary', 'TOKEN_OUT_OF_VOCABULARY', ['generate', '--ids', '5,192']],
  ['a negative token', 'TOKEN_OUT_OF_VOCABULARY', ['score', '--ids', '-1']],
  ['an empty prompt', 'EMPTY_PROMPT', ['generate', '--ids', '']],
  ['nothing to score', 'EMPTY_PROMPT', ['score', '--ids', '']],
  ['text without a tokenizer', 'TOKENIZER_MISSING', ['generate', '--prompt', 'hello']],
  ['a prompt over the context', 'PROMPT_OVER_CONTEXT', ['generate', '--ids', many]],
  ['a prompt over the pool', 'PROMPT_OVER_POOL', ['generate', '--pages', '3', '--ids', many.slice(0, 399)]],
  ['a pool over the memory', 'POOL_NOT_ALLOCATED', ['generate', '--pages', '100000000', '--ids', '5']],
  ['no tokens to generate', 'INVALID_OPTION', ['generate', '--ids', '5', '--max-tokens', '0']],
  ['a negative pool', 'INVALID_OPTION', ['generate', '--ids', '5', '--pages', '-1']],
  ['an unknown option', 'UNKNOWN_OPTION', ['generate', '--ids', '5', '--fast']],
];

describe('an executable that is not built', () => {
  it('says how to build it', () => {
    const folder = join(scratch, 'bin');
    mkdirSync(folder);
    copyFileSync(join(repository, 'packages/octavo/bin/octavo.js'), join(folder, 'octavo.mjs'));
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'octavo.mjs'), 'demo'], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^octavo: NOT_BUILT: [^\n]+pnpm@12 build[^\n]+\.\n$/);
  });
});

async function expectRefusal(argv: readonly string[], code: string): Promise<void> {
  const { status, stdout, stderr } = await octavo(argv);
  expect(stderr).toMatch(new RegExp(`^octavo: ${code}: [^\n]+[.!?]\n$`));
  expect(stderr).not.toMatch(/\n\s+at /);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
}

describe('a model folder', () => {
  it.each(models)('with %s is refused with %s', async (_, code, folder) => {
    await expectRefusal(['generate', '--model', folder(), '--ids', '5,6,7'], code);
  });
});

describe('a command line', () => {
  it.each(requests)('with %s is refused with %s', async (_, code, argv) => {
    await expectRefusal([...argv, '--model', llama], code);
  });

  it('with an unknown command is refused with UNKNOWN_COMMAND', async () => {
    await expectRefusal(['serve'], 'UNKNOWN_COMMAND');
  });

  it('with an empty text for a model with a tokenizer is refused with EMPTY_PROMPT', async () => {
    await expectRefusal(['generate', '--prompt', ''], 'EMPTY_PROMPT');
  });
});
