/** Sizes of files, and comments that switch a check off. */
import { commentsIn, type SourceFile } from './source-code.ts';

export const MOST_LINES = 300;

/**
 * Violations of the size of files. `exceptions`: path -> why the file may be longer; one that is not needed any more is a violation too.
 * Pure.
 */
export function checkLines(files: readonly SourceFile[], exceptions: Readonly<Record<string, string>>): string[] {
  const linesOf = new Map(files.map(({ path, text }) => [path, text.replace(/\n$/, '').split('\n').length]));
  const tooLong = [...linesOf].filter(([path, lines]) => lines > MOST_LINES && !exceptions[path]);
  const stale = Object.keys(exceptions).filter((path) => (linesOf.get(path) ?? 0) <= MOST_LINES);
  return [
    ...tooLong.map(
      ([path, lines]) => `${path}: ${lines} lines, more than ${MOST_LINES}; split it, or list it with a reason`,
    ),
    ...stale.map((path) => `${path}: is listed as too long, and is not`),
  ];
}

export interface Suppression {
  readonly where: string;
  readonly reason: string;
}

/** Tools take a comment for a directive only when it begins with one. */
const DIRECTIVE = /^\/[/*]+\s*(?:biome-ignore(?:-\w+)?\s+[\w/]+:?(.*)|@ts-expect-error\b:?(.*))/;
const BLIND_DIRECTIVE = /^\/[/*]+\s*(?:@ts-(?:ignore|nocheck)\b|eslint-disable)/;

/** A reason has at least two words. */
const REASON = /\w+\s+\w+/;

/** Comments that switch a check off for what follows, with the reason that they carry. Pure. */
export function suppressionsIn(files: readonly SourceFile[]): Suppression[] {
  return files.flatMap(({ path, text }) =>
    commentsIn(text).flatMap((comment) => {
      const directive = DIRECTIVE.exec(comment.text);
      if (directive === null) return [];
      const reason = (directive[1] ?? directive[2] ?? '').replace('*/', '').trim();
      return [{ where: `${path}:${comment.line}`, reason }];
    }),
  );
}

/** Violations: a suppression without a reason, or one that hides whatever comes (`@ts-ignore`, `@ts-nocheck`, another linter's). Pure. */
export function checkSuppressions(files: readonly SourceFile[]): string[] {
  const blind = files.flatMap(({ path, text }) =>
    commentsIn(text)
      .filter((comment) => BLIND_DIRECTIVE.test(comment.text))
      .map((comment) => `${path}:${comment.line}: hides whatever comes; use @ts-expect-error with a reason`),
  );
  const bare = suppressionsIn(files).filter(({ reason }) => !REASON.test(reason));
  return [...blind, ...bare.map(({ where }) => `${where}: a suppression needs a reason behind it`)];
}
