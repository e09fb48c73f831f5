/** The command line: which commands there are, and how a run of one ends. */
import { readFileSync } from 'node:fs';
import { openEngine } from '@octavo/engine';
import { resolveModel } from '@octavo/models';
import { Command, CommanderError } from 'commander';
import { addBatch } from './batch.ts';
import { addCache } from './cache.ts';
import { addChat } from './chat.ts';
import { calmCollector } from './collector.ts';
import type { CommandContext, InputStream, OpenEngine, ResolveModel } from './context.ts';
import { addDemo } from './demo.ts';
import { CommandError, type CommandErrorCode, describeFailure, isClosedPipe } from './errors.ts';
import { addGenerate } from './generate.ts';
import { addInspect } from './inspect.ts';
import { type Interrupt, listenForInterrupts, type SignalSource } from './interrupt.ts';
import { createOutput, type Environment, type OutputStream } from './output.ts';
import { addPull } from './pull.ts';
import { addScore } from './score.ts';
import { addTune } from './tune.ts';
import { addWarm } from './warm.ts';

/** What a command line runs on. */
export interface Host {
  readonly env: Environment;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly signals: SignalSource;
  readonly openEngine: OpenEngine;
  readonly resolveModel: ResolveModel;
}

/** Runs the arguments of this process. Effects: sets its exit status and, on few cores, a flag of V8; it ends by itself, so that all output is written. */
export async function run(): Promise<void> {
  calmCollector();
  const { env, stdin, stdout, stderr, argv } = process;
  const host = { env, stdin, stdout, stderr, signals: process, openEngine, resolveModel };
  process.exitCode = await main(argv.slice(2), host);
}

/** Runs one command line; returns the exit status. Never throws. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  const { env, stdin, stdout, stderr } = host;
  const output = createOutput(stdout, stderr, env);
  const interrupt = listenForInterrupts(host.signals, () => output.note('octavo: closing after the step that runs'));
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE')
      output.note(`octavo: UNWRITABLE_FILE: standard output cannot be written (${error.code})`);
    interrupt.interrupt(error.code === 'EPIPE' ? 0 : 1);
  });
  stderr.on('error', ignore);
  try {
    const { openEngine, resolveModel } = host;
    const program = buildProgram({ env, stdin, stdout, stderr, output, interrupt, openEngine, resolveModel });
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(argv, { from: 'user' });
    return interrupt.interruption?.status ?? 0;
  } catch (error) {
    return endOf(error, { host, interrupt, argv });
  } finally {
    interrupt.dispose();
  }
}

/** A reader of notes that left is no reason to stop. */
function ignore(): void {}

const commands = {
  demo: addDemo,
  chat: addChat,
  generate: addGenerate,
  score: addScore,
  batch: addBatch,
  tune: addTune,
  inspect: addInspect,
  warm: addWarm,
  cache: addCache,
  pull: addPull,
};

function buildProgram(context: CommandContext): Command {
  const { stdout, stderr } = context;
  const program = new Command('octavo')
    .description('Language models on your own machine, with the keys and values of repeated prompts kept and shared.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // A failure is told once, in the form of all failures.
      outputError: ignore,
    })
    .addHelpText('after', EXAMPLES);
  for (const add of Object.values(commands)) add(program, context);
  return program;
}

const EXAMPLES = `
Examples:
  octavo demo                                           the shipped model serves a shop, without sharing and with it
  octavo chat                                           talk with it about a product
  octavo generate --prompt "Set a timer for 10 minutes"
  octavo help batch                                     all options of a command

Environment:
  OCTAVO_CACHE     where compiled graphs are kept
  OCTAVO_DEBUG=1   stack traces of failures
  NO_COLOR         no colours
  HF_HOME, HF_TOKEN and the other variables of the hub: octavo help pull
`;

function packageVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return manifest.version;
}

interface Run {
  readonly host: Host;
  readonly interrupt: Interrupt;
  readonly argv: readonly string[];
}

/** Effect: tells the failure, if it is one. Returns the exit status. */
function endOf(error: unknown, { host, interrupt, argv }: Run): number {
  // Asked for help or for the version.
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  // Of a file that is a pipe, such as --out /dev/stdout.
  if (isClosedPipe(error)) return 0;
  const isDebugging = Boolean(host.env.OCTAVO_DEBUG);
  const { interruption } = interrupt;
  if (interruption !== undefined && !isDebugging) return interruption.status;
  const cause = error instanceof CommanderError ? usageError(error, argv) : error;
  const { code, message, status } = describeFailure(cause);
  const hint = code === 'INTERNAL' ? ' (OCTAVO_DEBUG=1 shows where)' : '';
  host.stderr.write(`octavo: ${code}: ${message}${hint}\n`);
  if (isDebugging && cause instanceof Error) host.stderr.write(`${cause.stack}\n`);
  return interruption?.status ?? status;
}

const usageCodes: Readonly<Record<string, CommandErrorCode>> = {
  'commander.conflictingOption': 'CONFLICTING_OPTIONS',
  'commander.excessArguments': 'UNEXPECTED_ARGUMENT',
  'commander.invalidArgument': 'INVALID_OPTION',
  'commander.missingArgument': 'MISSING_ARGUMENT',
  'commander.missingMandatoryOptionValue': 'MISSING_OPTION',
  'commander.optionMissingArgument': 'INVALID_OPTION',
  'commander.unknownCommand': 'UNKNOWN_COMMAND',
  'commander.unknownOption': 'UNKNOWN_OPTION',
};

/** The parser's complaint in the form of all failures, with where to look further. Pure. */
function usageError(error: CommanderError, argv: readonly string[]): CommandError {
  const complaint = error.message
    .replace(/^error: /, '')
    .trim()
    .replace(/\.$/, '');
  const help = Object.hasOwn(commands, argv[0] ?? '') ? `octavo help ${argv[0]}` : 'octavo --help';
  return new CommandError(usageCodes[error.code] ?? 'INVALID_OPTION', `${complaint}; see ${help}.`, { cause: error });
}
