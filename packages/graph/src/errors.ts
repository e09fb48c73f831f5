/** Everything that can be wrong with a model folder or with the options of a compilation. */
export type GraphErrorCode =
  /** The model folder does not exist or is not a folder. */
  | 'MODEL_FOLDER_MISSING'
  /** The folder has no config.json. */
  | 'CONFIG_MISSING'
  /** A JSON file of the folder cannot be read as JSON. */
  | 'CONFIG_MALFORMED'
  /** A field of config.json is missing, of the wrong type, out of range, or contradicts another one. */
  | 'CONFIG_INVALID'
  /** No description of the model's architecture exists. */
  | 'ARCHITECTURE_UNKNOWN'
  /** The rotary embedding is of a type that is not supported. */
  | 'ROPE_UNSUPPORTED'
  /** The activation function is not supported. */
  | 'ACTIVATION_UNSUPPORTED'
  /** The checkpoint was quantised by another tool. */
  | 'QUANTIZATION_UNSUPPORTED'
  /** The folder has no safetensors file, or the index names one that is not there. */
  | 'WEIGHTS_MISSING'
  /** model.safetensors.index.json does not hold what it should. */
  | 'WEIGHTS_INDEX_MALFORMED'
  /** A safetensors file ends before its header or its tensors do. */
  | 'SAFETENSORS_TRUNCATED'
  /** The header of a safetensors file lies or cannot be read. */
  | 'SAFETENSORS_MALFORMED'
  /** The model needs a tensor that no file has. */
  | 'TENSOR_MISSING'
  /** A tensor's shape is not what config.json asks for. */
  | 'TENSOR_SHAPE'
  /** A tensor's element type cannot be used as a weight. */
  | 'TENSOR_DTYPE'
  /** A tensor that should be quantised holds an infinity or NaN. */
  | 'TENSOR_NOT_FINITE'
  /** A file changed or vanished while it was read. */
  | 'WEIGHTS_CHANGED'
  /** The ONNX file does not exist or cannot be read. */
  | 'ONNX_MISSING'
  /** The ONNX file cannot be read as a model, or contradicts itself. */
  | 'ONNX_MALFORMED'
  /** A file with the weights of an ONNX file is missing or too short. */
  | 'ONNX_DATA_MISSING'
  /** An ONNX file keeps weights outside its model's folder. */
  | 'ONNX_DATA_OUTSIDE'
  /** The ONNX file has not the inputs and outputs of a language model with a past. */
  | 'ONNX_INTERFACE'
  /** The ONNX file has a node that cannot be run over pages. */
  | 'ONNX_UNSUPPORTED'
  /** An option of the compilation is out of range. */
  | 'OPTION_INVALID'
  /** The folder for compiled graphs cannot be written. */
  | 'CACHE_UNWRITABLE';

/** Where the fault lies, for programs; the message says it for people. */
export interface GraphErrorDetails {
  readonly file?: string;
  readonly tensor?: string;
  /** Name of the ONNX node, or its operator and output where it has none. */
  readonly node?: string;
  readonly cause?: unknown;
}

/** A model folder or an option that cannot be compiled. The message is one sentence that says what to do. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly code: GraphErrorCode;
  readonly file: string | undefined;
  readonly tensor: string | undefined;
  readonly node: string | undefined;

  constructor(code: GraphErrorCode, message: string, details: GraphErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.file = details.file;
    this.tensor = details.tensor;
    this.node = details.node;
  }
}
