/** Options about prompts over their limit, shared by the commands that have prompts of the user's own. */
import type { EngineOptions, Usage } from '@octavo/engine';
import { type Command, Option } from 'commander';
import { counted } from '../counted.ts';
import { defined, wholeOption } from './options.ts';

/** What the options about prompts over their limit hold after parsing. */
export interface TruncationFlags {
  readonly truncation?: 'refuse' | 'head-and-tail' | 'turns';
  readonly limitTokens?: number;
  readonly headTokens?: number;
  readonly slide?: true;
}

/** Adds the options about prompts over their limit. */
export function addTruncationOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--truncation <policy>', 'what happens to a prompt over its limit (default: refuse)').choices([
        'refuse',
        'head-and-tail',
        'turns',
      ]),
    )
    .addOption(wholeOption('--limit-tokens <n>', 'longest prompt (default: what the context leaves)', 1))
    .addOption(wholeOption('--head-tokens <n>', 'leading tokens that head-and-tail and --slide keep', 0))
    .option('--slide', 'go on when prompt and answer fill the context, over the head and the recent half of it');
}

/** The engine's option from those; nothing when none was given. Pure. */
export function truncationOptions(flags: TruncationFlags): Pick<EngineOptions, 'truncation'> {
  const { truncation: policy, limitTokens, headTokens, slide } = flags;
  const options = defined({ policy, limitTokens, headTokens, ...(slide && { whileGenerating: 'slide' as const }) });
  return Object.keys(options).length === 0 ? {} : { truncation: options };
}

/** What was dropped, for a person; empty when nothing was. Pure. */
export function describeDropped({ dropped }: Usage): string {
  if (dropped === undefined) return '';
  const { promptTokens, messages, windowTokens } = dropped;
  const inMessages = messages > 0 ? ` in ${counted(messages, 'message')}` : '';
  const parts = [
    ...(promptTokens > 0 ? [`${counted(promptTokens, 'prompt token')}${inMessages} dropped`] : []),
    ...(windowTokens > 0 ? [`${counted(windowTokens, 'token')} left behind by the window`] : []),
  ];
  return `; ${parts.join(', ')}`;
}
