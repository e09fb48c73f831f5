import type { DecoderDescription } from '../blocks/description.ts';
import type { ConfigReader } from '../config/config-reader.ts';

/** How the models of one architecture are laid out. */
export interface Architecture {
  /** As in `architectures` of config.json. */
  readonly name: string;
  /** As in `model_type` of config.json, which counts where `architectures` is missing. */
  readonly modelType: string;
  /** Pure. Throws GraphError when the config is wrong or asks for what is not supported. */
  describe(config: ConfigReader): DecoderDescription;
}
