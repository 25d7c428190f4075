import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { percentile, quotient, rate, spread } from './figures.js';

describe('the arithmetic of figures (spec 7.0)', () => {
  it('rounds half-up, to 6 places for rates', () => {
    expect(rate(17, 19)).toBe(0.894737);
    expect(rate(1, 3)).toBe(0.333333);
    expect(rate(2, 3)).toBe(0.666667);
    expect(quotient(1, 2_000_000, 6)).toBe(0.000001);
    expect(quotient(-1, 2_000_000, 6)).toBe(0);
  });

  it('is null when there is nothing to divide by', () => {
    expect(rate(0, 0)).toBeNull();
    expect(spread([], 1)).toEqual({ n: 0, mean: null, p50: null, p90: null, p95: null, max: null });
  });

  it('is exact for integers of any size', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (numerator, denominator) => {
        const scaled = (2n * BigInt(numerator) * 1_000_000n + BigInt(denominator)) / (2n * BigInt(denominator));
        expect(rate(numerator, denominator)).toBe(Number(scaled) / 1e6);
      }),
    );
  });

  it('takes the smallest value that at least the asked share of values do not exceed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(50), { minLength: 1, maxLength: 200, size: 'max' }),
        fc.constantFrom(50, 90, 95),
        (values, percent) => {
          const sorted = [...values].sort((a, b) => a - b);
          const expected = sorted.find(
            (value) => sorted.filter((other) => other <= value).length * 100 >= percent * sorted.length,
          );
          expect(percentile(sorted, percent)).toBe(expected);
        },
      ),
    );
  });
});
