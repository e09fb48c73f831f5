/** The engine of a command: opened, used and closed in one place. */
import type { Engine, EngineOptions } from '@octavo/engine';
import type { CommandContext } from './context.ts';
import { findModel, type ModelFlags, sourceOf } from './model.ts';

/** A model, how to run it, and who reads what the command prints. */
export interface EngineCall {
  readonly model: ModelFlags;
  readonly options: EngineOptions;
  readonly reader: 'person' | 'program';
}

/**
 * Finds a model, opens it, hands it to `work` and closes it, whatever happens in between: at return the worker is gone.
 * An interruption while files are fetched takes effect at once, one while the model loads when it is open.
 */
export async function withEngine<Value>(
  context: CommandContext,
  { model, options, reader }: EngineCall,
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> {
  const { signal } = context.interrupt;
  signal.throwIfAborted();
  const found = await findModel(model, context, { reader });
  const engine = await context.openEngine(sourceOf(found), options);
  try {
    for (const notice of engine.info.notices) context.stderr.write(`Note: ${notice}\n`);
    signal.throwIfAborted();
    return await work(engine);
  } finally {
    await engine.close();
  }
}
