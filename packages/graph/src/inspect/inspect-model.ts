/** A look at a model: its configuration and the headers of its files, nothing else. */
import { resolve } from 'node:path';
import type { ModelSource } from '../model-source.ts';
import { inspectFolder } from './inspect-folder.ts';
import type { ModelInspection } from './model-inspection.ts';

/**
 * What a model is and what keeps it from being run: all reasons, not the first one. Reads the configuration and the headers of the
 * weights (of an ONNX file all of it, but no data beside it), and compiles nothing. Never throws for a fault of the model.
 */
export async function inspectModel({ folder, onnxFile }: ModelSource): Promise<ModelInspection> {
  const sourceFolder = resolve(folder);
  if (onnxFile === undefined) return inspectFolder(sourceFolder);
  // Not at the head of the file: it loads the importer and the library that reads ONNX, which a start from a folder never needs.
  const { inspectOnnx } = await import('./inspect-onnx.ts');
  return inspectOnnx({ folder: sourceFolder, onnxFile: resolve(onnxFile) });
}
