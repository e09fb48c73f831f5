/** README.md and docs/command-line.md against the programs that they describe. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ended, octavo, repository, scratch } from './octavo.testing.ts';

const readme = readDocument('README.md');
const commandLine = readDocument('docs/command-line.md');

function readDocument(path: string): string {
  return readFileSync(join(repository, path), 'utf8');
}

interface CodeBlock {
  readonly language: string;
  readonly code: string;
}

function codeBlocks(markdown: string): readonly CodeBlock[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({
    language: language!,
    code: code!,
  }));
}

/** Blocks of the part below a heading, up to the next one of its rank. */
function blocksOf(heading: string): readonly CodeBlock[] {
  return codeBlocks(sectionOf(heading));
}

function sectionOf(heading: string): string {
  const parts = commandLine.split(/^## /m);
  const found = parts.find((part) => part.startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`docs/command-line.md has no section ${heading}`);
  return found;
}

/** Every path to a value: `usage.promptTokens`; items of arrays are `[]`. */
function fieldPaths(value: unknown, path = ''): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null) return new Set([`${path}: ${typeof value}`]);
  const entries = Array.isArray(value) ? value.map((item) => ['[]', item]) : Object.entries(value);
  if (entries.length === 0) return new Set([path]);
  return new Set(entries.flatMap(([name, item]) => [...fieldPaths(item, `${path}.${name}`)]));
}

function jsonLines(text: string): readonly unknown[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Runs a line of a shell as it stands in a document, with the built program in place of the one that builds first. */
function shell(line: string): ReturnType<typeof ended> {
  const program = `"${process.execPath}" "${join(repository, 'packages/octavo/bin/octavo.js')}"`;
  const command = line.replaceAll('npx pnpm@12 octavo', program);
  const env = { ...process.env, OCTAVO_CACHE: join(scratch, 'cache') };
  const child = spawn('sh', ['-c', command], { cwd: scratch, env });
  child.stdin.end();
  return ended(child);
}

describe('docs/command-line.md', () => {
  it.each([
    ['octavo demo', 0],
    ['octavo generate', 0],
    ['octavo score', 0],
    ['octavo batch', 2],
    ['octavo tune', 0],
    ['octavo inspect', 0],
    ['octavo warm', 0],
    // Reads what the example of octavo warm wrote.
    ['octavo cache', 0],
  ])('shows the fields that the example of %s prints', async (heading, expected) => {
    const blocks = blocksOf(heading);
    const files = blocks.filter(({ language }) => language === 'jsonl');
    if (files[0] !== undefined) writeFileSync(join(scratch, 'requests.jsonl'), files[0].code);
    const { status, stdout } = await shell(blocks.find(({ language }) => language === 'sh')!.code);
    expect(status).toBe(expected);
    const shown: unknown = JSON.parse(blocks.find(({ language }) => language === 'json')!.code);
    expect(fieldPaths(shown)).toEqual(fieldPaths(JSON.parse(stdout)));
    if (files[1] !== undefined) {
      const printed = jsonLines(readFileSync(join(scratch, 'answers.jsonl'), 'utf8'));
      expect(fieldPaths(jsonLines(files[1].code))).toEqual(fieldPaths(printed));
    }
  });

  it('shows what the example of octavo chat prints', async () => {
    const [command, answers] = blocksOf('octavo chat');
    const { status, stdout } = await shell(command!.code);
    expect({ status, stdout }).toEqual({ status: 0, stdout: answers!.code });
  });

  it.each([
    ['demo', true],
    ['chat', true],
    ['generate', true],
    ['score', true],
    ['batch', true],
    ['inspect', false],
    ['pull', false],
    ['tune', false],
    ['warm', true],
    ['cache', false],
  ])('lists exactly the options of octavo %s', async (command, runsModel) => {
    const flagsIn = (text: string, pattern: RegExp): readonly string[] =>
      [...text.matchAll(pattern)].map(([, flag]) => flag!);
    const row = /^\| `(--[a-z-]+)/gm;
    const ofEngine = sectionOf('Options of the engine').split(/^### /m);
    const documented = [
      ...(runsModel ? flagsIn(ofEngine[0]!, row) : []),
      // Only commands with a prompt of the user's own have what is too long for it.
      ...(['chat', 'generate', 'batch'].includes(command) ? flagsIn(ofEngine[1]!, row) : []),
      // Only commands that keep something for later.
      ...(['chat', 'batch', 'warm'].includes(command) ? flagsIn(ofEngine[2]!, row) : []),
      ...flagsIn(sectionOf(`octavo ${command}`), row),
    ];
    const { stdout } = await octavo(['help', command]);
    const offered = flagsIn(stdout, /^ {2}(--[a-z-]+)/gm);
    expect(offered.length).toBeGreaterThan(runsModel ? 7 : 2);
    expect([...documented].sort()).toEqual([...offered].sort());
  });
});

describe('README.md', () => {
  it('shows a library example that prints what stands below it', async () => {
    const blocks = codeBlocks(readme);
    const at = blocks.findIndex(({ language }) => language === 'ts');
    const example = readFileSync(new URL('./library-example.ts', import.meta.url), 'utf8');
    // The file is what the type checker sees.
    expect(blocks[at]!.code).toBe(example);
    const child = spawn(process.execPath, ['--input-type=module'], {
      cwd: join(repository, 'test/cli'),
      env: { ...process.env, OCTAVO_CACHE: join(scratch, 'cache') },
    });
    child.stdin.end(example);
    expect(await ended(child)).toEqual({ status: 0, stdout: blocks[at + 1]!.code, stderr: '' });
  });

  it('names only commands that exist', async () => {
    const { scripts } = JSON.parse(readDocument('package.json')) as { scripts: Record<string, string> };
    const { stdout } = await octavo(['--help']);
    const named = [...readme.matchAll(/npx pnpm@12 (\w+)(?: (\w+))?/g)];
    expect(named.length).toBeGreaterThan(5);
    for (const [, script, command] of named) {
      expect(Object.keys(scripts)).toContain(script);
      if (script === 'octavo') expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
  });
});

describe('links', () => {
  it.each(['README.md', 'docs/command-line.md'])('of %s lead to files', (path) => {
    const links = [...readDocument(path).matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target]) => target!);
    const inside = links.filter((target) => !target.startsWith('http'));
    expect(inside.length).toBeGreaterThan(1);
    expect(inside.filter((target) => !existsSync(join(repository, dirname(path), target)))).toEqual([]);
  });
});
