/** Everything a command touches outside itself; made once from the process, or from plain objects in tests. */
import type { Readable } from 'node:stream';
import type { Engine, EngineOptions } from '@octavo/engine';
import type { Interrupt } from './interrupt.ts';
import type { Environment, Output, OutputStream } from './output.ts';

export type OpenEngine = (model: string, options?: EngineOptions) => Promise<Engine>;
export type InputStream = Readable & { readonly isTTY?: boolean };

export interface CommandContext {
  readonly env: Environment;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly output: Output;
  readonly interrupt: Interrupt;
  readonly openEngine: OpenEngine;
}

/**
 * Opens a model, hands it to `work` and closes it, whatever happens in between: at return the worker is gone.
 * An interruption while the model loads takes effect when it is open.
 */
export async function withEngine<Value>(
  context: CommandContext,
  model: { readonly folder: string; readonly options: EngineOptions },
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> {
  const { signal } = context.interrupt;
  signal.throwIfAborted();
  const engine = await context.openEngine(model.folder, model.options);
  try {
    signal.throwIfAborted();
    return await work(engine);
  } finally {
    await engine.close();
  }
}
