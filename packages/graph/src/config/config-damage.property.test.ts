/** config.json damaged at byte level and lied in field by field, for every architecture that has a fixture. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileModel } from '../compile-model.ts';
import { damaged, largestAllocation } from '../damage.testing.ts';
import { GraphError } from '../errors.ts';
import { writeModel } from '../model-folder.testing.ts';
import { readModelShape } from './model-folder.ts';

/** Of 10,000 damaged files in all, with those of weights/. */
const SCALE = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 1_000) / 1_000;
const READ_RUNS = 2_000 * SCALE;
const COMPILE_RUNS = 500 * SCALE;

/** What is written at once while tables are computed, and some room: what a config may cost whatever it says. */
const CONSTANT_BYTES = 1 << 21;

const fixtures = join(import.meta.dirname, '..', '..', '..', '..', 'test', 'fixtures');
const configs: { readonly name: string; readonly text: string }[] = [];
for (const name of readdirSync(fixtures)) {
  const folder = join(fixtures, name);
  if (!existsSync(join(folder, 'model.safetensors'))) continue;
  // Some fixtures are of architectures that are known from their ONNX export alone.
  if (!(await readModelShape(folder).catch(() => undefined))) continue;
  configs.push({ name, text: readFileSync(join(folder, 'config.json'), 'utf8') });
}

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'octavo-config-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** Typed, with the file that it is about and what to do. */
function expectTyped(error: unknown): GraphError {
  if (!(error instanceof GraphError)) throw error;
  expect(error.code).toMatch(/^(CONFIG|ROPE|ACTIVATION|ARCHITECTURE|QUANTIZATION|TENSOR|OPTION)_/);
  expect(error.message).toMatch(/config\.json/);
  expect(error.message).toMatch(/[:;] (correct|fetch|repair|use|take|give) |or fetch it again|fetch it again/);
  return error;
}

describe('config.json', () => {
  it(`damaged ${READ_RUNS} times gives a shape or a typed error, and asks for no memory`, async () => {
    expect(configs.map(({ name }) => name)).toContain('llama');
    const outcomes = { read: 0, refused: 0 };
    const folder = join(scratch, 'read');
    mkdirSync(folder);
    const any = fc.oneof(...configs.map(({ text }) => damaged(Buffer.from(text))));
    await fc.assert(
      fc.asyncProperty(any, async (bytes) => {
        writeFileSync(join(folder, 'config.json'), bytes);
        const largest = await largestAllocation(async () => {
          try {
            const shape = await readModelShape(folder);
            for (const count of [
              shape.layers,
              shape.heads,
              shape.kvHeads,
              shape.headDim,
              shape.hidden,
              shape.vocabulary,
            ])
              expect(count).toBeGreaterThan(0);
            outcomes.read += 1;
          } catch (error) {
            expectTyped(error);
            outcomes.refused += 1;
          }
        });
        expect(largest).toBeLessThan(CONSTANT_BYTES);
      }),
      { numRuns: READ_RUNS },
    );
    expect(outcomes.read).toBeGreaterThan(READ_RUNS / 100);
    expect(outcomes.refused).toBeGreaterThan(READ_RUNS / 4);
  });

  it(`damaged ${COMPILE_RUNS} times beside sound weights gives a graph or a typed error`, async () => {
    const model = writeModel(join(scratch, 'model'));
    const sound = readFileSync(join(model.folder, 'config.json'));
    const weightBytes = readFileSync(join(model.folder, 'model.safetensors')).length;
    const cacheFolder = join(scratch, 'cache');
    const outcomes = { compiled: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(damaged(sound), async (bytes) => {
        writeFileSync(join(model.folder, 'config.json'), bytes);
        const largest = await largestAllocation(async () => {
          try {
            await compileModel(model.folder, { levels: 1, weights: 'q8', cacheFolder });
            outcomes.compiled += 1;
          } catch (error) {
            expectTyped(error);
            outcomes.refused += 1;
          }
        });
        expect(largest).toBeLessThan(CONSTANT_BYTES + 4 * weightBytes);
        rmSync(cacheFolder, { recursive: true, force: true });
      }),
      { numRuns: COMPILE_RUNS },
    );
    expect(outcomes.compiled).toBeGreaterThan(COMPILE_RUNS / 100);
    expect(outcomes.refused).toBeGreaterThan(COMPILE_RUNS / 4);
  });

  it('nested deeper than any config is refused by name', async () => {
    const folder = join(scratch, 'deep');
    mkdirSync(folder);
    const { text } = configs[0] as { text: string };
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    writeFileSync(join(folder, 'config.json'), text.replace('{', `{"deep":${deep},`));
    await expect(readModelShape(folder)).rejects.toMatchObject({ code: 'CONFIG_MALFORMED' });
  });

  it('that leads in a circle is refused by name', async () => {
    const folder = join(scratch, 'circle');
    mkdirSync(folder);
    const { symlinkSync } = await import('node:fs');
    symlinkSync('config.json', join(folder, 'config.json'));
    await expect(readModelShape(folder)).rejects.toMatchObject({
      name: 'GraphError',
      code: 'CONFIG_MALFORMED',
      message: expect.stringContaining('config.json'),
    });
  });
});

