/** Bits of the nearest half-precision number. Pure. Throws for what is too large. */
export function halfPrecision(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  // Below the normal range halves are multiples of 2^-24; a carry gives the smallest normal one.
  if (exponent <= 0) return sign | Math.round(Math.abs(value) * 2 ** 24);
  if (exponent >= 31) throw new Error(`${value} is too large for half precision`);
  const mantissa = bits & 0x7fffff;
  // A carry out of the mantissa raises the exponent, as it should.
  return sign | ((exponent << 10) + ((mantissa + 0x1000) >>> 13));
}
