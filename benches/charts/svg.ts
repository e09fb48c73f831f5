/** Small charts as SVG text, readable on a light and on a dark page. All pure. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What is written behind the bar. */
  readonly text: string;
  /** Where a goal lies, on the same scale. */
  readonly goal?: number | undefined;
  /** Index into the colours; bars of one series have the same. */
  readonly series: number;
}

const COLOURS = ['#2f6f9f', '#c2703d', '#6b8f3c', '#8a5fa8'] as const;
const GOAL_COLOUR = '#c0392b';
const INK = '#555';
const WIDTH = 760;
const LABEL_WIDTH = 290;
const TEXT_WIDTH = 120;
const ROW = 22;
const FONT = 'font-family="sans-serif" font-size="12"';

/** Horizontal bars from 0, one a row, with a legend when there are several series. */
export function barChart(of: {
  readonly title: string;
  readonly bars: readonly Bar[];
  readonly series?: readonly string[];
}): string {
  const { title, bars, series = [] } = of;
  const top = 30 + (series.length > 1 ? ROW : 0);
  const height = top + bars.length * ROW + 10;
  const most = Math.max(...bars.flatMap(({ value, goal }) => [value, goal ?? 0]));
  const scale = (WIDTH - LABEL_WIDTH - TEXT_WIDTH) / most;
  const rows = bars.map(({ label, value, text, goal, series: index }, row) => {
    const y = top + row * ROW;
    const mark =
      goal === undefined
        ? ''
        : `<line x1="${at(LABEL_WIDTH + goal * scale)}" x2="${at(LABEL_WIDTH + goal * scale)}" y1="${y - 1}" y2="${y + ROW - 5}" stroke="${GOAL_COLOUR}" stroke-width="2"/>`;
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${y + 13}" text-anchor="end" fill="${INK}" ${FONT}>${escaped(label)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${at(Math.max(1, value * scale))}" height="${ROW - 6}" fill="${COLOURS[index % COLOURS.length]}"/>`,
      mark,
      `<text x="${at(LABEL_WIDTH + Math.max(value, goal ?? 0) * scale + 6)}" y="${y + 13}" fill="${INK}" ${FONT}>${escaped(text)}</text>`,
    ].join('');
  });
  return document({ title, height, body: [legend(series), ...rows] });
}

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const PLOT = { left: 70, right: 20, top: 52, bottom: 46, height: 300 } as const;

/** Lines over a common x axis; y begins at 0. */
export function lineChart(of: {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
}): string {
  const { title, lines } = of;
  const points = lines.flatMap((line) => line.points);
  const mostX = Math.max(...points.map(({ x }) => x));
  const mostY = Math.max(...points.map(({ y }) => y));
  const width = WIDTH - PLOT.left - PLOT.right;
  const height = PLOT.height - PLOT.top - PLOT.bottom;
  const px = (x: number) => at(PLOT.left + (x / mostX) * width);
  const py = (y: number) => at(PLOT.top + height - (y / mostY) * height);
  const drawn = lines.map((line, index) => {
    const path = line.points.map(({ x, y }) => `${px(x)},${py(y)}`).join(' ');
    const colour = COLOURS[index % COLOURS.length];
    const dots = line.points.map(({ x, y }) => `<circle cx="${px(x)}" cy="${py(y)}" r="3" fill="${colour}"/>`).join('');
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots}`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
    `<text x="${PLOT.left - 6}" y="${py(part * mostY)}" text-anchor="end" fill="${INK}" ${FONT}>${short(part * mostY)}</text>`,
    `<text x="${px(part * mostX)}" y="${PLOT.height - PLOT.bottom + 16}" text-anchor="middle" fill="${INK}" ${FONT}>${short(part * mostX)}</text>`,
  ]);
  const axes = [
    `<path d="M ${PLOT.left} ${PLOT.top} V ${PLOT.top + height} H ${PLOT.left + width}" fill="none" stroke="${INK}"/>`,
    `<text x="${PLOT.left + width / 2}" y="${PLOT.height - 8}" text-anchor="middle" fill="${INK}" ${FONT}>${escaped(of.x)}</text>`,
    `<text x="8" y="${PLOT.top - 6}" fill="${INK}" ${FONT}>${escaped(of.y)}</text>`,
  ];
  return document({
    title,
    height: PLOT.height,
    body: [legend(lines.map(({ name }) => name)), ...axes, ...ticks, ...drawn],
  });
}

function legend(names: readonly string[]): string {
  if (names.length < 2) return '';
  return names
    .map((name, index) => {
      const x = LABEL_WIDTH + index * 150;
      return `<rect x="${x}" y="26" width="10" height="10" fill="${COLOURS[index % COLOURS.length]}"/><text x="${x + 15}" y="35" fill="${INK}" ${FONT}>${escaped(name)}</text>`;
    })
    .join('');
}

function document(of: { readonly title: string; readonly height: number; readonly body: readonly string[] }): string {
  const body = of.body.filter((part) => part !== '').join('\n');
  const title = escaped(of.title);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${of.height}" viewBox="0 0 ${WIDTH} ${of.height}" role="img" aria-label="${title}">
<text x="8" y="16" fill="${INK}" font-family="sans-serif" font-size="14" font-weight="bold">${title}</text>
${body}
</svg>
`;
}

function at(coordinate: number): number {
  return Math.round(coordinate * 10) / 10;
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
