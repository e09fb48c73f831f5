/**
 * Digests of a prompt's full pages, chained: equal leading pages under one salt have equal digests. They only find candidates;
 * tokens are compared before anything is shared. Mixing as in MurmurHash3's 32-bit variant (Austin Appleby, public domain).
 */

/** [floor(tokens / pageSize)] digest of the tokens up to and with each full page. O(tokens + salt). */
export function promptDigests(tokens: Uint32Array, tokenCount: number, pageSize: number, salt: string): Int32Array {
  const digests = new Int32Array(Math.floor(tokenCount / pageSize));
  let state = 0;
  for (let at = 0; at < salt.length; at += 1) state = mixed(state, salt.charCodeAt(at));
  let token = 0;
  for (let page = 0; page < digests.length; page += 1) {
    for (const end = token + pageSize; token < end; token += 1) state = mixed(state, tokens[token]!);
    digests[page] = state;
  }
  return digests;
}

function mixed(state: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = state ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}
