/** A measured number as it stands in tables. Pure. */
export function figureText(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}
