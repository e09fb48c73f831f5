/**
 * Whether `pattern` names `path` (both with `/`). `*` stands for any characters within a name; a pattern without `/` is compared with the
 * last part of the path alone, so that `model_q4.onnx` finds `onnx/model_q4.onnx`. Pure.
 */
export function matchesPattern(path: string, pattern: string): boolean {
  const subject = pattern.includes('/') ? path : baseName(path);
  const expression = pattern
    .split('*')
    .map((literal) => literal.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^/]*');
  return new RegExp(`^${expression}$`).test(subject);
}

/** The last part of a path with `/`. Pure. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path without its last part; empty at the top. Pure. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
