/**
 * Checks of options objects, table-driven: one check a key, the table complete by its type. A key without a check is unknown, and
 * unknown keys are errors: a misspelled option must not be ignored silently.
 */
import { EngineError } from './errors.ts';

/** What a value has to be, in words that continue "give ...", or undefined when it is. */
export type Check = (value: unknown) => string | undefined;
export type CheckTable<Options> = { readonly [Key in keyof Required<Options>]: Check };

/** Throws UNKNOWN_OPTION or INVALID_OPTION for the first key at fault. Values of `undefined` count as absent. Pure. */
export function checkOptions<Options>(where: string, options: unknown, table: CheckTable<Options>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new EngineError('INVALID_OPTION', `${where} is ${describe(options)}: give an object.`);
  }
  const checks = new Map<string, Check>(Object.entries(table));
  for (const [key, value] of Object.entries(options)) {
    const check = checks.get(key);
    if (!check) {
      throw new EngineError(
        'UNKNOWN_OPTION',
        `${where} does not know ${key}: it takes ${[...checks.keys()].join(', ')}.`,
        {
          details: { option: key },
        },
      );
    }
    const wanted = value === undefined ? undefined : check(value);
    if (wanted !== undefined) {
      throw new EngineError('INVALID_OPTION', `${key} of ${where} is ${describe(value)}: give ${wanted}.`, {
        details: { option: key },
      });
    }
  }
}

export function integerIn(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): Check {
  const words =
    maximum === Number.MAX_SAFE_INTEGER
      ? `an integer of at least ${minimum}`
      : `an integer from ${minimum} to ${maximum}`;
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum ? undefined : words;
}

export function oneOf(...choices: readonly string[]): Check {
  return (value) =>
    choices.includes(value as string) ? undefined : choices.map((choice) => `'${choice}'`).join(' or ');
}

export function listOf(element: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return 'a list';
    const at = value.findIndex((entry) => element(entry) !== undefined);
    return at < 0 ? undefined : `a list, each element ${element(value[at])}`;
  };
}

export const isBoolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');
export const isString: Check = (value) => (typeof value === 'string' ? undefined : 'a string');
export const isText: Check = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'a string that is not empty';
export const isFunction: Check = (value) => (typeof value === 'function' ? undefined : 'a function');
export const isSignal: Check = (value) => (value instanceof AbortSignal ? undefined : 'an AbortSignal');
/** For values that are checked elsewhere. */
export const isAnything: Check = () => undefined;

/** A value in a sentence. Pure. */
function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}...` : value}'`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}
