/** What a start loads: built files, followed through their static imports. A file costs about a millisecond, some libraries a tenth of a second. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const packages = fileURLToPath(new URL('../../packages', import.meta.url));

/** Our files and the libraries that are loaded as soon as `file` is. */
function loadedBy(file: string): { files: Set<string>; libraries: Set<string> } {
  const files = new Set([join(packages, file)]);
  const libraries = new Set<string>();
  for (const path of files) {
    for (const [, specifier] of readFileSync(path, 'utf8').matchAll(
      /^(?:import|export)\b[^"'\n]*["']([^"'\n]+)["'];?$/gm,
    )) {
      if (specifier === undefined) continue;
      const own = /^@octavo\/(\w+)$/.exec(specifier)?.[1];
      if (specifier.startsWith('.')) files.add(join(dirname(path), specifier));
      else if (own !== undefined) files.add(join(packages, own, 'dist/index.js'));
      else if (!specifier.startsWith('node:')) libraries.add(specifier);
    }
  }
  return { files, libraries };
}

beforeAll(() => {
  if (!existsSync(join(packages, 'octavo/dist/index.js'))) throw new Error('build first: npx pnpm@12 build');
});

describe('a start', () => {
  it('loads the library from few files, and neither the runtime nor what only compiling and fetching need', () => {
    const { files, libraries } = loadedBy('octavo/dist/index.js');
    expect(files.size).toBeGreaterThan(6);
    expect(files.size).toBeLessThan(24);
    expect(libraries).toContain('@huggingface/tokenizers');
    for (const late of ['onnxruntime-node', '@huggingface/hub', 'onnx-buf', '@bufbuild/protobuf'])
      expect(libraries).not.toContain(late);
  });

  it('loads the worker from few files, with the runtime', () => {
    const { files, libraries } = loadedBy('engine/dist/worker-entry.js');
    expect(files.size).toBeGreaterThan(6);
    expect(files.size).toBeLessThan(24);
    expect(libraries).toContain('onnxruntime-node');
    for (const late of ['@huggingface/hub', 'onnx-buf', '@bufbuild/protobuf']) expect(libraries).not.toContain(late);
  });
});
