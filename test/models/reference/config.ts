/** Fields of a config.json, which tests write themselves and need not check. */
export type Config = Readonly<Record<string, unknown>>;

export function number(config: Config, field: string, fallback?: number): number {
  const value = config[field] ?? fallback;
  if (typeof value !== 'number') throw new Error(`config has no number ${field}`);
  return value;
}

export function numbers(config: Config, field: string): readonly number[] {
  return config[field] as readonly number[];
}

export function flag(config: Config, field: string, fallback: boolean): boolean {
  return (config[field] ?? fallback) as boolean;
}

export function text(config: Config, field: string, fallback: string): string {
  return (config[field] ?? fallback) as string;
}

export function section(config: Config, field: string): Config | undefined {
  return (config[field] ?? undefined) as Config | undefined;
}
