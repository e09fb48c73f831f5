import { describe, expect, it } from 'vitest';
import { checkCycles, checkImports, checkIndexes, checkPackageNames, packageTable } from './import-rules.ts';
import { checkPurity } from './purity-rules.ts';
import { declaredDependencies, packageNames, readSources } from './workspace-files.ts';

/** One source with these lines, as the only file. */
const at = (path: string, ...lines: string[]) => [{ path, text: lines.join('\n') }];

describe('the packages', () => {
  const files = readSources();

  it('are read from their sources, benches and tests', () => {
    for (const folder of ['packages/kv/src/', 'packages/engine/src/', 'benches/', 'test/arch/']) {
      expect(files.filter(({ path }) => path.startsWith(folder)).length).toBeGreaterThan(0);
    }
  });

  it('are those of the table', () => {
    expect(checkPackageNames(packageNames())).toEqual([]);
    expect(packageNames()).toEqual(Object.keys(packageTable).sort());
  });

  it('import only what the table allows', () => {
    expect(checkImports(files)).toEqual([]);
  });

  it.each(Object.entries(packageTable))('declare the dependencies of the table: %s', (name, rule) => {
    expect(declaredDependencies(name)).toEqual([...rule.external].sort());
  });

  it('have a list of exports as their only door', () => {
    expect(checkIndexes(files)).toEqual([]);
  });

  it('import one way inside', () => {
    expect(checkCycles(files)).toEqual([]);
  });

  it('are pure where they have to be', () => {
    expect(checkPurity(files)).toEqual([]);
  });
});

describe('checkImports', () => {
  it.each([
    [
      'a sibling that the table does not allow',
      at('packages/kv/src/a.ts', "import '@octavo/engine';"),
      'kv may not import @octavo/engine',
    ],
    [
      'a sibling, of a type only',
      at('packages/graph/src/a.ts', "import type { A } from '@octavo/kv';"),
      'graph may not import @octavo/kv',
    ],
    [
      'a sibling, in a test',
      at('packages/kv/src/a.test.ts', "import '@octavo/text';"),
      'kv may not import @octavo/text',
    ],
    ['the umbrella', at('packages/engine/src/a.ts', "import 'octavo';"), 'engine may not import octavo'],
    ['another library', at('packages/text/src/a.ts', "import 'lru-cache';"), 'text may not import lru-cache'],
    ['a test tool, outside tests', at('packages/kv/src/a.ts', "import 'vitest';"), 'kv may not import vitest'],
    [
      'the runtime, outside ort/',
      at('packages/engine/src/a.ts', "import 'onnxruntime-node';"),
      'packages/engine/src/ort/ only',
    ],
    [
      'the runtime, in another package',
      at('packages/octavo/src/a.ts', "import 'onnxruntime-node';"),
      'packages/engine/src/ort/ only',
    ],
    [
      'the runtime, in a bench',
      at('benches/a.ts', "import 'onnxruntime-node';"),
      'benches may not import onnxruntime-node',
    ],
    [
      'into a sibling',
      at('packages/engine/src/a.ts', "import '@octavo/kv/src/page-pool.ts';"),
      'reaches into a package',
    ],
    [
      'into a sibling, from a test',
      at('test/a.ts', "import '@octavo/kv/dist/page-pool.js';"),
      'reaches into a package',
    ],
    [
      'by path into a sibling',
      at('packages/engine/src/a.ts', "import '../../kv/src/page-pool.ts';"),
      'leaves packages/engine/src/',
    ],
    ['by path from a test', at('test/arch/a.ts', "import '../../packages/kv/src/page-pool.ts';"), 'leaves test/'],
    ['its own index', at('packages/kv/src/b/a.ts', "import '../index.ts';"), 'index.ts is the door for others'],
    ['test code', at('packages/kv/src/a.ts', "import './b.testing.ts';"), 'is for tests only'],
    ['a file without its ending', at('packages/kv/src/a.ts', "import './b';"), 'must name the file'],
    ['threads outside engine', at('packages/octavo/src/a.ts', "import 'node:worker_threads';"), 'belongs to engine'],
    ['Node in a pure package', at('packages/scheduler/src/a.ts', "import 'node:fs';"), 'scheduler is pure'],
  ])('complains about an import of %s', (_, files, sentence) => {
    const violations = checkImports(files);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(new RegExp(`^${files[0]?.path}:1: `));
    expect(violations[0]).toContain(sentence);
  });

  it.each([
    at('packages/scheduler/src/a.ts', "import '@octavo/kv';", "import './b.ts';", "export * from './c/d.ts';"),
    at('packages/scheduler/src/a.test.ts', "import 'vitest';", "import 'node:fs';", "import './b.testing.ts';"),
    at(
      'packages/engine/src/ort/a.ts',
      "import 'onnxruntime-node';",
      "import 'node:worker_threads';",
      "import '../b.ts';",
    ),
    at('packages/graph/src/a.test.ts', "import 'onnxruntime-node';", "import '@bufbuild/protobuf/wire';"),
    at('test/a.test.ts', "import '@octavo/kv';", "import 'octavo';", "import 'onnxruntime-node';"),
    at('benches/micro/a.ts', "import 'benchmark';", "import '../machine.ts';", "import 'node:os';"),
  ])('has nothing against what is allowed: $path', (file) => {
    expect(checkImports([file])).toEqual([]);
  });
});

