import { Temporal } from 'temporal-polyfill';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { Money } from './lead-row.js';
import { invalidParameter } from './report-error.js';
import type { ReportParams } from './report-params.js';

/** The local year, quarter or month that [from, to) is exactly, as targets are named: `2026-Q2`; null: none of them. */
export function periodName({ fromMs, toMs, tz }: ReportParams): string | null {
  if (fromMs === null || toMs === null) return null;
  const from = Temporal.Instant.fromEpochMilliseconds(fromMs).toZonedDateTimeISO(tz);
  const date = from.toPlainDate();
  if (date.day !== 1 || from.startOfDay().epochMilliseconds !== fromMs) return null;
  const ends = (months: number): boolean => date.add({ months }).toZonedDateTime(tz).epochMilliseconds === toMs;
  if (ends(1)) return date.toString().slice(0, 7);
  if (ends(3) && date.month % 3 === 1) return `${date.year}-Q${(date.month + 2) / 3}`;
  return ends(12) && date.month === 1 ? String(date.year) : null;
}

/**
 * What is to be won: parameter `target` in minor units, else the revenue target set for the period and scope as of `asOf`.
 * `amount.currency` is null when only the parameter says how much. Throws `VALIDATION_FAILED`.
 */
export function targetOf(
  policies: PolicyBook,
  params: ReportParams,
  scope: string,
): { amountMinor: number; currency: string | null } | null {
  const { target } = params.choices;
  const period = periodName(params);
  const set: Money | null = period === null ? null : (policies.target(period, scope, params.asOfMs)?.amount ?? null);
  if (target === undefined) return set;
  if (!/^\d{1,15}$/.test(target)) throw invalidParameter('target', 'whole minor units of the currency');
  return { amountMinor: Number(target), currency: set?.currency ?? null };
}

/** The target of a row by team or owner, in minor units: the one set for that scope. Null: none, or a row of another kind. */
export function rowTarget(
  policies: PolicyBook,
  params: ReportParams,
  dimensions: Readonly<Record<string, string | null>>,
): number | null {
  const [dimension] = params.by;
  if (params.by.length !== 1 || (dimension !== 'team' && dimension !== 'owner')) return null;
  const { target: _, ...choices } = params.choices;
  return targetOf(policies, { ...params, choices }, `${dimension}:${dimensions[dimension]}`)?.amountMinor ?? null;
}
