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
  /** Of `w8a8` matrices: their codes are not of what is stored, but of what its codes of so many bits stand for. */
  readonly throughBits?: 4 | undefined;
}
