#!/usr/bin/env node
// Plain JavaScript, so that it can explain itself before anything is built.
import { existsSync } from 'node:fs';

const entry = new URL('../dist/cli/main.js', import.meta.url);

if (existsSync(entry)) {
  const { run } = await import(entry.href);
  await run();
} else {
  process.stderr.write(
    'octavo: NOT_BUILT: the command line is not compiled yet; run `npx pnpm@12 build` in the repository first.\n',
  );
  process.exitCode = 2;
}
