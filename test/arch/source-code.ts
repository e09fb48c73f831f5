/**
 * Sources as tokens, comments and imports, so that no rule is fooled by a string or a comment that looks like code.
 * The scanner is the compiler's own; its entry point is marked unstable, so the workspace pins the compiler's exact version.
 */
import { SyntaxKind } from 'typescript/unstable/ast';
import { createScanner } from 'typescript/unstable/ast/scanner';

export interface SourceFile {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Token {
  readonly kind: SyntaxKind;
  /** As written; of a string its content. */
  readonly text: string;
  readonly line: number;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Tokens behind which `/` divides, besides names; behind all others it begins a regular expression. */
const ENDS_A_VALUE: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.PrivateIdentifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.BigIntLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
  SyntaxKind.PlusPlusToken,
  SyntaxKind.MinusMinusToken,
  SyntaxKind.ThisKeyword,
  SyntaxKind.SuperKeyword,
  SyntaxKind.TrueKeyword,
  SyntaxKind.FalseKeyword,
  SyntaxKind.NullKeyword,
]);

/** Every token and comment of a source, in order. */
function scan(text: string): Token[] {
  const scanner = createScanner(false, undefined, text);
  const tokens: Token[] = [];
  const lineAt = lineCounter(text);
  /** Depths of braces at which a template goes on. */
  const templates: number[] = [];
  let depth = 0;
  let isBehindValue = false;
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFile; kind = scanner.scan()) {
    if (kind === SyntaxKind.WhitespaceTrivia || kind === SyntaxKind.NewLineTrivia) continue;
    if ((kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) && !isBehindValue) {
      kind = scanner.reScanSlashToken();
    } else if (kind === SyntaxKind.CloseBraceToken && templates.at(-1) === depth) {
      kind = scanner.reScanTemplateToken(false);
      if (kind === SyntaxKind.TemplateTail) templates.pop();
    } else if (kind === SyntaxKind.TemplateHead) {
      templates.push(depth);
    } else if (kind === SyntaxKind.OpenBraceToken) {
      depth += 1;
    } else if (kind === SyntaxKind.CloseBraceToken) {
      depth -= 1;
    }
    const isString = kind === SyntaxKind.StringLiteral || kind === SyntaxKind.NoSubstitutionTemplateLiteral;
    const content = isString ? scanner.getTokenValue() : scanner.getTokenText();
    tokens.push({ kind, text: content, line: lineAt(scanner.getTokenStart()) });
    if (isComment(kind)) continue;
    // The mark of a value that is not null (`a!`) leaves things as they are.
    if (kind !== SyntaxKind.ExclamationToken) isBehindValue = scanner.isIdentifier() || ENDS_A_VALUE.has(kind);
  }
  return tokens;
}

/** Tokens of a source without comments. */
export function tokensIn(text: string): Token[] {
  return scan(text).filter((token) => !isComment(token.kind));
}

/** Comments of a source, with their marks. */
export function commentsIn(text: string): Token[] {
  return scan(text).filter((token) => isComment(token.kind));
}

function isComment(kind: SyntaxKind): boolean {
  return kind === SyntaxKind.SingleLineCommentTrivia || kind === SyntaxKind.MultiLineCommentTrivia;
}

/** The line (from 1) of an offset, for offsets that never fall. */
function lineCounter(text: string): (offset: number) => number {
  let line = 1;
  let at = 0;
  return (offset) => {
    for (; at < offset; at += 1) if (text[at] === '\n') line += 1;
    return line;
  };
}

/**
 * What a source imports: `import` and `export ... from` statements, with and without `type`, `import()` of values and of types,
 * and `require()`, in order.
 */
export function importsIn(text: string): Import[] {
  const tokens = tokensIn(text);
  const imports: Import[] = [];
  for (const [at, token] of tokens.entries()) {
    if (token.kind !== SyntaxKind.StringLiteral && token.kind !== SyntaxKind.NoSubstitutionTemplateLiteral) continue;
    const before = tokens[at - 1];
    const beforeThat = tokens[at - 2];
    const isFrom = before?.kind === SyntaxKind.FromKeyword || before?.kind === SyntaxKind.ImportKeyword;
    const isCall =
      before?.kind === SyntaxKind.OpenParenToken &&
      (beforeThat?.kind === SyntaxKind.ImportKeyword || beforeThat?.text === 'require');
    if (isFrom || isCall) imports.push({ specifier: token.text, line: token.line });
  }
  return imports;
}
