/** The three forms of one random model: a Hugging Face folder, a GGUF file, and a folder with the stock ONNX interface. */
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportContiguous } from '@octavo/graph';
import { benchCache, benchFolder, benchModel, type ShapeName } from '../engine/workload.ts';
import { writeGguf } from './gguf-writer.ts';
import type { PeerModels } from './peer.ts';

/** Raise it when what is written below changes. */
const FORM_VERSION = 1;

/** Effect: makes what is missing; some 15 s for the 135m shape. */
export async function peerModels(shape: ShapeName): Promise<PeerModels> {
  const folder = await benchModel(shape);
  const gguf = join(benchFolder(), `llama-${shape}-v${FORM_VERSION}.gguf`);
  if (!(await exists(gguf))) await writeGguf(folder, gguf);
  const stock = join(benchFolder(), `stock-${shape}-v${FORM_VERSION}`);
  if (!(await exists(stock))) await writeStock(folder, stock);
  return { folder, gguf, stock, cacheFolder: benchCache() };
}

/** As transformers.js looks for it: config.json, and onnx/model_q4.onnx. */
async function writeStock(folder: string, target: string): Promise<void> {
  const partial = `${target}.part`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  await copyFile(join(folder, 'config.json'), join(partial, 'config.json'));
  await writeFile(join(partial, 'generation_config.json'), '{}\n');
  await exportContiguous(folder, {
    to: join(partial, 'onnx'),
    name: 'model_q4.onnx',
    weights: 'q4',
    attention: 'fused',
  });
  await rename(partial, target);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
