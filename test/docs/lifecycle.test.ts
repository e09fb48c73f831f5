import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tableIn } from './markdown-tables.ts';

const document = new URL('../../docs/lifecycle.md', import.meta.url);
const markdown = readFileSync(document, 'utf8');

interface Link {
  readonly name: string;
  readonly path: string;
}

/** [`Name.member`](path): what is named, and the file that exports it. */
function linksIn(text: string): Link[] {
  return [...text.matchAll(/\[`([\w.]+)`\]\(([^)]+)\)/g)].map(([, name = '', path = '']) => ({ name, path }));
}

/** The numbered sentences, each on one line. */
function sentences(): string[] {
  const [list = ''] = markdown.split('\n## ');
  return list
    .split(/\n(?=\d+\. )/)
    .slice(1)
    .map((item) => item.replace(/\s+/g, ' ').trim());
}

function sourceOf(path: string): string {
  const file = new URL(path, document);
  expect(existsSync(fileURLToPath(file)), `${path} exists`).toBe(true);
  return readFileSync(file, 'utf8');
}

/** Whether a file exports a name, and its class has the member that follows a dot. */
function isExported({ name, path }: Link): boolean {
  const [exported = '', member] = name.split('.');
  const source = sourceOf(path);
  const hasExport = new RegExp(
    `^export (?:abstract )?(?:async )?(?:class|function|interface|type|const) ${exported}\\b`,
    'm',
  ).test(source);
  return hasExport && (member === undefined || new RegExp(`^ {2}(?:async )?${member}\\(`, 'm').test(source));
}

describe('docs/lifecycle.md', () => {
  it('tells the life of a request in ten numbered sentences', () => {
    const told = sentences();
    expect(told.map((sentence) => Number.parseInt(sentence, 10))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const sentence of told) expect(sentence.replace(/^\d+\. /, '')).toMatch(/^[^.](?:[^.]|\.(?! [A-Z]))*\.$/);
  });

  it.each(sentences())('names files that exist and export what it says: %s', (sentence) => {
    const links = linksIn(sentence);
    // Sentences 6, 9 and 10 also speak of classes that an earlier one linked; each has a file of its own.
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) expect({ ...link, exported: isExported(link) }).toEqual({ ...link, exported: true });
  });

  it('speaks of members that their classes have', () => {
    const linked = new Map(linksIn(markdown).map(({ name, path }) => [name.split('.')[0] as string, path]));
    const members = [...markdown.matchAll(/`([A-Z]\w+)\.(\w+)`/g)].map(([, owner = '', member = '']) => ({
      owner,
      member,
    }));
    expect(members.length).toBeGreaterThan(8);
    for (const { owner, member } of members) {
      const link = { name: `${owner}.${member}`, path: linked.get(owner) ?? '' };
      expect({ ...link, exported: isExported(link) }).toEqual({ ...link, exported: true });
    }
  });

  it('draws the messages of the protocol, all of them', () => {
    const [, section = ''] = markdown.split('## Messages');
    const [drawing = ''] = section.split('\n## ');
    const protocol = sourceOf('../packages/engine/src/protocol.ts');
    const types = new Set([...protocol.matchAll(/readonly type: '([\w-]+)'/g)].map(([, type = '']) => type));
    const kinds = [...protocol.matchAll(/readonly kind: '(delta|ended|failed)'/g)].map(([, kind = '']) => kind);
    expect([...types].sort()).toEqual(
      [
        'abort',
        'broken',
        'call',
        'call-progress',
        'close',
        'closed',
        'complete',
        'open-failed',
        'opened',
        'progress',
        'reply',
        'step',
      ].sort(),
    );
    expect(kinds).toHaveLength(3);
    for (const word of [...types, ...kinds]) expect(drawing).toMatch(new RegExp(`(?<![\\w-])${word}(?![\\w-])`));
  });

  it('names values that their files export', () => {
    const rows = tableIn(markdown, 'value', 'made by', 'lives until', 'file');
    expect(rows).toHaveLength(9);
    for (const [value = '', , , file = ''] of rows) {
      const name = value.replaceAll('`', '');
      const path = /\(([^)]+)\)/.exec(file)?.[1] ?? '';
      expect({ name, exported: isExported({ name, path }) }).toEqual({ name, exported: true });
    }
  });
});
