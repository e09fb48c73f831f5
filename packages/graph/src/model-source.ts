/** Which files a model is made of, once somebody has found them. */
export interface ModelSource {
  /** Where config.json (or genai_config.json), the tokenizer's files and generation_config.json are. */
  readonly folder: string;
  /** The ONNX export to take the graph and the weights from; without it, the folder's safetensors are compiled. */
  readonly onnxFile?: string;
}
