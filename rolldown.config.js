// The JavaScript of a package: a few files instead of one a source file, since each file costs a start about a millisecond, twice with a
// worker. Other packages stay imports, so a class is the same one to everybody. `tsc -b` writes the types beside it.
import { readFileSync } from 'node:fs';
import { defineConfig } from 'rolldown';

/** What is started by its path, besides the door of each package: name of the file in `dist` -> source. */
const ENTRIES = {
  '@octavo/engine': { 'worker-entry': 'src/worker/worker-entry.ts' },
  octavo: { 'cli/main': 'src/cli/main.ts' },
};

// Each package's build runs in its own folder.
const { name } = JSON.parse(readFileSync('package.json', 'utf8'));

export default defineConfig({
  input: { index: 'src/index.ts', ...ENTRIES[name] },
  platform: 'node',
  external: /^[^./]/,
  tsconfig: false,
  transform: { target: 'node20' },
  output: {
    dir: 'dist',
    format: 'esm',
    sourcemap: true,
    // Flat and without digests: paths relative to a file hold for every chunk, and a build writes over the one before.
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
  },
});
