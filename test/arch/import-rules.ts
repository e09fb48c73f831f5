/** Who may import whom. */
import { posix } from 'node:path';
import { importsIn, type SourceFile, tokensIn } from './source-code.ts';

export interface PackageRule {
  /** Packages of this workspace that it may import, by their folder. */
  readonly siblings: readonly string[];
  /** Packages from outside that it may import, and declares. */
  readonly external: readonly string[];
}

/** The table of the packages; what is not allowed here is forbidden. */
export const packageTable: Readonly<Record<string, PackageRule>> = {
  kv: { siblings: [], external: [] },
  scheduler: { siblings: ['kv'], external: [] },
  text: { siblings: [], external: ['@huggingface/jinja', '@huggingface/tokenizers'] },
  graph: { siblings: [], external: ['@bufbuild/protobuf', 'onnx-buf'] },
  models: { siblings: [], external: ['@huggingface/hub'] },
  engine: { siblings: ['graph', 'kv', 'models', 'scheduler', 'text'], external: ['lru-cache', 'onnxruntime-node'] },
  octavo: {
    siblings: ['engine', 'graph', 'kv', 'models', 'scheduler', 'text'],
    external: ['cli-progress', 'commander', 'picocolors'],
  },
};

/** Names that say nothing about what is inside. */
const FORBIDDEN_PACKAGES: ReadonlySet<string> = new Set(['common', 'utils', 'types', 'shared']);

/** Packages that know neither files nor threads nor clocks. */
export const PURE_PACKAGES: readonly string[] = ['kv', 'scheduler'];

const RUNTIME = 'onnxruntime-node';
const RUNTIME_FOLDER = 'packages/engine/src/ort/';
const TEST_TOOLS: ReadonlySet<string> = new Set(['vitest', 'fast-check', RUNTIME]);
/** What benches and tests across packages may import besides the packages themselves and Node. */
const OUTSIDE_TOOLS: Readonly<Record<string, ReadonlySet<string>>> = {
  benches: new Set(['@bufbuild/protobuf', 'benchmark', 'onnx-buf', 'vitest']),
  test: new Set([
    'vitest',
    'vitest/config',
    'fast-check',
    RUNTIME,
    'typescript/unstable/ast',
    'typescript/unstable/ast/scanner',
  ]),
};

/** Violations of the table of packages itself. Pure. */
export function checkPackageNames(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    if (FORBIDDEN_PACKAGES.has(name)) return [`packages/${name}: the name says nothing about what is inside`];
    return Object.hasOwn(packageTable, name) ? [] : [`packages/${name}: not in the table of packages`];
  });
}

/** Violations of the rules about what a file imports, as `path:line: sentence`. Pure. */
export function checkImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsIn(file.text).flatMap(({ specifier, line }) => {
      const complaint = complaintAbout(file.path, specifier);
      return complaint === undefined ? [] : [`${file.path}:${line}: ${complaint}`];
    }),
  );
}

function complaintAbout(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return relativeComplaint(path, specifier);
  const sibling = siblingOf(specifier);
  const owner = packageOf(path);
  if (sibling !== undefined && specifier !== packageNameOf(sibling)) {
    return `reaches into a package: ${specifier}; import ${packageNameOf(sibling)}`;
  }
  if (owner === undefined) return outsideComplaint(path, specifier, sibling);
  const rule = packageTable[owner];
  if (rule === undefined) return undefined;
  if (sibling !== undefined)
    return rule.siblings.includes(sibling) ? undefined : `${owner} may not import ${specifier}`;
  return externalComplaint(path, specifier, { owner, rule });
}

function externalComplaint(
  path: string,
  specifier: string,
  { owner, rule }: { owner: string; rule: PackageRule },
): string | undefined {
  const isTest = isTestCode(path);
  if (isTest && TEST_TOOLS.has(specifier)) return undefined;
  if (specifier === 'node:worker_threads' && owner !== 'engine') return 'node:worker_threads belongs to engine';
  if (specifier.startsWith('node:')) {
    return PURE_PACKAGES.includes(owner) && !isTest ? `${owner} is pure and may not import ${specifier}` : undefined;
  }
  if (specifier === RUNTIME && !path.startsWith(RUNTIME_FOLDER))
    return `${RUNTIME} is imported in ${RUNTIME_FOLDER} only`;
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return rule.external.includes(name) ? undefined : `${owner} may not import ${specifier}`;
}

function outsideComplaint(path: string, specifier: string, sibling: string | undefined): string | undefined {
  const folder = path.split('/')[0] as string;
  if (sibling !== undefined || specifier.startsWith('node:') || OUTSIDE_TOOLS[folder]?.has(specifier)) return undefined;
  return `${folder} may not import ${specifier}`;
}

function relativeComplaint(path: string, specifier: string): string | undefined {
  if (!/\.(ts|json)$/.test(specifier)) return `${specifier} must name the file: end in .ts`;
  const target = posix.join(posix.dirname(path), specifier);
  const home = homeOf(path);
  if (!target.startsWith(home)) return `${specifier} leaves ${home}; import the package`;
  if (target === `${home}index.ts`) return 'index.ts is the door for others; import the file itself';
  return isTestCode(target) && !isTestCode(path) ? `${specifier} is for tests only` : undefined;
}

/** Files whose package is built leave these out. Everything under `test/` is test code. Pure. */
export function isTestCode(path: string): boolean {
  return /\.(test|testing)\.ts$/.test(path) || path.startsWith('test/');
}

/** The folder of the package that a source belongs to; undefined for benches and tests across packages. Pure. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1];
}

function homeOf(path: string): string {
  const owner = packageOf(path);
  return owner === undefined ? `${path.split('/')[0]}/` : `packages/${owner}/src/`;
}

function packageNameOf(folder: string): string {
  return folder === 'octavo' ? 'octavo' : `@octavo/${folder}`;
}

/** The folder of the workspace package that a specifier names, whole or in part. */
function siblingOf(specifier: string): string | undefined {
  const scoped = /^@octavo\/([^/]+)/.exec(specifier)?.[1];
  return scoped ?? (/^octavo(\/|$)/.test(specifier) ? 'octavo' : undefined);
}

/** Violations of "index.ts is a list of exports". Pure. */
export function checkIndexes(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => /^packages\/[^/]+\/src\/index\.ts$/.test(path))
    .flatMap(({ path, text }) => {
      const statements = tokensIn(text)
        .map((token) => token.text)
        .join(' ')
        .split(' ;')
        .map((statement) => statement.trim());
      return statements
        .filter(
          (statement) =>
            statement !== '' && !/^export (type )?(\*|\{[^}]*\}) from /.test(statement) && statement !== 'export { }',
        )
        .map((statement) => `${path}: is a list of exports, and has: ${statement.slice(0, 60)}`);
    });
}

/** Cycles of relative imports inside packages, each once, as `a -> b -> a`. Imports of types count: they bind files together too. Pure. */
export function checkCycles(files: readonly SourceFile[]): string[] {
  const edges = new Map(
    files.map(({ path, text }) => {
      const targets = importsIn(text)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier }) => posix.join(posix.dirname(path), specifier));
      return [path, targets] as const;
    }),
  );
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at !== -1) {
      cycles.push([...trail.slice(at), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}
