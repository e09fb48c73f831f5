/** Error codes in the sources against the table in `docs/errors.md`. */
import { SyntaxKind } from 'typescript/unstable/ast';
import { packageOf } from './import-rules.ts';
import { type SourceFile, type Token, tokensIn } from './source-code.ts';

/** `CODE (package)`, sorted: the same code may belong to two packages. */
export type CodeList = readonly string[];

/**
 * Codes that the packages declare: in files named `errors.ts`, the strings of `type ...ErrorCode = ...;` or of
 * `const ..._ERROR_CODES = [...]`. Pure. Throws for a file that declares none: another way of writing them would hide its codes.
 */
export function codesInSources(files: readonly SourceFile[]): CodeList {
  return files
    .filter(({ path }) => /^packages\/.*\/errors\.ts$/.test(path))
    .flatMap(({ path, text }) => {
      const codes = codesInFile(tokensIn(text));
      if (codes.length === 0) throw new Error(`${path} declares no type ...ErrorCode and no const ..._ERROR_CODES`);
      return codes.map((code) => `${code} (${packageOf(path)})`);
    })
    .sort();
}

function codesInFile(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token, at) => {
    const isUnion = token.kind === SyntaxKind.TypeKeyword && /ErrorCode$/.test(tokens[at + 1]?.text ?? '');
    const isList = token.kind === SyntaxKind.ConstKeyword && /_ERROR_CODES$/.test(tokens[at + 1]?.text ?? '');
    if (!isUnion && !isList) return [];
    const rest = tokens.slice(at);
    const end = rest.findIndex(({ kind }) => kind === SyntaxKind.SemicolonToken);
    return rest
      .slice(0, end)
      .filter(({ kind }) => kind === SyntaxKind.StringLiteral)
      .map(({ text }) => text);
  });
}

/** Codes in the rows `| \`CODE\` | package | meaning | what to do |` of a document. Pure. Throws for a row with an empty cell. */
export function codesInDocument(markdown: string): CodeList {
  return [...markdown.matchAll(/^\|\s*`([A-Z_]+)`\s*\|([^\n]*)$/gm)]
    .map(([row, code, rest = '']) => {
      const cells = rest
        .replace(/\|\s*$/, '')
        .split('|')
        .map((cell) => cell.trim());
      if (cells.length !== 3 || cells.includes('')) throw new Error(`a row needs 4 filled cells: ${row}`);
      return `${code} (${cells[0]})`;
    })
    .sort();
}
