import { type Engine, type EngineOptions, openEngine } from 'octavo';

/** An engine that is opened when it is asked for, if ever. */
export class LazyEngine {
  readonly #model: string;
  readonly #options: EngineOptions;
  #opening: Promise<Engine> | undefined;

  constructor(model: string, options: EngineOptions) {
    this.#model = model;
    this.#options = options;
  }

  readonly open = (): Promise<Engine> => {
    this.#opening ??= openEngine(this.#model, this.#options);
    return this.#opening;
  };

  async close(): Promise<void> {
    await (await this.#opening)?.close();
  }
}
