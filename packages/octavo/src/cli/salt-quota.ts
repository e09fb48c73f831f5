/** Options about what one tenant may take, for commands whose requests name salts. */
import type { EngineOptions } from '@octavo/engine';
import type { Command } from 'commander';
import { defined, wholeOption } from './options.ts';

export interface SaltQuotaFlags {
  readonly saltMaxRunning?: number;
  readonly saltMaxPages?: number;
}

/** Adds the options of quotas. */
export function addSaltQuotaOptions(command: Command): Command {
  return command
    .addOption(wholeOption('--salt-max-running <n>', 'requests of one salt in a step at most', 1))
    .addOption(wholeOption('--salt-max-pages <n>', 'pages that requests of one salt may come to need at a time', 1));
}

/** The engine's option from those; nothing when none was given. Pure. */
export function saltQuotaOptions(flags: SaltQuotaFlags): Pick<EngineOptions, 'saltQuota'> {
  const saltQuota = defined({ maxRunning: flags.saltMaxRunning, maxPages: flags.saltMaxPages });
  return Object.keys(saltQuota).length === 0 ? {} : { saltQuota };
}
