import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** benches/peers, where the compared engines are installed; this file runs as benches/dist/peers/installed-package.js. */
const peersFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'peers');

/** Loads an installed engine by its entry file. It is no dependency of the workspace, so nothing but this file knows where it is. */
export async function importPeer<Module>(name: string, entry: string): Promise<Module> {
  return (await import(pathToFileURL(join(peersFolder, 'node_modules', name, entry)).href)) as Module;
}

export function peerVersion(name: string): string {
  const manifest = JSON.parse(readFileSync(join(peersFolder, 'node_modules', name, 'package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}
