import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { folderWith } from './fake-host.testing.ts';
import { isSameFile, openLineFile, openLines } from './files.ts';

const stdin = new PassThrough();
const never = { stdin, signal: new AbortController().signal };

async function linesOf(text: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of await openLines(join(folderWith({ file: text }), 'file'), never)) lines.push(line);
  return lines;
}

describe('openLines', () => {
  it('skips a byte order mark and needs no end of line at the end', async () => {
    expect(await linesOf('\uFEFFone\ntwo')).toEqual(['one', 'two']);
    expect(await linesOf('one\n\ntwo\n')).toEqual(['one', '', 'two']);
    expect(await linesOf('')).toEqual([]);
  });

  it('puts lines together that are longer than what is read at once', async () => {
    const long = 'é'.repeat(200_000);
    expect(await linesOf(`a\n${long}\nb\n`)).toEqual(['a', long, 'b']);
  });

  it('reads the standard input for -, and stops waiting for it when the signal is aborted', async () => {
    const controller = new AbortController();
    const lines = (await openLines('-', { stdin, signal: controller.signal }))[Symbol.asyncIterator]();
    stdin.write('one\ntw');
    expect(await lines.next()).toEqual({ done: false, value: 'one' });
    const waiting = lines.next();
    controller.abort();
    await expect(waiting).rejects.toThrow('aborted');
  });

  it('ends with an error when the signal is aborted', async () => {
    const controller = new AbortController();
    const lines = await openLines(join(folderWith({ file: 'a\n' }), 'file'), { stdin, signal: controller.signal });
    controller.abort();
    await expect(lines[Symbol.asyncIterator]().next()).rejects.toThrow('aborted');
  });
});

describe('openLineFile', () => {
  it('empties the file and appends one line a value', async () => {
    const path = join(folderWith({ file: 'old' }), 'file');
    const file = await openLineFile(path);
    await Promise.all([file.append({ a: 1 }), file.append('two\nlines')]);
    await file.close();
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n"two\\nlines"\n');
  });

  it('reports a write that failed', async () => {
    const file = await openLineFile(join(folderWith({}), 'file'));
    await file.close();
    await expect(file.append(1)).rejects.toMatchObject({ code: 'UNWRITABLE_FILE' });
  });
});

describe('isSameFile', () => {
  it('sees through other spellings of a path, and knows that a missing file is no other', () => {
    const folder = folderWith({ file: '' });
    expect(isSameFile(join(folder, 'file'), `${folder}/./file`)).toBe(true);
    expect(isSameFile(join(folder, 'none'), join(folder, 'none'))).toBe(false);
  });
});