describe('checkPackageNames', () => {
  it('complains about names without a meaning and about packages outside the table', () => {
    expect(checkPackageNames(['kv', 'utils', 'new-one'])).toEqual([
      'packages/utils: the name says nothing about what is inside',
      'packages/new-one: not in the table of packages',
    ]);
  });
});

describe('checkIndexes', () => {
  it('complains about anything but exports from files', () => {
    expect(
      checkIndexes(at('packages/kv/src/index.ts', "import { a } from './a.ts';", 'export const b = a;')),
    ).toHaveLength(2);
    expect(checkIndexes(at('packages/kv/src/index.ts', 'export const b = 1;'))[0]).toContain('is a list of exports');
    const list = at(
      'packages/kv/src/index.ts',
      "export * from './a.ts';",
      "export type { B } from './b.ts';",
      "export { c, type D } from './c.ts';",
    );
    expect(checkIndexes(list)).toEqual([]);
    expect(checkIndexes(at('packages/kv/src/index.ts', 'export {};'))).toEqual([]);
  });
});

describe('checkCycles', () => {
  it('names the files of a cycle, also when only types are imported', () => {
    const files = [
      ...at('packages/kv/src/a.ts', "import './b.ts';"),
      ...at('packages/kv/src/b.ts', "import type { C } from './c/c.ts';"),
      ...at('packages/kv/src/c/c.ts', "import '../b.ts';"),
    ];
    expect(checkCycles(files)).toEqual(['packages/kv/src/b.ts -> packages/kv/src/c/c.ts -> packages/kv/src/b.ts']);
  });

  it('has nothing against two ways to the same file', () => {
    const files = [
      ...at('packages/kv/src/a.ts', "import './b.ts';", "import './c.ts';"),
      ...at('packages/kv/src/b.ts', "import './c.ts';"),
      ...at('packages/kv/src/c.ts', 'export {};'),
    ];
    expect(checkCycles(files)).toEqual([]);
  });
});

describe('checkPurity', () => {
  it.each([
    ['const now = Date.now();', 'Date reads the clock'],
    ['const now = performance.now();', 'performance reads the clock'],
    ['const chance = Math.random();', 'Math.random draws'],
    ['setTimeout(() => {}, 1);', 'setTimeout waits'],
    ['const later = new Promise(() => {});', 'Promise is asynchronous'],
    ['type Later = Promise<void>;', 'Promise is asynchronous'],
    ['async function f() {}', 'async is asynchronous'],
    ['const debug = process.env.DEBUG;', 'process reads the environment'],
    ['const now = globalThis.Date.now();', 'globalThis reads the environment'],
  ])('complains about %s', (line, sentence) => {
    for (const path of ['packages/kv/src/a.ts', 'packages/scheduler/src/a.ts']) {
      expect(checkPurity(at(path, 'const a = 1;', line))).toEqual([expect.stringContaining(`${path}:2: ${sentence}`)]);
    }
    expect(checkPurity(at('packages/kv/src/a.test.ts', line))).toEqual([]);
    expect(checkPurity(at('packages/engine/src/a.ts', line))).toEqual([]);
  });

  it('reads code only', () => {
    const lines = ['// Date and Promise', "const text = 'Math.random()';", 'const a = Math.max(1, b.process);'];
    expect(checkPurity(at('packages/kv/src/a.ts', ...lines))).toEqual([]);
  });
});
