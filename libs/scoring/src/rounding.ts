/** Spec §5.3: points → whole milli-points, half away from zero. Never −0. */
export function milliPoints(points: number): number {
  const magnitude = Math.floor(Math.abs(points * 1000) + 0.5);
  return points < 0 && magnitude !== 0 ? -magnitude : magnitude;
}

/**
 * Whole parts of `total` that follow `values` (points) as closely as whole parts can and whose sum is `total` exactly: each is
 * rounded down, what is left goes to the largest remainders, the first of equals first.
 */
export function apportion(values: readonly number[], total: number): number[] {
  const parts = values.map((value) => Math.floor(value * 1000));
  const byRemainder = values
    .map((value, index) => ({ index, remainder: value * 1000 - Math.floor(value * 1000) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  let left = total - parts.reduce((sum, part) => sum + part, 0);
  for (let n = 0; left > 0 && byRemainder.length > 0; n = (n + 1) % byRemainder.length, left--)
    parts[byRemainder[n]!.index]! += 1;
  // Floating point may have put the sum of the floors a hair above the rounded total: taken from the smallest remainders.
  for (let n = byRemainder.length - 1; left < 0 && n >= 0; n--, left++) parts[byRemainder[n]!.index]! -= 1;
  return parts;
}
