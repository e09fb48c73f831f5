/** Memory against accuracy, drawn for a terminal and as SVG. */
import type { Measured } from './settings.ts';

const COLUMNS = 60;
const ROWS = 12;

interface Range {
  readonly low: number;
  readonly high: number;
}

/** Where a value lies in a range, from 0 to 1; the middle of a range without extent. */
function place(value: number, { low, high }: Range): number {
  return high === low ? 0.5 : (value - low) / (high - low);
}

function rangeOf(values: readonly number[]): Range {
  return { low: Math.min(...values), high: Math.max(...values) };
}

/**
 * Lines of characters: memory from left to right, accuracy from bottom to top; each setting is the number that it has in the table, counted
 * from 1 (`*` where several are in one place). Pure.
 */
export function drawPlot(measured: readonly Measured[], formatMemory: (bytes: number) => string): string {
  const memory = rangeOf(measured.map(({ memoryBytes }) => memoryBytes));
  const accuracy = rangeOf(measured.map((setting) => setting.accuracy));
  const grid = Array.from({ length: ROWS }, () => new Array<string>(COLUMNS).fill(' '));
  for (const [index, setting] of measured.entries()) {
    const label = String(index + 1);
    const column = Math.round(place(setting.memoryBytes, memory) * (COLUMNS - label.length));
    const row = grid[Math.round((1 - place(setting.accuracy, accuracy)) * (ROWS - 1))] as string[];
    const isTaken = [...label].some((_, i) => row[column + i] !== ' ');
    for (const [i, digit] of [...label].entries()) row[column + i] = isTaken ? '*' : digit;
  }
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`.padStart(8);
  const margin = ' '.repeat(8);
  const lines = grid.map((row, at) => {
    const left = at === 0 ? percent(accuracy.high) : at === ROWS - 1 ? percent(accuracy.low) : margin;
    return `${left} |${row.join('')}`.trimEnd();
  });
  const [low, high] = [formatMemory(memory.low), formatMemory(memory.high)];
  return [
    'accuracy',
    ...lines,
    `${margin} +${'-'.repeat(COLUMNS)}`,
    `${margin}  ${low}${high.padStart(COLUMNS - low.length)}  memory`,
  ].join('\n');
}

const WIDTH = 640;
const HEIGHT = 400;
const MARGIN = 60;

/** The same as a picture, with the name of each setting beside it. Pure. */
export function drawSvg(measured: readonly Measured[], formatMemory: (bytes: number) => string): string {
  const memory = rangeOf(measured.map(({ memoryBytes }) => memoryBytes));
  const accuracy = rangeOf(measured.map((setting) => setting.accuracy));
  const points = measured.map((setting) => {
    const x = Math.round(MARGIN + place(setting.memoryBytes, memory) * (WIDTH - 4 * MARGIN));
    const y = Math.round(HEIGHT - MARGIN - place(setting.accuracy, accuracy) * (HEIGHT - 2 * MARGIN));
    return `  <circle cx="${x}" cy="${y}" r="4"/><text x="${x + 8}" y="${y + 4}">${escaped(setting.name)}</text>`;
  });
  const bottom = HEIGHT - MARGIN + 20;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `  <rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `  <path d="M${MARGIN} ${MARGIN / 2}V${HEIGHT - MARGIN + 6}H${WIDTH - MARGIN / 2}" fill="none" stroke="black"/>`,
    `  <text x="8" y="${MARGIN + 4}">${(100 * accuracy.high).toFixed(1)} %</text>`,
    `  <text x="8" y="${HEIGHT - MARGIN + 4}">${(100 * accuracy.low).toFixed(1)} %</text>`,
    `  <text x="${MARGIN}" y="${bottom}">${formatMemory(memory.low)}</text>`,
    `  <text x="${WIDTH - 3 * MARGIN}" y="${bottom}" text-anchor="middle">${formatMemory(memory.high)}</text>`,
    `  <text x="${WIDTH / 2}" y="${bottom + 20}" text-anchor="middle">memory</text>`,
    `  <text x="8" y="${MARGIN / 2}">accuracy</text>`,
    ...points,
    '</svg>',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
