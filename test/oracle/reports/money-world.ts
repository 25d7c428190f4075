import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { benchmarkId, targetId } from '#libs/policy/src/target.js';
import { Temporal } from 'temporal-polyfill';
import { BEGIN, DAY, iso } from './lead-histories.js';
import type { Asked } from './oracle.js';
import { halfUpWhole } from './plain-figures.js';
import type { DealNow, ToldDeal } from './told-deals.js';

/** What is to be won, what money is worth and how deals go on: as configured, and as the oracles know it by heart. */

/** Spec §3.6, in hundredths, in the order of the pipeline. */
export const CHANCE: Readonly<Record<string, number>> = {
  meeting_booked: 40,
  demo: 75,
  quote_development: 80,
  quote_presented: 85,
  negotiation: 90,
};
export const STAGES = Object.keys(CHANCE);

/** By period and scope, in euros. */
const TARGETS: Readonly<Record<string, number>> = {
  '2018-04 all': 9000,
  '2018-04 team:sales': 4000,
  '2018-04 owner:sam': 700,
  '2018-Q2 all': 30_000,
  '2018 all': 1500,
  '2018 owner:sue': 2500,
};
/** A euro for a dollar, and the market: since ever, and from an instant on. Nobody has a rate for the pound. */
const DOLLAR = { before: 0.9, fromMs: BEGIN + 10 * DAY, from: 0.925 };
const MARKET = { before: 1, fromMs: BEGIN + 25 * DAY, from: 1.15 };

export const moneyPolicies = new PolicyBook();
for (const event of defaultConfigEvents(0)) moneyPolicies.apply(event);
for (const [name, amountMinor] of Object.entries(TARGETS)) {
  const [period, scope] = name.split(' ') as [string, string];
  moneyPolicies.apply({
    stream: `target-${targetId({ period, scope })}`,
    type: 'RevenueTargetSet',
    data: { period, scope, amount: { amountMinor, currency: 'EUR' }, by: 'gil', occurredAt: iso(0) },
  });
}
for (const [metric, stage, value, fromMs] of [
  ['fx_rate', 'USD', DOLLAR.before, 0],
  ['fx_rate', 'USD', DOLLAR.from, DOLLAR.fromMs],
  ['market_factor', null, MARKET.before, 0],
  ['market_factor', null, MARKET.from, MARKET.fromMs],
] as const)
  moneyPolicies.apply({
    stream: `target-${benchmarkId(stage === null ? { metric } : { metric, stage })}`,
    type: 'BenchmarkSet',
    data: { metric, ...(stage === null ? {} : { stage }), value, by: 'gil', occurredAt: iso(fromMs) },
  });

/** The local month, quarter or year that was asked, as targets are named. */
function askedPeriod({ from, to }: Asked): string | null {
  if (from === null || to === null || !from.endsWith('-01')) return null;
  const first = Temporal.PlainDate.from(from);
  if (first.add({ months: 1 }).toString() === to) return from.slice(0, 7);
  const quarter = (first.month + 2) / 3;
  if (first.add({ months: 3 }).toString() === to && Number.isInteger(quarter)) return `${first.year}-Q${quarter}`;
  return first.add({ years: 1 }).toString() === to && first.month === 1 ? String(first.year) : null;
}

export const targetFor = (asked: Asked, scope: string): number | null =>
  TARGETS[`${askedPeriod(asked)} ${scope}`] ?? null;

/** Of all, or the one asked for. */
export const wholeTarget = (asked: Asked): number | null => {
  const { scope = 'all', target } = asked.choices;
  return target === undefined ? targetFor(asked, scope) : Number(target);
};

/** Euros where a target is set; null: every amount stays as it is. */
export const reportingOf = (asked: Asked, scope = 'all'): string | null =>
  asked.choices.currency ?? (targetFor(asked, scope) === null ? null : 'EUR');

export const marketAt = (ms: number): number => (ms >= MARKET.fromMs ? MARKET.from : MARKET.before);

interface Value {
  readonly amountMinor: number;
  readonly currency: string;
}
const MILLION = 1_000_000;
const at = (amountMinor: number, rate: number): number =>
  halfUpWhole(BigInt(amountMinor) * BigInt(Math.round(rate * MILLION)), BigInt(MILLION));

/** Spec §9.10: an open deal by the rate of the report date. */
export function valueOf({ amountMinor, currency }: Value | DealNow, reporting: string | null, atMs: number): Value {
  if (currency !== 'USD' || reporting === null) return { amountMinor, currency };
  const rate = atMs >= DOLLAR.fromMs ? DOLLAR.from : DOLLAR.before;
  return { amountMinor: at(amountMinor, rate), currency: reporting };
}

/** A sale by the rate that was stored with it, else as an open deal. */
export function soldFor(deal: ToldDeal, reporting: string | null, atMs: number): Value | null {
  const sold = deal.wonFor;
  if (sold === null) return null;
  const { amountMinor, currency, rate } = sold;
  if (reporting === null || currency === reporting || rate === null) return valueOf(sold, reporting, atMs);
  return { amountMinor: at(amountMinor, rate), currency: reporting };
}

/** Σ amount · chance · factor, rounded once. */
export function weighed(
  deals: readonly { readonly amountMinor: number; readonly stage: string }[],
  factor: number,
): number {
  const sum = deals.reduce(
    (total, { amountMinor, stage }) => total + BigInt(amountMinor) * BigInt(CHANCE[stage] as number),
    0n,
  );
  return halfUpWhole(sum * BigInt(Math.round(factor * MILLION)), 100n * BigInt(MILLION));
}
