/** The forms of one random model: a Hugging Face folder, and of each width of weights a GGUF file and a folder with the stock ONNX interface. */
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportContiguous } from '@octavo/graph';
import { benchCache, benchFolder, benchModel, type ShapeName } from '../engine/workload.ts';
import { writeGguf } from './gguf-writer.ts';
import { type PeerModels, type WeightBits, weightFormats } from './peer.ts';
import { stockFiles } from './transformers-peer.ts';

/** Raise it when what is written below changes. */
const FORM_VERSION = 2;

/** Effect: makes what is missing; some 30 s for the 135m shape. */
export async function peerModels(shape: ShapeName): Promise<PeerModels> {
  const folder = await benchModel(shape);
  return {
    folder,
    gguf: { 4: await ggufFile(shape, folder, 4), 8: await ggufFile(shape, folder, 8) },
    stock: { 4: await stockFolder(shape, folder, 4), 8: await stockFolder(shape, folder, 8) },
    cacheFolder: benchCache(),
  };
}

async function ggufFile(shape: ShapeName, folder: string, bits: WeightBits): Promise<string> {
  const format = weightFormats['node-llama-cpp'][bits];
  const file = join(benchFolder(), `llama-${shape}-${format}-v${FORM_VERSION}.gguf`);
  if (!(await exists(file))) await writeGguf(folder, file, format);
  return file;
}

/** A folder for each width: a graph's weights lie beside it under one name. */
async function stockFolder(shape: ShapeName, folder: string, bits: WeightBits): Promise<string> {
  const weights = weightFormats['transformers.js'][bits];
  const target = join(benchFolder(), `stock-${shape}-${weights}-v${FORM_VERSION}`);
  if (await exists(target)) return target;
  const partial = `${target}.part`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  await copyFile(join(folder, 'config.json'), join(partial, 'config.json'));
  await writeFile(join(partial, 'generation_config.json'), '{}\n');
  const { name } = stockFiles[bits];
  await exportContiguous(folder, { to: join(partial, 'onnx'), name, weights, attention: 'fused' });
  await rename(partial, target);
  return target;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
