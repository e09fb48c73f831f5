/** `octavo cache`: what a cache file holds. */
import type { CacheTreeEntry } from '@octavo/engine';
import { openText, type TextCodec } from '@octavo/text';
import type { Command } from 'commander';
import { counted } from '../counted.ts';
import { readCacheView } from './cache-file.ts';
import { drawTree } from './cache-tree.ts';
import type { CommandContext } from './context.ts';
import { addModelOptions, findModel, type ModelFlags } from './model.ts';
import { formatBytes } from './output.ts';

interface CacheFlags extends ModelFlags {
  readonly ids?: true;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  octavo cache shop.cache
  octavo cache shop.cache --model ./my-model
  octavo cache shop.cache --ids --json
In a conversation, /cache shows the cache of the running engine.
`;

export function addCache(program: Command, context: CommandContext): void {
  const command = program
    .command('cache')
    .description('show what a cache file holds, as a tree')
    .argument('<file>', 'a file that --cache-file wrote')
    .option('--ids', 'show token ids; no tokenizer is needed then')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES);
  addModelOptions(command).action((file: string, flags: CacheFlags) => cache(file, flags, context));
}

async function cache(file: string, flags: CacheFlags, context: CommandContext): Promise<void> {
  const { output } = context;
  const view = readCacheView(file);
  const { ok: _, ...fields } = view;
  const text = flags.ids === true ? undefined : await tokenizerOf(flags, context);
  const decode = (ids: readonly number[]) => decodeKnown(text, ids);
  if (flags.json === true) {
    output.json({ ...fields, entries: view.entries.map((entry) => withText(entry, decode(entry.ids))) });
    return;
  }
  const pages = view.entries.reduce((sum, entry) => sum + entry.pages, 0);
  const when = new Date(view.writtenMs).toISOString();
  output.line(
    `${counted(pages, 'page')} of ${counted(Number(view.identity.pageSize), 'token')}, ${formatBytes(view.bytes)}, written ${when}`,
  );
  output.line(drawTree(view.entries, decode));
}

async function tokenizerOf(flags: CacheFlags, context: CommandContext): Promise<TextCodec | undefined> {
  const { folder } = await findModel(flags, context, { reader: 'program' });
  return openText(folder);
}

/** Ids of another model's vocabulary have no text here. */
function decodeKnown(text: TextCodec | undefined, ids: readonly number[]): string | undefined {
  if (text === undefined || ids.some((id) => id >= text.vocabularyCount)) return undefined;
  return text.decode(ids, { specialTokens: 'keep' });
}

function withText(entry: CacheTreeEntry, text: string | undefined): object {
  return text === undefined ? entry : { ...entry, text };
}
