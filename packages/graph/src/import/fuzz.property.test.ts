/** Bytes of exports changed at random: a typed error or a sound import, never a crash, and no more memory than the file is worth. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema, type NodeProto } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphError } from '../errors.ts';
import * as attentionNode from './attention-node-styles.testing.ts';
import * as attention from './attention-styles.testing.ts';
import { small, writeStyle } from './export-styles.testing.ts';
import { SourceFiles } from './external-data.ts';
import { importGraph } from './import-graph.ts';
import { readInterface, usualNames } from './interface.ts';
import { readOnnx } from './read-onnx.ts';

const RUNS = Number(process.env.OCTAVO_FUZZ_RUNS ?? 10_000);
/** A whole import takes far longer than reading. */
const IMPORTS = Math.ceil(RUNS / 80);
/** On a busy machine, with larger runs. */
const TIMEOUT_MS = 20 * 60_000;
const MEMORY_BYTES = 1 << 28;

// Weights outside, so that what is changed is the graph.
const styles = [attentionNode.grouped(), attention.eager, attention.scaledDotProduct].map((style) =>
  writeStyle({ attention: style, external: 'weights.data' }),
);

let folders: string;
beforeAll(() => {
  folders = mkdtempSync(join(tmpdir(), 'octavo-fuzz-'));
  for (const [style, { data }] of styles.entries()) {
    mkdirSync(join(folders, `${style}/onnx`), { recursive: true });
    writeFileSync(join(folders, `${style}/onnx/weights.data`), data?.bytes ?? new Uint8Array());
  }
});
afterAll(() => rmSync(folders, { recursive: true }));

interface Change {
  readonly at: number;
  readonly byte: number;
}

const changes = fc.record({
  style: fc.integer({ min: 0, max: styles.length - 1 }),
  bytes: fc.array(
    fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.integer({ min: 0, max: 255 }) }),
    { minLength: 1, maxLength: 6 },
  ),
  keep: fc.oneof(
    { weight: 4, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  ),
});

function changed(bytes: Uint8Array, list: readonly Change[], keep: number): Uint8Array {
  const copy = bytes.slice(0, Math.ceil(bytes.length * keep));
  for (const { at, byte } of list) copy[Math.min(copy.length - 1, Math.floor(at * copy.length))] = byte;
  return copy;
}

/** What is changed and how is the arbitrary's business; each case is bytes of a style. */
interface Case {
  readonly style: number;
  readonly bytes: Uint8Array;
}

/** 'sound', or the code of a typed error; anything else is thrown. */
async function attempt({ style, bytes }: Case, depth: 'read' | 'import'): Promise<string> {
  const folder = join(folders, String(style));
  const onnxFile = join(folder, 'onnx/model.onnx');
  writeFileSync(onnxFile, bytes);
  const files = new SourceFiles(folder, onnxFile);
  try {
    const graph = await readOnnx(onnxFile, files);
    const names = readInterface(graph, usualNames);
    if (depth === 'import')
      importGraph(graph, names, { levels: 3, kvType: 'f32', deterministic: false, contextTokens: small.context });
    return 'sound';
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    if (!error.message.includes('model.onnx')) throw error;
    return error.code;
  } finally {
    await files.close();
  }
}

async function runAll(cases: fc.Arbitrary<Case>, depth: 'read' | 'import'): Promise<string[]> {
  const outcomes: string[] = [];
  const runs = depth === 'read' ? RUNS : IMPORTS;
  await fc.assert(
    fc.asyncProperty(cases, async (changedExport) => {
      const before = process.memoryUsage.rss();
      outcomes.push(await attempt(changedExport, depth));
      expect(process.memoryUsage.rss() - before).toBeLessThan(MEMORY_BYTES);
    }),
    { numRuns: runs },
  );
  expect(outcomes).toHaveLength(runs);
  return [...new Set(outcomes)];
}

const anyBytes: fc.Arbitrary<Case> = changes.map(({ style, bytes, keep }) => ({
  style,
  bytes: changed((styles[style] as (typeof styles)[number]).bytes, bytes, keep),
}));

const operators = [
  'Add',
  'MatMul',
  'Softmax',
  'Transpose',
  'Reshape',
  'Gather',
  'Concat',
  'Where',
  'Slice',
  'Range',
  'Expand',
  'Unknown',
];

/** A node is given another operator, another input or another number, so that the file is still a graph. */
const anyNodes: fc.Arbitrary<Case> = fc
  .record({
    style: fc.integer({ min: 0, max: styles.length - 1 }),
    edits: fc.array(
      fc.record({
        node: fc.nat(),
        kind: fc.constantFrom('operator', 'input', 'number', 'constant'),
        choice: fc.nat(),
        number: fc.oneof(fc.integer({ min: -4, max: 40 }), fc.constantFrom(2 ** 31, -(2 ** 40), 2 ** 60)),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ style, edits }) => {
    const model = fromBinary(ModelProtoSchema, (styles[style] as (typeof styles)[number]).bytes);
    const nodes = model.graph?.node ?? [];
    const names = nodes.flatMap(({ output }) => output);
    for (const { node: at, kind, choice, number } of edits) {
      const node = nodes[at % nodes.length] as NodeProto;
      const attribute = node.attribute[choice % Math.max(1, node.attribute.length)];
      if (kind === 'operator') node.opType = operators[choice % operators.length] as string;
      else if (kind === 'input' && node.input.length > 0)
        node.input[choice % node.input.length] = names[number < 0 ? 0 : number % names.length] as string;
      else if (kind === 'number' && attribute) attribute.i = BigInt(number);
      else if (attribute?.t && attribute.t.dataType === 7) {
        attribute.t.rawData = new Uint8Array(
          BigInt64Array.from(
            attribute.t.dims.length === 0 ? [number] : Array(Number(attribute.t.dims[0])).fill(number),
            BigInt,
          ).buffer,
        );
      }
    }
    return { style, bytes: toBinary(ModelProtoSchema, model) };
  });

describe('an export', () => {
  it(
    'with bytes changed at random is read, or refused with a typed error that names it',
    async () => {
      expect(await runAll(anyBytes, 'read')).toEqual(expect.arrayContaining(['sound', 'ONNX_MALFORMED']));
    },
    TIMEOUT_MS,
  );

  it(
    'with nodes changed at random is imported, or refused with a typed error that names it',
    async () => {
      const outcomes = await runAll(anyNodes, 'import');
      expect(outcomes).toEqual(expect.arrayContaining(['sound', 'ONNX_MALFORMED', 'ONNX_UNSUPPORTED']));
    },
    TIMEOUT_MS,
  );
});
