import type { CompiledModel, CompileOptions } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import type { ModelSource } from '../model-source.ts';

/** Compiles an ONNX export. */
export async function compileOnnx(source: Required<ModelSource>, options: CompileOptions): Promise<CompiledModel> {
  const message = `${source.onnxFile} is an ONNX export, which cannot be compiled for ${options.levels} levels yet: give a folder with safetensors`;
  throw new GraphError('ONNX_UNSUPPORTED', message, { file: source.onnxFile });
}
