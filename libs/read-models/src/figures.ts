/** The arithmetic of spec §7.0: exact, half-up, null on a zero denominator, nearest-rank percentiles. */

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** numerator / denominator of two integers, rounded half-up to `places` decimals; null when the denominator is 0. */
export function quotient(numerator: number, denominator: number, places: number): number | null {
  if (denominator === 0) return null;
  const scale = 10 ** places;
  const doubled = 2 * numerator * scale;
  if (Number.isSafeInteger(doubled) && Number.isSafeInteger(2 * denominator)) {
    return Math.floor((doubled + denominator) / (2 * denominator)) / scale;
  }
  const below = 2n * BigInt(denominator);
  const above = 2n * BigInt(numerator) * BigInt(scale) + BigInt(denominator);
  // BigInt division cuts towards zero; half-up needs the floor.
  const floor = above / below - (above % below !== 0n && above < 0n !== below < 0n ? 1n : 0n);
  return Number(floor) / scale;
}

/** A rate: 6 places. */
export const rate = (numerator: number, denominator: number): number | null => quotient(numerator, denominator, 6);

/** Nearest rank: value number ⌈percent·n/100⌉ of the sorted values; null when there are none. */
export function percentile(sorted: ArrayLike<number>, percent: number): number | null {
  if (sorted.length === 0) return null;
  return sorted[Math.max(1, Math.ceil((percent * sorted.length) / 100)) - 1] as number;
}

export interface Spread {
  readonly n: number;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

/** Of integer values (ms, s), given in units of `unit` of them, 4 places. */
export function spread(values: ArrayLike<number>, unit: number): Spread {
  const sorted = Float64Array.from(values).sort();
  let sum = 0;
  for (const value of sorted) sum += value;
  const inUnits = (value: number | null): number | null => (value === null ? null : quotient(value, unit, 4));
  return {
    n: sorted.length,
    mean: quotient(sum, sorted.length * unit, 4),
    p50: inUnits(percentile(sorted, 50)),
    p90: inUnits(percentile(sorted, 90)),
    p95: inUnits(percentile(sorted, 95)),
    max: inUnits(sorted.length === 0 ? null : (sorted[sorted.length - 1] as number)),
  };
}
