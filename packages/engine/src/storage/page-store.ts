import type { ModelShape } from '@octavo/graph';

/** The bytes of all pages: two pools a layer. */
export class PageStore {
  readonly shape: ModelShape;
  constructor(shape: ModelShape) {
    this.shape = shape;
  }
}
