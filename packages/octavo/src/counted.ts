/** A count and what is counted, in the number that fits: `1 page`, `1,200 pages`, `0 matches`. Pure. */
export function counted(count: number, one: string, many = `${one}s`): string {
  const whole = Math.round(count);
  return `${whole.toLocaleString('en-US')} ${whole === 1 ? one : many}`;
}
