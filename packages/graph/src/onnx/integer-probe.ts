/** A small graph whose results tell whether the runtime multiplies unsigned with signed bytes exactly on this processor. */
import { GraphBuilder } from '../ir/builder.ts';

export interface IntegerProbe {
  /** Bytes of an ONNX model without external data. */
  readonly graph: Uint8Array;
  /** Each gives every input of the graph, and says what every output must be, to the bit. */
  readonly runs: readonly IntegerProbeRun[];
}

export interface IntegerProbeRun {
  readonly rowCount: number;
  readonly products: readonly IntegerProbeProduct[];
}

export interface IntegerProbeProduct {
  readonly input: string;
  /** [rowCount, width] */
  readonly codes: Uint8Array;
  readonly width: number;
  /** [width, outputs] */
  readonly matrix: Int8Array;
  readonly output: string;
  /** [rowCount, outputs] */
  readonly expected: Float32Array;
}

/** With and without a rest behind the bytes that an instruction takes; sums of up to 576 products of two bytes are exact in float32. */
const WIDTHS = [32, 103, 576];
/** One row and few have kernels of their own. */
const ROW_COUNTS = [1, 2, 7, 64];
/** With a rest behind the columns that a kernel takes. */
const OUTPUTS = 37;

const CODE_OF_ZERO = 128;
/** Neighbouring products of these are beyond 16 bits when added, which is where `vpmaddubsw` (x64 without VNNI) saturates without a word. */
const ROW_EXTREMES = [255, 0] as const;
const COLUMN_EXTREMES = [127, -127] as const;

/** Whether place `at` of the row or column `which` has the second extreme: nowhere, everywhere, every other one, every other two. */
function isSecond(which: number, at: number): boolean {
  return [false, true, at % 2 === 1, at % 4 > 1][which % 4] as boolean;
}

/** Pure. Matrices are constants, so that the runtime packs them as it packs a model's. */
export async function integerProbe(): Promise<IntegerProbe> {
  const graph = GraphBuilder.create();
  const zero = graph.tensor({ name: 'zero', type: 'uint8', shape: [] }, Uint8Array.of(CODE_OF_ZERO));
  const one = graph.floats([1], []);
  for (const width of WIDTHS) {
    const rows = graph.input(`rows_${width}`, 'uint8', ['M', width]);
    const shape = [width, OUTPUTS];
    const matrix = graph.tensor(
      { name: `matrix_${width}`, type: 'int8', shape },
      new Uint8Array(matrixOf(width).buffer),
    );
    const call = {
      operator: 'MatMulIntegerToFloat',
      domain: 'com.microsoft',
      inputs: [rows, matrix, one, one, zero],
    } as const;
    graph.output(graph.call(call, 'float32', ['M', OUTPUTS], `sums_${width}`));
  }
  const runs = ROW_COUNTS.map((rowCount) => ({
    rowCount,
    products: WIDTHS.map((width) => productOf(width, rowCount)),
  }));
  // Not at the head of the file: what writes graphs takes long to load.
  const { emitOnnx } = await import('./emit.ts');
  return { graph: emitOnnx(graph.finish(), new Map()), runs };
}

/** [width, OUTPUTS] */
function matrixOf(width: number): Int8Array {
  return Int8Array.from({ length: width * OUTPUTS }, (_, index) => {
    const [place, column] = [Math.floor(index / OUTPUTS), index % OUTPUTS];
    return COLUMN_EXTREMES[isSecond(column, place) ? 1 : 0];
  });
}

function productOf(width: number, rowCount: number): IntegerProbeProduct {
  const matrix = matrixOf(width);
  const codes = Uint8Array.from({ length: rowCount * width }, (_, index) => {
    const [row, place] = [Math.floor(index / width), index % width];
    return ROW_EXTREMES[isSecond(row, place) ? 1 : 0];
  });
  const expected = Float32Array.from({ length: rowCount * OUTPUTS }, (_, index) => {
    const [row, column] = [Math.floor(index / OUTPUTS), index % OUTPUTS];
    let sum = 0;
    for (let place = 0; place < width; place += 1) {
      sum += ((codes[row * width + place] as number) - CODE_OF_ZERO) * (matrix[place * OUTPUTS + column] as number);
    }
    return sum;
  });
  return { input: `rows_${width}`, codes, width, matrix, output: `sums_${width}`, expected };
}
