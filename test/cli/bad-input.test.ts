import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
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

const ids = ['--ids', '5,6,7'];
const many = Array.from({ length: 256 }, () => '5').join(',');

const cases: readonly [what: string, code: string, argv: () => readonly string[]][] = [
  ['a missing folder', 'MODEL_FOLDER_MISSING', () => ['generate', '--model', join(scratch, 'none'), ...ids]],
  ['a file as folder', 'MODEL_FOLDER_MISSING', () => ['generate', '--model', join(llama, 'config.json'), ...ids]],
  [
    'an empty folder',
    'CONFIG_MISSING',
    () => {
      const folder = join(scratch, 'empty');
      mkdirSync(folder);
      return ['generate', '--model', folder, ...ids];
    },
  ],
  [
    'a malformed config.json',
    'CONFIG_MALFORMED',
    () => [
      'generate',
      '--model',
      brokenModel((folder) => writeFileSync(join(folder, 'config.json'), '{"hidden_size": ')),
      ...ids,
    ],
  ],
  [
    'an impossible value in config.json',
    'CONFIG_INVALID',
    () => ['generate', '--model', withConfig({ hidden_size: -64 }), ...ids],
  ],
  [
    'an unknown architecture',
    'ARCHITECTURE_UNKNOWN',
    () => ['score', '--model', withConfig({ architectures: ['SomethingElse'], model_type: 'something' }), ...ids],
  ],
  [
    'truncated weights',
    'SAFETENSORS_TRUNCATED',
    () => [
      'generate',
      '--model',
      brokenModel((folder) => truncateSync(join(folder, 'model.safetensors'), 100_000)),
      ...ids,
    ],
  ],
  [
    'weights cut inside their header',
    'SAFETENSORS_TRUNCATED',
    () => [
      'generate',
      '--model',
      brokenModel((folder) => truncateSync(join(folder, 'model.safetensors'), 100)),
      ...ids,
    ],
  ],
  [
    'a header that points outside the file',
    'SAFETENSORS_(TRUNCATED|MALFORMED)',
    () => ['generate', '--model', withHeaderThatPointsOutside(), ...ids],
  ],
  ['a shape mismatch', 'TENSOR_SHAPE', () => ['generate', '--model', withConfig({ intermediate_size: 96 }), ...ids]],
  ['a missing tensor', 'TENSOR_MISSING', () => ['generate', '--model', withConfig({ num_hidden_layers: 4 }), ...ids]],
  [
    'a cache folder that cannot be made',
    'CACHE_UNWRITABLE',
    () => ['generate', '--model', llama, '--cache-folder', join(llama, 'config.json', 'cache'), ...ids],
  ],
  ['a token outside the vocabulary', 'TOKEN_OUT_OF_VOCABULARY', () => ['generate', '--model', llama, '--ids', '5,192']],
  ['a negative token', 'TOKEN_OUT_OF_VOCABULARY', () => ['score', '--model', llama, '--ids', '-1']],
  ['an empty prompt of ids', 'EMPTY_PROMPT', () => ['generate', '--model', llama, '--ids', '']],
  ['an empty prompt of text', 'EMPTY_PROMPT', () => ['generate', '--prompt', '']],
  ['nothing to score', 'EMPTY_PROMPT', () => ['score', '--text', '']],
  ['text without a tokenizer', 'TOKENIZER_MISSING', () => ['generate', '--model', llama, '--prompt', 'hello']],
  ['a prompt over the context', 'PROMPT_OVER_CONTEXT', () => ['generate', '--model', llama, '--ids', many]],
  [
    'a prompt over the pool',
    'PROMPT_OVER_POOL',
    () => ['generate', '--model', llama, '--pages', '3', '--ids', many.slice(0, 399)],
  ],
  [
    'a pool over the memory',
    'POOL_NOT_ALLOCATED',
    () => ['generate', '--model', llama, '--pages', '100000000', ...ids],
  ],
  ['no tokens to generate', 'INVALID_OPTION', () => ['generate', '--model', llama, ...ids, '--max-tokens', '0']],
  ['a negative temperature', 'INVALID_OPTION', () => ['generate', '--model', llama, ...ids, '--temperature', '-0.5']],
  ['a negative pool', 'INVALID_OPTION', () => ['generate', '--model', llama, ...ids, '--pages', '-1']],
  ['unknown weights', 'INVALID_OPTION', () => ['generate', '--model', llama, ...ids, '--weights', 'f16']],
  ['an unknown option', 'UNKNOWN_OPTION', () => ['generate', '--model', llama, ...ids, '--fast']],
  ['an unknown command', 'UNKNOWN_COMMAND', () => ['serve']],
  [
    'a missing request file',
    'MISSING_FILE',
    () => ['batch', join(scratch, 'none.jsonl'), '--out', join(scratch, 'out.jsonl')],
  ],
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

describe('bad input', () => {
  it.each(cases)('%s is refused with %s', async (_, code, argv) => {
    const { status, stdout, stderr } = await octavo(argv());
    expect(stderr).toMatch(new RegExp(`^octavo: ${code}: [^\n]+[.!?]\n$`));
    expect(stderr).not.toMatch(/\n\s+at /);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});
