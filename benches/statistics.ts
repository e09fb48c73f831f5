/** Summaries of samples. All pure. */

/** Linear interpolation between the two samples around `share` (0 to 1) of the way. Throws when there are none. */
export function percentile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new Error('There are no samples.');
  const sorted = [...samples].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] as number;
  const above = sorted[Math.ceil(place)] as number;
  return below + (above - below) * (place - Math.floor(place));
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** Smallest and largest of at least two samples. */
export function spreadOf(samples: readonly number[]): { readonly low: number; readonly high: number } | undefined {
  return samples.length < 2 ? undefined : { low: Math.min(...samples), high: Math.max(...samples) };
}

export function mean(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/** Two-sided 95 % points of Student's t distribution for 1 to 30 degrees of freedom; beyond, the normal one is near enough. */
const STUDENT_95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** 95 % confidence interval of the mean. Needs two samples. */
export function confidence95(samples: readonly number[]): { readonly low: number; readonly high: number } {
  if (samples.length < 2) throw new Error('An interval needs at least two samples.');
  const center = mean(samples);
  const variance = samples.reduce((sum, sample) => sum + (sample - center) ** 2, 0) / (samples.length - 1);
  const half = (STUDENT_95[samples.length - 2] ?? 1.96) * Math.sqrt(variance / samples.length);
  return { low: center - half, high: center + half };
}

/** Least squares of y = intercept + slope x. Needs two different x. */
export function fitLine(points: readonly { readonly x: number; readonly y: number }[]): {
  readonly intercept: number;
  readonly slope: number;
} {
  const x = mean(points.map((point) => point.x));
  const y = mean(points.map((point) => point.y));
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  if (!(spread > 0)) throw new Error('A line needs two different x.');
  const slope = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread;
  return { intercept: y - slope * x, slope };
}

/** Exponent of y = c x^exponent, by least squares over the logarithms: 0 is constant, 1 is linear. Needs positive values. */
export function fitExponent(points: readonly { readonly x: number; readonly y: number }[]): number {
  return fitLine(points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }))).slope;
}
