import type { KvType, ModelShape } from '@octavo/graph';
import type { MemorySaving } from '../api.ts';
import { bytesPerToken } from './page-layout.ts';

/** What less a token takes than in the model as it was, in 32-bit floats: trim by trim, in the order in which they are made. Pure. */
export function savingsOf(whole: ModelShape, shape: ModelShape, kvType: KvType): MemorySaving[] {
  const savings: MemorySaving[] = [];
  let before = bytesPerToken(whole, 'f32');
  const add = (trim: MemorySaving['trim'], after: number) => {
    savings.push({ trim, bytesPerTokenSaved: before - after });
    before = after;
  };
  const fewer = { ...whole, layers: shape.layers };
  if (shape.layers !== whole.layers) add('dropLayers', bytesPerToken(fewer, 'f32'));
  if (shape.kvHeads !== whole.kvHeads) add('kvHeads', bytesPerToken(shape, 'f32'));
  if (shape.windows.join() !== whole.windows.join() || shape.hasFullLayers !== whole.hasFullLayers) {
    add('windowTokens', before);
  }
  if (kvType !== 'f32') add('kvType', bytesPerToken(shape, kvType));
  return savings;
}