/** Fields whose lies must be found out from the config alone; those of one architecture only are in it or not. */
const counts = [
  'num_hidden_layers',
  'num_attention_heads',
  'hidden_size',
  'vocab_size',
  'intermediate_size',
  'num_layers',
  'num_heads',
  'n_layer',
  'n_head',
  'n_embd',
];
const lies: readonly unknown[] = [-1, 0, 1.5, 1e15, 2 ** 53, '24', true, [], {}];

describe.each(configs)('the config of $name', ({ name, text }) => {
  const fields = JSON.parse(text) as Record<string, unknown>;
  const cases = counts
    .filter((field) => Object.hasOwn(fields, field))
    .flatMap((field) => lies.map((lie) => [field, lie] as const));

  it.each(cases)('with a %s of %j is refused, and the field is named', async (field, lie) => {
    const folder = mkdtempSync(join(scratch, 'lie-'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...fields, [field]: lie }));
    const error = await readModelShape(folder).then(() => undefined, expectTyped);
    expect(error?.message).toContain(field);
  });

  it('with ten million layers is refused before anything is made of them', async () => {
    const field = counts.find((each) => /layer/.test(each) && Object.hasOwn(fields, each)) as string;
    const folder = mkdtempSync(join(scratch, 'layers-'));
    cpSync(join(fixtures, name), folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...fields, [field]: 10_000_000 }));
    const began = performance.now();
    await expect(compileModel(folder, { levels: 1, cacheFolder: join(scratch, 'cache') })).rejects.toMatchObject({
      name: 'GraphError',
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(field),
    });
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('without one of its counts is refused, and the field is named, or has a default', async () => {
    const present = counts.filter((field) => Object.hasOwn(fields, field));
    expect(present.length).toBeGreaterThan(2);
    let refused = 0;
    for (const field of present) {
      const folder = mkdtempSync(join(scratch, 'missing-'));
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...fields, [field]: undefined }));
      const error = await readModelShape(folder).then(() => undefined, expectTyped);
      if (error === undefined) continue;
      expect(error.message).toContain(field);
      refused += 1;
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('of an unknown architecture is refused by its name', async () => {
    const folder = mkdtempSync(join(scratch, 'unknown-'));
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({ ...fields, architectures: ['AbacusForCausalLM'], model_type: 'abacus' }),
    );
    await expect(readModelShape(folder)).rejects.toMatchObject({
      code: 'ARCHITECTURE_UNKNOWN',
      message: expect.stringContaining('AbacusForCausalLM'),
    });
  });
});
