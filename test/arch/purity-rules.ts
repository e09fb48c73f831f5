/** `kv` and `scheduler` give the same plan for the same inputs: no clock, no randomness, no asynchrony, no process. */
import { isTestCode, PURE_PACKAGES, packageOf } from './import-rules.ts';
import { type SourceFile, tokensIn } from './source-code.ts';

const FORBIDDEN: Readonly<Record<string, string>> = {
  Date: 'reads the clock',
  performance: 'reads the clock',
  setTimeout: 'waits',
  setInterval: 'waits',
  setImmediate: 'waits',
  queueMicrotask: 'waits',
  Promise: 'is asynchronous',
  async: 'is asynchronous',
  await: 'is asynchronous',
  process: 'reads the environment',
  globalThis: 'reads the environment',
  crypto: 'draws random numbers',
};

/** Violations in the sources of pure packages that are not tests. Pure itself. */
export function checkPurity(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => PURE_PACKAGES.includes(packageOf(path) ?? '') && !isTestCode(path))
    .flatMap(checkFile);
}

function checkFile({ path, text }: SourceFile): string[] {
  const tokens = tokensIn(text);
  return tokens.flatMap((token, at) => {
    const isProperty = tokens[at - 1]?.text === '.' || tokens[at - 1]?.text === '?.';
    const isRandom = token.text === 'random' && isProperty && tokens[at - 2]?.text === 'Math';
    if (isRandom) return [`${path}:${token.line}: Math.random draws random numbers`];
    const reason = Object.hasOwn(FORBIDDEN, token.text) ? FORBIDDEN[token.text] : undefined;
    return reason === undefined || isProperty ? [] : [`${path}:${token.line}: ${token.text} ${reason}`];
  });
}
