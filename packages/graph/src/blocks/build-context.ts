import type { MatrixFormat } from '../compiled-model.ts';
import type { GraphBuilder } from '../ir/builder.ts';
import type { TensorSource } from '../weights/weight-files.ts';

/** What every block needs: where nodes go, where weights come from, and in which format they are wanted. */
export interface BuildContext {
  readonly graph: GraphBuilder;
  readonly weights: TensorSource;
  readonly format: MatrixFormat;
  /** As the compile option says. Default false. */
  readonly unsignedCodes?: boolean;
  /** `w8a8` codes are made of what codes of so many bits stand for, not of the original. */
  readonly throughBits?: 4 | undefined;
}
