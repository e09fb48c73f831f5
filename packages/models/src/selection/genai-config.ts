/** What genai_config.json says of files: the format of onnxruntime-genai. */

/** The graph that `model.decoder.filename` names, or undefined when the text says nothing that can be used. Pure. */
export function genaiDecoder(text: string): string | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    // Whoever reads the configuration in full reports it.
    return undefined;
  }
  const name = field(field(field(fields, 'model'), 'decoder'), 'filename');
  return typeof name === 'string' && /^[^/\\]+\.onnx$/.test(name) ? name : undefined;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
