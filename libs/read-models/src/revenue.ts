import { Temporal } from 'temporal-polyfill';
import { scanDeals } from './deals.js';
import type { Dims } from './dimensions.js';
import { rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, Periods, type RateFigure } from './grouping.js';
import type { Money } from './lead-row.js';
import { Exchange, reportingCurrency } from './money.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import type { Tally } from './tally.js';

/**
 * Spec 7.32: won in the period / won in the period before it − 1, in each currency, or in `currency` where there is a rate. The
 * period before has as many local months, else as many local days, else the same length; there is none before a period without a
 * beginning. With `marker`, the part after it is compared with as much time before.
 */
export const revenueParams: ParamSpec = {
  report: 'revenue',
  period: true,
  by: true,
  groupBy: true,
  texts: ['currency'],
};

/** Seed 003; benchmark `revenue_growth` replaces it. */
const GROWTH = 0.28;
/** More periods than that are asked in parts. */
const MOST_PERIODS = 1000;

export interface RevenueFigures {
  readonly currencies: readonly {
    readonly currency: string;
    /** Minor units. */
    readonly won: { readonly deals: number; readonly amountMinor: number; readonly drill: string };
    readonly previous: { readonly deals: number; readonly amountMinor: number; readonly drill: string } | null;
    /** (won − previous) / previous; null without a period before. */
    readonly growth: RateFigure | null;
    /** Null: nothing to compare with. */
    readonly meetsBenchmark: boolean | null;
  }[];
  readonly benchmark: number;
  /** Sales that history gives no amount for. */
  readonly withoutAmount: CountFigure;
  /** The period before; null: there is none. */
  readonly previousPeriod: { readonly from: string; readonly to: string } | null;
  /** False while the period is not over. */
  readonly complete: boolean;
}

interface Sale {
  readonly atMs: number;
  /** Null when history gives none. */
  readonly amount: Money | null;
}

class Sales implements Tally {
  readonly list: Sale[] = [];

  absorb({ list }: Sales): void {
    for (const sale of list) this.list.push(sale);
  }
  weight(): number {
    // The sales themselves are shared by the parts, their sums and the rows.
    return 100 + 40 * this.list.length;
  }
}

async function scanSales(
  view: ReadView,
  params: ReportParams,
  { policies }: ReportContext,
  use: (sale: Sale, leadId: string, dims: Dims) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const exchange = new Exchange(policies, reportingCurrency(params, null), params.asOfMs);
  await scanDeals(
    view,
    params,
    params.fromMs,
    (deal) => {
      const end = deal.endBy(params.asOfMs);
      if (end?.kind !== 'won' || !inPeriod(params, end.atMs)) return;
      if (exchange.isDated(deal)) groups?.asOf.isDecisive();
      use({ atMs: end.atMs, amount: exchange.won(deal) }, deal.leadId, deal.dims);
    },
    groups,
  );
}

/** Where the period before begins; it ends where this one begins. */
function startBefore(fromMs: number, toMs: number, tz: string): number {
  const [from, to] = [fromMs, toMs].map((ms) => Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(tz));
  const isMidnight = (at: Temporal.ZonedDateTime): boolean =>
    at.startOfDay().epochMilliseconds === at.epochMilliseconds;
  if (from === undefined || to === undefined || !isMidnight(from) || !isMidnight(to)) return 2 * fromMs - toMs;
  const [first, last] = [from.toPlainDate(), to.toPlainDate()];
  const whole = first.day === 1 && last.day === 1;
  const length = first.until(last, { largestUnit: whole ? 'month' : 'day' });
  return first.subtract(length).toZonedDateTime(tz).epochMilliseconds;
}

