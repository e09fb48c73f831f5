/**
 * float16 tensors over Uint16Array, on every version of Node.js. Where `Float16Array` exists, the runtime's JavaScript half insists on it while
 * its native half cannot read it; it looks for that class once, when the first tensor is made. So the first one is made while it is out of sight.
 */
import { Tensor } from 'onnxruntime-node';

const scope = globalThis as { Float16Array?: unknown };

/** Must be called before any tensor of the process is made. Idempotent. */
export function useBitsForHalves(): void {
  const hidden = Object.getOwnPropertyDescriptor(scope, 'Float16Array');
  if (hidden === undefined) {
    new Tensor('float32', new Float32Array(1), [1]);
    return;
  }
  Reflect.deleteProperty(scope, 'Float16Array');
  try {
    new Tensor('float32', new Float32Array(1), [1]);
  } finally {
    Object.defineProperty(scope, 'Float16Array', hidden);
  }
}
