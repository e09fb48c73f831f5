/**
 * The byte-level alphabet of GPT-2: each byte is written as one printable character, so that a vocabulary of bytes can be a JSON file.
 * Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", and the encoder published with it.
 */

/** The 68 bytes that are not printable are written as the characters from here on, in their order. */
const FIRST_SUBSTITUTE = 0x100;

/** [code unit] the byte that it stands for. */
const byteOfCodeUnit = makeAlphabet();

/** The bytes that a token stands for; undefined when it has a character outside the alphabet. Pure. */
export function byteLevelBytes(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let at = 0; at < token.length; at += 1) {
    const byte = byteOfCodeUnit.get(token.charCodeAt(at));
    if (byte === undefined) return undefined;
    bytes[at] = byte;
  }
  return bytes;
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
