import { GraphError } from '../errors.ts';

export interface CountRange {
  readonly least?: number;
  readonly most: number;
}

/** No model has numbers beyond these; products and quotients of those within them are sure to be float32 numbers. */
const LEAST_POSITIVE = 1e-15;
const MOST_POSITIVE = 1e15;

/** Typed, range-checked access to the fields of a config.json. Each getter throws CONFIG_INVALID with the field's name. */
export class ConfigReader {
  readonly file: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>, file: string) {
    this.#fields = fields;
    this.file = file;
  }

  /** Whether the field is there; null counts as absent, as it does for the tools that write these files. */
  has(field: string): boolean {
    return this.#get(field) !== undefined;
  }

  count(field: string, range: CountRange): number {
    const value = this.#get(field);
    const least = range.least ?? 1;
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > range.most) {
      throw this.fault(`${field} is ${describe(value)} where a whole number from ${least} to ${range.most} belongs`);
    }
    return value as number;
  }

  countOr(field: string, fallback: number, range: CountRange): number {
    return this.has(field) ? this.count(field, range) : fallback;
  }

  /** A positive number of a size that models have. */
  positiveOr(field: string, fallback: number): number {
    return this.has(field) ? this.positive(field) : fallback;
  }

  positive(field: string): number {
    const value = this.#get(field);
    if (typeof value !== 'number' || !(value >= LEAST_POSITIVE && value <= MOST_POSITIVE)) {
      throw this.fault(`${field} is ${describe(value)} where a positive number belongs`);
    }
    return value;
  }

  flagOr(field: string, fallback: boolean): boolean {
    const value = this.#get(field) ?? fallback;
    if (typeof value !== 'boolean') throw this.fault(`${field} is ${describe(value)} where true or false belongs`);
    return value;
  }

  textOr(field: string, fallback: string): string {
    const value = this.#get(field) ?? fallback;
    if (typeof value !== 'string') throw this.fault(`${field} is ${describe(value)} where a text belongs`);
    return value;
  }

  /** The strings of a list; empty when it is absent. */
  texts(field: string): readonly string[] {
    const value = this.#get(field) ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw this.fault(`${field} is ${describe(value)} where a list of texts belongs`);
    }
    return value;
  }

  /** The finite numbers of a list; undefined when it is absent. */
  numbers(field: string): readonly number[] | undefined {
    const value = this.#get(field);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'number' && Number.isFinite(item))) {
      throw this.fault(`${field} is ${describe(value)} where a list of numbers belongs`);
    }
    return value as number[];
  }

  /** A field as it is, for those whose form is too particular for a getter; undefined when it is absent. */
  raw(field: string): unknown {
    return this.#get(field);
  }

  /** A nested object; undefined when it is absent. */
  section(field: string): ConfigReader | undefined {
    const value = this.#get(field);
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw this.fault(`${field} is ${describe(value)} where an object belongs`);
    }
    return new ConfigReader(value as Record<string, unknown>, this.file);
  }

  /** The same fields, one of them another. Pure. */
  with(field: string, value: unknown): ConfigReader {
    return new ConfigReader({ ...this.#fields, [field]: value }, this.file);
  }

  /** Token ids given as one number or as a list; undefined when the field is absent. */
  tokenIds(field: string): readonly number[] | undefined {
    const value = this.#get(field);
    if (value === undefined) return undefined;
    const ids: unknown[] = Array.isArray(value) ? value : [value];
    if (!ids.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) {
      throw this.fault(`${field} is ${describe(value)} where a token id or a list of them belongs`);
    }
    return ids as number[];
  }

  fault(what: string): GraphError {
    return new GraphError('CONFIG_INVALID', `${this.file}: ${what}; correct the file or fetch it again`, {
      file: this.file,
    });
  }

  #get(field: string): unknown {
    // Own fields only: a config must not reach what every object inherits.
    const value = Object.hasOwn(this.#fields, field) ? this.#fields[field] : undefined;
    return value ?? undefined;
  }
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
