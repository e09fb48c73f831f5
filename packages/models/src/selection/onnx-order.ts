/** Which of several ONNX exports of one model is taken when nobody says. */
import { baseName } from './file-pattern.ts';

/**
 * The names that exporters use, best first. Full precision leads, since its answers are those of the original model; then come the
 * formats in the order of what they lose. `_quantized`, `_int8` and `_uint8` quantise activations too. A merged decoder has both of
 * its uses in one graph.
 */
const STEMS = ['model', 'decoder_model_merged', 'decoder_with_past_model'];
const SUFFIXES = ['', '_fp16', '_q4', '_q4f16', '_quantized', '_int8', '_uint8', '_bnb4'];
const ORDER: readonly string[] = STEMS.flatMap((stem) => SUFFIXES.map((suffix) => `${stem}${suffix}.onnx`));

/**
 * The file to take: the only one, else the first by name in the order above; of two with one name, the one nearer to the top. Undefined
 * when no name is known. Pure.
 */
export function preferredOnnx(paths: readonly string[]): string | undefined {
  if (paths.length === 1) return paths[0];
  const ranked = paths
    .map((path) => ({ path, rank: ORDER.indexOf(baseName(path)), depth: path.split('/').length }))
    .filter(({ rank }) => rank !== -1)
    .sort((a, b) => a.rank - b.rank || a.depth - b.depth || (a.path < b.path ? -1 : 1));
  return ranked[0]?.path;
}
