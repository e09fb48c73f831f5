/** The tokens that a model folder names: `bos_token` and so on. */

/** Names in the order of Hugging Face transformers; each is the name of a variable in chat templates. */
const TOKEN_NAMES = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;

/** Only the tokens that the folder names; `additional_special_tokens` only when there are some. */
export type NamedTokens = Readonly<
  Partial<Record<(typeof TOKEN_NAMES)[number], string> & { additional_special_tokens: readonly string[] }>
>;

/**
 * Reads the names from `tokenizer_config.json` and, for those that it lacks, from `special_tokens_map.json` (older folders). Pure.
 * A token is a string or an object with `content`; anything else counts as not named.
 */
export function namedTokensIn(...files: readonly (Record<string, unknown> | undefined)[]): NamedTokens {
  const named: Record<string, string | readonly string[]> = {};
  for (const fields of files) {
    for (const name of TOKEN_NAMES) {
      const token = tokenOf(fields?.[name]);
      if (token !== undefined && named[name] === undefined) named[name] = token;
    }
    const additional = fields?.additional_special_tokens;
    if (Array.isArray(additional) && named.additional_special_tokens === undefined) {
      const tokens = additional.map(tokenOf).filter((token) => token !== undefined);
      if (tokens.length > 0) named.additional_special_tokens = tokens;
    }
  }
  return named;
}

/** All named tokens; transformers skips each of them in decoded text. Pure. */
export function allTokensOf(named: NamedTokens): readonly string[] {
  return Object.values(named).flat();
}

function tokenOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || !('content' in value)) return undefined;
  return typeof value.content === 'string' ? value.content : undefined;
}
