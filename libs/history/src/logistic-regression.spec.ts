import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aucOfScores, compareAuc } from './auc.js';
import { fitLogistic, type SparseRows } from './logistic-regression.js';

function sparse(rows: readonly (readonly number[])[], features: number): SparseRows {
  const firstEntry = new Uint32Array(rows.length + 1);
  const feature: number[] = [];
  const value: number[] = [];
  rows.forEach((row, n) => {
    row.forEach((one, of) => {
      if (one === 0) return;
      feature.push(of);
      value.push(one);
    });
    firstEntry[n + 1] = feature.length;
  });
  return { features, firstEntry, feature: Uint16Array.from(feature), value: Float64Array.from(value) };
}

const aCase = fc
  .integer({ min: 1, max: 4 })
  .chain((features) =>
    fc.array(
      fc.record({
        x: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: features, maxLength: features }),
        y: fc.integer({ min: 0, max: 1 }),
      }),
      { minLength: 8, maxLength: 60 },
    ),
  )
  .filter((rows) => new Set(rows.map(({ y }) => y)).size === 2);

describe('logistic regression', () => {
  it('finds where the penalised likelihood is flat', () => {
    fc.assert(
      fc.property(aCase, fc.constantFrom(0.5, 1, 10), (rows, l2) => {
        const features = rows[0]!.x.length;
        const fit = fitLogistic(
          sparse(rows.map(({ x }) => x), features),
          Uint8Array.from(rows, ({ y }) => y),
          { l2 },
        ); // prettier-ignore
        const mean = (of: number) => rows.reduce((sum, { x }) => sum + x[of]!, 0) / rows.length;
        const deviation = (of: number) =>
          Math.sqrt(rows.reduce((sum, { x }) => sum + (x[of]! - mean(of)) ** 2, 0) / rows.length);
        const error = ({ x, y }: (typeof rows)[number]) =>
          y - 1 / (1 + Math.exp(-(fit.intercept + x.reduce((sum, one, of) => sum + one * fit.weights[of]!, 0))));
        expect(Math.abs(rows.reduce((sum, row) => sum + error(row), 0))).toBeLessThan(1e-3);
        for (let of = 0; of < features; of++) {
          const scale = deviation(of);
          if (scale < 1e-5) expect(fit.weights[of]).toBe(0);
          else {
            const slope =
              rows.reduce((sum, row) => sum + error(row) * row.x[of]!, 0) / scale - l2 * fit.weights[of]! * scale;
            expect(Math.abs(slope)).toBeLessThan(1e-3);
          }
        }
      }),
    );
  });

  it('does not run away where a feature tells the labels apart completely', () => {
    const rows = sparse([[1], [1], [1], [0], [0], [0]], 1);
    const { converged, standardErrors, weights } = fitLogistic(rows, Uint8Array.of(1, 1, 1, 0, 0, 0), { l2: 1 });
    expect(converged).toBe(true);
    expect(weights[0]).toBeGreaterThan(0);
    expect(weights[0]).toBeLessThan(10);
    expect(standardErrors[0]).toBeGreaterThan(0);
  });
});

describe('AUC', () => {
  const scored = fc.array(
    fc.record({ a: fc.constantFrom(-Infinity, 0, 1, 2, 3), b: fc.integer({ min: 0, max: 4 }), y: fc.integer({ min: 0, max: 1 }) }),
    { minLength: 2, maxLength: 40 },
  ); // prettier-ignore

  it('is the share of pairs in the right order, equals counting half', () => {
    fc.assert(
      fc.property(scored, (rows) => {
        const positives = rows.filter(({ y }) => y === 1);
        const negatives = rows.filter(({ y }) => y === 0);
        const auc = aucOfScores(
          Float64Array.from(rows, ({ a }) => a),
          Uint8Array.from(rows, ({ y }) => y),
        );
        if (positives.length === 0 || negatives.length === 0) return expect(auc).toBeNull();
        const pairs = positives.flatMap((p) => negatives.map((n): number => (p.a > n.a ? 1 : p.a === n.a ? 0.5 : 0)));
        expect(auc).toBeCloseTo(pairs.reduce((sum, one) => sum + one, 0) / pairs.length, 10);
      }),
    );
  });

  it('compares two scores of the same leads: none with itself, and as far apart as their AUCs', () => {
    fc.assert(
      fc.property(scored, (rows) => {
        const labels = Uint8Array.from(rows, ({ y }) => y);
        const [a, b] = [Float64Array.from(rows, (row) => row.a), Float64Array.from(rows, (row) => row.b)];
        const [aucA, aucB] = [aucOfScores(a, labels), aucOfScores(b, labels)];
        if (aucA === null || aucB === null) return;
        expect(compareAuc(a, a, labels)).toEqual({ difference: 0, interval: [0, 0] });
        const { difference, interval } = compareAuc(a, b, labels);
        expect(difference).toBeCloseTo(aucA - aucB, 10);
        expect(interval[0]).toBeLessThanOrEqual(difference);
        expect(interval[1]).toBeGreaterThanOrEqual(difference);
      }),
    );
  });
});
