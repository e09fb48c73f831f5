/** Exports written into folders of their own, sound or changed, and what comes of compiling them. Used by tests. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, expect } from 'vitest';
import { compileModel } from '../compile-model.ts';
import type { CompiledModel, CompileOptions } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import * as attentionNode from './attention-node-styles.testing.ts';
import { type StyleOptions, small, writeStyle } from './export-styles.testing.ts';

export let scratch: string;
beforeAll(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'octavo-refusals-')));
});
afterAll(() => rmSync(scratch, { recursive: true }));

export const config = { model_type: 'test', max_position_embeddings: small.context, num_attention_heads: small.heads };
let count = 0;

export interface Written {
  readonly folder: string;
  readonly onnxFile: string;
}

export function write(
  bytes: Uint8Array,
  data: Readonly<Record<string, Uint8Array>> = {},
  json: object = config,
): Written {
  count += 1;
  const folder = join(scratch, `model-${count}`);
  const onnxFile = join(folder, 'onnx/model.onnx');
  mkdirSync(dirname(onnxFile), { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(json));
  writeFileSync(onnxFile, bytes);
  for (const [name, part] of Object.entries(data)) writeFileSync(join(dirname(onnxFile), name), part);
  return { folder, onnxFile };
}

export function compile(source: Written, options: Partial<CompileOptions> = {}): Promise<CompiledModel> {
  return compileModel(source, { levels: 3, cacheFolder: join(scratch, 'cache'), ...options });
}

export async function errorOf(promise: Promise<unknown>): Promise<GraphError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GraphError);
  return error as GraphError;
}

export const plain: StyleOptions = { attention: attentionNode.grouped() };

export function graphOf(model: ModelProto): GraphProto {
  if (model.graph === undefined) throw new Error('the export has no graph');
  return model.graph;
}

/** A sound export after somebody changed it. */
export function changed(change: (model: ModelProto) => void, options: StyleOptions = plain): Uint8Array {
  const model = fromBinary(ModelProtoSchema, writeStyle(options).bytes);
  change(model);
  return toBinary(ModelProtoSchema, model);
}
