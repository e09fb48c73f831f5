/** What a bench is started with: arguments and variables. What cannot be ends the process with status 2 and a sentence, before anything runs. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Effect: reads the process's arguments. Smoke runs are not kept: nothing in them is a figure. */
export function readArguments<Options extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  options: Options,
): ReturnType<typeof parseArgs<{ readonly allowPositionals: true; readonly options: Options }>> {
  try {
    const parsed = parseArgs({ allowPositionals: true, options });
    const { smoke, save } = parsed.values as { smoke?: boolean; save?: boolean };
    if (smoke && save) endWith(command, '--smoke and --save exclude each other, as a smoke run measures nothing');
    return parsed;
  } catch (error) {
    return endWith(command, (error as Error).message);
  }
}

/** The positive number of a variable, or what is taken without one. */
export function numberFrom(variable: string, otherwise: number): number {
  const text = process.env[variable];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  return endWith(variable, `it is ${JSON.stringify(text)}, give a positive number`);
}

/** The choice that a variable names, or what is taken without one. */
export function choiceFrom<Choice extends string>(
  variable: string,
  choices: readonly Choice[],
  otherwise: Choice,
): Choice {
  const text = process.env[variable] ?? otherwise;
  const chosen = choices.find((choice) => choice === text);
  return chosen ?? endWith(variable, `it is ${JSON.stringify(text)}, give ${choices.join(', ')}`);
}

/** Effect: says on standard error what is wrong, and ends the process. */
export function endWith(what: string, problem: string): never {
  process.stderr.write(`${what}: ${problem}.\n`);
  process.exit(2);
}
