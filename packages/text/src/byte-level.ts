/**
 * The byte-level alphabet of GPT-2: each byte is written as one printable character, so that a vocabulary of bytes can be a JSON file.
 * Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", and the encoder published with it.
 */

/** The 68 bytes that are not printable are written as the characters from here on, in their order. */
const FIRST_SUBSTITUTE = 0x100;

/** [code unit] the byte that it stands for. */
const byteOfCodeUnit = makeAlphabet();

/** The byte that a character of the alphabet stands for; undefined for any other one. Pure. */
export function byteOf(codeUnit: number): number | undefined {
  return byteOfCodeUnit.get(codeUnit);
}

/** Whether every character of a token is in the alphabet. Pure. */
export function isByteLevel(token: string): boolean {
  for (let at = 0; at < token.length; at += 1) {
    if (!byteOfCodeUnit.has(token.charCodeAt(at))) return false;
  }
  return true;
}

function makeAlphabet(): ReadonlyMap<number, number> {
  const bytes = new Map<number, number>();
  let substitute = FIRST_SUBSTITUTE;
  for (let byte = 0; byte < 256; byte += 1) {
    bytes.set(isPrintable(byte) ? byte : substitute, byte);
    if (!isPrintable(byte)) substitute += 1;
  }
  return bytes;
}

/** Printable in Latin-1, without the space and the soft hyphen. */
function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}
