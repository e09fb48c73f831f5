import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceFile } from './source-code.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const NOT_SOURCES: ReadonlySet<string> = new Set(['node_modules', 'dist', 'fixtures', 'results']);

/** Every TypeScript source of the packages, the benches and the tests, sorted by path. */
export function readSources(): SourceFile[] {
  return [...packageNames().map((name) => `packages/${name}/src`), 'benches', 'test'].flatMap(sourcesUnder);
}

/** Folders of `packages/`. */
export function packageNames(): string[] {
  return readdirSync(join(root, 'packages'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** Runtime dependencies that a package declares, without those of the workspace. */
export function declaredDependencies(name: string): string[] {
  const manifest = JSON.parse(readText(`packages/${name}/package.json`)) as { dependencies?: Record<string, string> };
  return Object.entries(manifest.dependencies ?? {})
    .filter(([, version]) => !version.startsWith('workspace:'))
    .map(([dependency]) => dependency)
    .sort();
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function sourcesUnder(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry): SourceFile[] => {
      const path = `${folder}/${entry.name}`.split(sep).join('/');
      if (entry.isDirectory()) return NOT_SOURCES.has(entry.name) ? [] : sourcesUnder(path);
      return entry.name.endsWith('.ts') ? [{ path, text: readText(path) }] : [];
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
