/** Everything a command touches outside itself; made once from the process, or from plain objects in tests. */
import type { Readable } from 'node:stream';
import type { Engine, EngineOptions } from '@octavo/engine';
import type { ModelSource } from '@octavo/graph';
import type { ResolvedModel, ResolveOptions } from '@octavo/models';
import type { Interrupt } from './interrupt.ts';
import type { Environment, Output, OutputStream } from './output.ts';

export type OpenEngine = (model: ModelSource, options?: EngineOptions) => Promise<Engine>;
export type ResolveModel = (model: string, options?: ResolveOptions) => Promise<ResolvedModel>;
export type InputStream = Readable & { readonly isTTY?: boolean };

export interface CommandContext {
  readonly env: Environment;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly output: Output;
  readonly interrupt: Interrupt;
  readonly openEngine: OpenEngine;
  readonly resolveModel: ResolveModel;
}