interface Window {
  readonly label: string | null;
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

/** The period, or those it is split into: from its beginning, else from the first sale, to asOf. */
function windows({ asOfMs, fromMs, groupBy, toMs, tz }: ReportParams, firstMs: number): Window[] {
  if (groupBy === null) return [{ label: null, fromMs, toMs }];
  const periods = new Periods(groupBy, tz);
  const endMs = Math.min(asOfMs, toMs === null ? asOfMs : toMs - 1);
  const found: Window[] = [];
  let atMs = Math.min(firstMs, fromMs ?? firstMs);
  if (fromMs !== null) atMs = Math.max(atMs, fromMs);
  while (atMs <= endMs && found.length < MOST_PERIODS) {
    const { fromMs: start, label, toMs: end } = periods.bounds(periods.startOf(atMs));
    found.push({ label, fromMs: Math.max(fromMs ?? start, start), toMs: Math.min(toMs ?? end, end) });
    atMs = end;
  }
  return found;
}

const byTime = (a: Sale, b: Sale): number => a.atMs - b.atMs;

/** The sales of [fromMs, toMs), of sales in order of time. */
function salesIn(sales: readonly Sale[], fromMs: number | null, toMs: number | null): readonly Sale[] {
  const place = (atMs: number): number => {
    let low = 0;
    let high = sales.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sales[middle] as Sale).atMs < atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return sales.slice(fromMs === null ? 0 : place(fromMs), toMs === null ? sales.length : place(toMs));
}

export async function revenueReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const benchmark = context.policies.benchmark('revenue_growth', undefined, params.asOfMs) ?? GROWTH;
  const groups = new Groups<Sales>({ ...params, groupBy: null }, () => new Sales());
  const { asOfMs, fromMs, tz } = params;
  const beforeMs = fromMs === null ? null : startBefore(fromMs, params.toMs ?? Math.max(asOfMs, fromMs + 1), tz);
  await scanSales(
    view,
    { ...params, fromMs: beforeMs },
    context,
    (sale, _, dims) => {
      groups.total.list.push(sale);
      groups.of(dims, 0)?.list.push(sale);
    },
    groups,
  );
  const all = groups.total.list.sort(byTime);
  const split = windows(params, all[0]?.atMs ?? Infinity);
  const ofAll = params.by.length === 0;
  const rows = ofAll ? [{ dimensions: {}, params, figures: groups.total }] : groups.rows();
  return {
    reportingCurrency: reportingCurrency(params, null),
    rows: (ofAll && params.groupBy === null ? [] : rows).flatMap((row) => {
      const sales = [...row.figures.list].sort(byTime);
      return split
        .map((window) => ({
          dimensions: { ...(window.label === null ? {} : { period: window.label }), ...row.dimensions },
          ...figures(sales, { ...row.params, groupBy: null, fromMs: window.fromMs, toMs: window.toMs }, benchmark),
        }))
        .filter(({ currencies, withoutAmount }) => ofAll || currencies.length > 0 || withoutAmount.count > 0);
    }),
    total: figures(all, params, benchmark),
  };
}

function figures(sales: readonly Sale[], params: ReportParams, benchmark: number): RevenueFigures {
  const { asOfMs, fromMs, toMs, tz } = params;
  const endMs = toMs ?? Math.max(asOfMs, (fromMs ?? -Infinity) + 1);
  const beforeMs = fromMs === null ? null : startBefore(fromMs, endMs, tz);
  const now = salesIn(sales, fromMs, toMs);
  const before = beforeMs === null ? [] : salesIn(sales, beforeMs, fromMs);
  const link = drillLinks(params);
  const linkBefore = drillLinks({ ...params, fromMs: beforeMs, toMs: fromMs });
  const currencies = [...now, ...before].flatMap(({ amount }) => (amount === null ? [] : amount.currency));
  return {
    currencies: [...new Set(currencies)].sort().map((currency) => {
      const won = { ...sumIn(now, currency), drill: link(`won.${currency}`) };
      const previous = beforeMs === null ? null : { ...sumIn(before, currency), drill: linkBefore(`won.${currency}`) };
      const growth = previous === null ? null : growthOf(won, previous);
      const reached = growth?.rate ?? null;
      return { currency, won, previous, growth, meetsBenchmark: reached === null ? null : reached >= benchmark };
    }),
    benchmark,
    withoutAmount: { count: now.filter(({ amount }) => amount === null).length, drill: link('withoutAmount') },
    previousPeriod:
      beforeMs === null || fromMs === null
        ? null
        : { from: new Date(beforeMs).toISOString(), to: new Date(fromMs).toISOString() },
    complete: endMs <= asOfMs,
  };
}

function sumIn(sales: readonly Sale[], currency: string): { deals: number; amountMinor: number } {
  let deals = 0;
  let amountMinor = 0;
  for (const { amount } of sales) {
    if (amount?.currency !== currency) continue;
    deals += 1;
    amountMinor += amount.amountMinor;
  }
  return { deals, amountMinor };
}

function growthOf(
  won: { readonly amountMinor: number; readonly drill: string },
  previous: { readonly amountMinor: number; readonly drill: string },
): RateFigure {
  const numerator = won.amountMinor - previous.amountMinor;
  const denominator = previous.amountMinor;
  return {
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: won.drill,
    drillDenominator: previous.drill,
  };
}

/** Figures: `won.<currency>`, `withoutAmount`. */
export async function revenueLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const currency = figure.startsWith('won.') ? figure.slice(4) : null;
  if (currency === null && figure !== 'withoutAmount') return null;
  const leads = new Set<string>();
  await scanSales(view, params, context, ({ amount }, leadId) => {
    if ((amount?.currency ?? null) === currency) leads.add(leadId);
  });
  return [...leads];
}
