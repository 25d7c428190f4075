import type { Item } from './oracle.js';

/** Figures of spec §7.0 the slow way, and the leads behind them. */

/** The whole number next to a fraction; from the middle the one above. */
export function halfUpWhole(numerator: bigint, denominator: bigint): number {
  const [above, below] = [2n * numerator + denominator, 2n * denominator];
  const remainder = ((above % below) + below) % below;
  return Number((above - remainder) / below);
}
export const halfUp = (numerator: number, denominator: number, places: number): number | null => {
  if (denominator === 0) return null;
  return halfUpWhole(BigInt(numerator) * 10n ** BigInt(places), BigInt(denominator)) / 10 ** places;
};
export const distinct = (items: readonly { leadId: string }[]): string[] =>
  [...new Set(items.map((i) => i.leadId))].sort();
export const counted = (items: readonly Item[]) => ({ count: items.length, leads: distinct(items) });
export const rated = (numerator: readonly Item[], denominator: readonly Item[]) => ({
  numerator: numerator.length,
  denominator: denominator.length,
  rate: halfUp(numerator.length, denominator.length, 6),
  leads: distinct(numerator),
  denominatorLeads: distinct(denominator),
});
/** Nearest rank by counting: the smallest value that at least the share of values do not exceed. */
export const rank = (values: readonly number[], percent: number): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.find((_, index) => (index + 1) * 100 >= percent * sorted.length) ?? null;
};
export const spreadOf = (values: readonly number[], unit: number) => {
  const shown = (value: number | null) => (value === null ? null : halfUp(value, unit, 4));
  return {
    n: values.length,
    mean: halfUp(
      values.reduce((sum, value) => sum + value, 0),
      values.length * unit,
      4,
    ),
    p50: shown(rank(values, 50)),
    p90: shown(rank(values, 90)),
    p95: shown(rank(values, 95)),
    max: shown(values.length === 0 ? null : Math.max(...values)),
  };
};

/** 7.2: reached(X) = earliest entry to X or any higher mandatory state; strictly: earliest entry to X. */
/** Groups by a name, the most frequent first, those without one last. */
export const named = <T>(items: readonly T[], nameOf: (item: T) => string | null): [string | null, T[]][] =>
  [...new Set(items.map(nameOf))]
    .map((name): [string | null, T[]] => [name, items.filter((item) => nameOf(item) === name)])
    .sort(([a, m], [b, n]) => n.length - m.length || (a === null ? 1 : b === null ? -1 : a < b ? -1 : 1));
