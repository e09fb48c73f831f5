import { describe, expect, it } from 'vitest';
import { commentsIn, importsIn, tokensIn } from './source-code.ts';

const specifiersIn = (text: string) => importsIn(text).map(({ specifier }) => specifier);

describe('importsIn', () => {
  it('finds every way to import', () => {
    const text = [
      "import a from 'a';",
      "import 'b';",
      "import type { C } from 'c';",
      "import { type D, d } from 'd';",
      "export * from 'e';",
      "export { f } from 'f';",
      "const g = await import('g');",
      "type H = import('h').H;",
      "const i = require('i');",
      'import j from "j";',
      'const k = await import(`k`);',
    ].join('\n');
    expect(specifiersIn(text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k']);
    expect(importsIn(text).map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('is not fooled by comments, strings, templates and regular expressions', () => {
    const text = [
      "// import a from 'a';",
      "/* import 'b'; */",
      'const c = "import \'c\'";',
      ["const d = `import 'd' $", "{ `from 'e'` } from 'f'`;"].join(''),
      'const g = /[\'"]/g;',
      'const h = { i: 1 }; const j = 8 / 2 / 1 + h!.i / h!.i + type / of;',
      "import k from 'k';",
    ].join('\n');
    expect(specifiersIn(text)).toEqual(['k']);
  });
});

describe('tokensIn', () => {
  it('goes on behind a brace inside a template', () => {
    expect(tokensIn(['`a$', '{ { b: 1 }.b }c$', '{d}` + e'].join('')).map(({ text }) => text)).toEqual([
      ['`a$', '{'].join(''),
      '{',
      'b',
      ':',
      '1',
      '}',
      '.',
      'b',
      ['}c$', '{'].join(''),
      'd',
      '}`',
      '+',
      'e',
    ]);
  });
});

describe('commentsIn', () => {
  it('finds comments and not strings that look like one', () => {
    expect(commentsIn("a; // one\nconst b = '// not one';\n/* two\n */").map(({ text, line }) => [text, line])).toEqual(
      [
        ['// one', 1],
        ['/* two\n */', 3],
      ],
    );
  });
});
