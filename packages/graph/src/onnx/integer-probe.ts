/** A small graph whose results tell whether the runtime multiplies unsigned with signed bytes exactly on this processor. */
import { PROBE_GRAPH } from './integer-probe-graph.ts';

export interface IntegerProbe {
  /** Bytes of an ONNX model without external data: x [M, width] uint8 -> y [M, outputs] float32. */
  readonly graph: Uint8Array;
  readonly width: number;
  /** [width, outputs]: what x, less 128, is multiplied with. */
  readonly matrix: Int8Array;
  readonly runs: readonly IntegerProbeRun[];
}

export interface IntegerProbeRun {
  /** x, [rowCount, width] */
  readonly codes: Uint8Array;
  readonly rowCount: number;
  /** y to the bit, [rowCount, outputs] */
  readonly expected: Float32Array;
}

/** With a rest behind what kernels take at a time, of bytes and of columns. */
export const PROBE_WIDTH = 39;
export const PROBE_OUTPUTS = 19;
/** One row and few have kernels of their own. */
const ROW_COUNTS = [1, 2, 7, 33];

export const CODE_OF_ZERO = 128;
/** Two neighbouring products of these are beyond 16 bits when added, which is where `vpmaddubsw` (x64 without VNNI) saturates without a word. */
const ROW_EXTREMES = [255, 0] as const;
const COLUMN_EXTREMES = [127, -127] as const;

/** Whether place `at` of the row or column `which` has the second extreme: nowhere, everywhere, every other one, every other two. */
function isSecond(which: number, at: number): boolean {
  return [false, true, at % 2 === 1, at % 4 > 1][which % 4] as boolean;
}

/** Pure, and cheap: an engine asks at every start, when what writes graphs is not loaded. */
export function integerProbe(): IntegerProbe {
  const matrix = probeMatrix();
  const runs = ROW_COUNTS.map((rowCount) => runOf(rowCount, matrix));
  return { graph: Buffer.from(PROBE_GRAPH, 'base64'), width: PROBE_WIDTH, matrix, runs };
}

/** [PROBE_WIDTH, PROBE_OUTPUTS] */
export function probeMatrix(): Int8Array {
  return Int8Array.from({ length: PROBE_WIDTH * PROBE_OUTPUTS }, (_, index) => {
    const [place, column] = [Math.floor(index / PROBE_OUTPUTS), index % PROBE_OUTPUTS];
    return COLUMN_EXTREMES[isSecond(column, place) ? 1 : 0];
  });
}

function runOf(rowCount: number, matrix: Int8Array): IntegerProbeRun {
  const codes = Uint8Array.from({ length: rowCount * PROBE_WIDTH }, (_, index) => {
    const [row, place] = [Math.floor(index / PROBE_WIDTH), index % PROBE_WIDTH];
    return ROW_EXTREMES[isSecond(row, place) ? 1 : 0];
  });
  const expected = Float32Array.from({ length: rowCount * PROBE_OUTPUTS }, (_, index) => {
    const [row, column] = [Math.floor(index / PROBE_OUTPUTS), index % PROBE_OUTPUTS];
    let sum = 0;
    for (let place = 0; place < PROBE_WIDTH; place += 1) {
      const code = codes[row * PROBE_WIDTH + place] as number;
      sum += (code - CODE_OF_ZERO) * (matrix[place * PROBE_OUTPUTS + column] as number);
    }
    return sum;
  });
  return { codes, rowCount, expected };
}
