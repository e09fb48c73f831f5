import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';

/** What a figure was measured on; printed with every result. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly onnxruntime: string;
  readonly octavo: string;
}

/** Effect: reads the versions of the installed packages. */
export function describeMachine(): Machine {
  const octavo = createRequire(import.meta.url).resolve('octavo/package.json');
  const engine = createRequire(octavo).resolve('@octavo/engine/package.json');
  const runtime = createRequire(engine).resolve('onnxruntime-node/package.json');
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    onnxruntime: versionIn(runtime),
    octavo: versionIn(octavo),
  };
}

function versionIn(manifest: string): string {
  return String((JSON.parse(readFileSync(manifest, 'utf8')) as { version: unknown }).version);
}
