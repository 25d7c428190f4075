import { valueOf } from './dimensions.js';
import { DAY_MS, rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, type RateFigure } from './grouping.js';
import { keepCurrency, reportingCurrency, Weighted } from './money.js';
import { type Expected, marketFactorPpm, measuredOf, scanExpected, type Won } from './open-pipeline.js';
import { invalidParameter } from './report-error.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { PPM, ppm } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { absorb, type Tally, weightOf } from './tally.js';
import { targetOf } from './targets.js';

/**
 * Spec 7.15: open deals expected to close in the period, each amount times the chance of winning from its stage (of the
 * pipeline in force at asOf, or as measured), times the market factor; with what was won in the period, expected revenue.
 * Deals on hold or back in qualification are left out and listed; `committed` leaves unverified amounts out too.
 */
export const forecastParams: ParamSpec = {
  report: 'forecast',
  period: true,
  by: true,
  choices: { probabilities: ['configured', 'measured'] },
  texts: ['marketFactor', 'currency'],
};

/** Minor units of the figure's currency. */
export interface MoneyFigure {
  readonly deals: number;
  readonly amountMinor: number;
  readonly drill: string;
}
/** Weighted amount / amount, in minor units of the figure's currency. */
export type WeightedFigure = RateFigure & { readonly deals: number };

export interface ForecastAmounts {
  readonly open: MoneyFigure;
  readonly weighted: WeightedFigure;
  /** Without amounts unverified for more than 30 days. */
  readonly committed: WeightedFigure;
  readonly won: MoneyFigure;
  /** Won + weighted. */
  readonly expected: MoneyFigure;
}

export interface ForecastFigures {
  readonly currencies: readonly (ForecastAmounts & {
    readonly currency: string;
    readonly stages: readonly (WeightedFigure & { readonly stage: string })[];
    /** By the local month that a deal should close in, or was won in. */
    readonly months: readonly (ForecastAmounts & { readonly month: string })[];
  })[];
  /** Amounts are in more than one currency, so nothing adds them up. */
  readonly mixedCurrencies: boolean;
  readonly excluded: {
    readonly onHold: CountFigure;
    readonly requalifying: CountFigure;
    /** From `committed` only. */
    readonly unverified: CountFigure;
    /** In a stage that the pipeline in force does not have: they weigh nothing. */
    readonly withoutProbability: CountFigure;
  };
  /** Sales that history gives no amount for. */
  readonly wonWithoutAmount: CountFigure;
}

export interface LeftOut {
  readonly leadId: string;
  readonly dealId: string;
  readonly why: 'onHold' | 'requalifying' | 'unverified';
  readonly stage: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly expectedCloseDate: string | null;
  readonly unverifiedSince: string | null;
  readonly team: string | null;
  readonly owner: string | null;
}
/** So many deals that were left out are spelled out; the drill links list all. */
const MOST_LISTED = 100;

class Amounts {
  readonly open = new Weighted();
  readonly committed = new Weighted();
  wonDeals = 0;
  wonMinor = 0;

  add(one: Expected | Won): void {
    if (one.what === 'won') {
      this.wonDeals += 1;
      this.wonMinor += one.value?.amountMinor ?? 0;
      return;
    }
    const probability = one.probabilityPpm ?? 0;
    this.open.add(one.value.amountMinor, probability);
    if (!one.unverified) this.committed.add(one.value.amountMinor, probability);
  }
}

class Currency {
  readonly all = new Amounts();
  readonly stages = new Map<string, Weighted>();
  readonly months: Groups<Amounts>;

  constructor(params: ReportParams) {
    this.months = new Groups({ ...params, by: [], groupBy: 'month' }, () => new Amounts());
  }
}

class Outlook implements Tally {
  readonly currencies = new Map<string, Currency>();
  readonly counts = { onHold: 0, requalifying: 0, unverified: 0, withoutProbability: 0, wonWithoutAmount: 0 };

  constructor(private readonly params: ReportParams) {}

  absorb({ counts, currencies }: Outlook): void {
    absorb(this.counts, counts);
    for (const [code, currency] of currencies) absorb(this.#of(code), currency);
  }

  weight(): number {
    return 200 + weightOf(this.currencies);
  }

  add(one: Expected | Won): void {
    if (one.what === 'won' && one.value === null) this.counts.wonWithoutAmount += 1;
    if (one.what === 'onHold' || one.what === 'requalifying') this.counts[one.what] += 1;
    if (one.what === 'onHold' || one.what === 'requalifying' || one.value === null) return;
    const currency = this.#of(one.value.currency);
    currency.all.add(one);
    const atMs = one.what === 'won' ? one.closedMs : one.closeMs;
    if (atMs !== null) currency.months.of(one.deal.dims, atMs)?.add(one);
    if (one.what === 'won') return;
    let stage = currency.stages.get(one.now.stage);
    if (stage === undefined) currency.stages.set(one.now.stage, (stage = new Weighted()));
    stage.add(one.value.amountMinor, one.probabilityPpm ?? 0);
    if (one.unverified) this.counts.unverified += 1;
    if (one.probabilityPpm === null) this.counts.withoutProbability += 1;
  }

  #of(code: string): Currency {
    let currency = this.currencies.get(code);
    if (currency === undefined) this.currencies.set(code, (currency = new Currency(this.params)));
    return currency;
  }
}

/** What the figures and their drill links are both worked out with. */
async function ways(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  return {
    policies,
    reporting: reportingCurrency(params, targetOf(policies, params, 'all')?.currency ?? null),
    measured: await measuredOf(view, params),
  };
}

/** Parameter `marketFactor`, else the benchmark, else 1; in millionths. Throws `VALIDATION_FAILED`. */
export function factorPpm(params: ReportParams, { policies }: ReportContext): number {
  const { marketFactor } = params.choices;
  if (marketFactor === undefined) return marketFactorPpm(policies, params.asOfMs);
  if (!/^\d{1,3}(\.\d{1,6})?$/.test(marketFactor)) throw invalidParameter('marketFactor', 'a factor such as 0.95');
  return ppm(Number(marketFactor));
}

export async function forecastReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const factor = factorPpm(params, context);
  const using = await ways(view, params, context);
  const groups = new Groups<Outlook>(params, () => new Outlook(params), using.reporting ?? '');
  const leftOut: LeftOut[] = [];
  await scanExpected(
    view,
    params,
    using,
    (one) => {
      groups.total.add(one);
      groups.of(one.deal.dims, 0)?.add(one);
      // Open deals are never kept, so they are all seen each time.
      if (one.what !== 'won' && (one.what !== 'open' || one.unverified)) leftOut.push(listed(one));
    },
    groups,
  );
  return {
    marketFactor: factor / PPM,
    reportingCurrency: using.reporting,
    leftOut: leftOut
      .sort((a, b) => (a.why < b.why ? -1 : a.why > b.why ? 1 : a.leadId < b.leadId ? -1 : 1))
      .slice(0, MOST_LISTED),
    rows: groups
      .rows()
      .map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, factor, using.reporting) })),
    total: figures(groups.total, params, factor, using.reporting),
  };
}

function listed({ deal, now, unverified, value, what }: Expected): LeftOut {
  return {
    leadId: deal.leadId,
    dealId: deal.dealId,
    why: what === 'open' ? 'unverified' : what,
    stage: now.stage,
    ...value,
    expectedCloseDate: now.closeDay === null ? null : new Date(now.closeDay * DAY_MS).toISOString().slice(0, 10),
    unverifiedSince:
      unverified && now.unverifiedSinceMs !== null ? new Date(now.unverifiedSinceMs).toISOString() : null,
    team: valueOf(deal.dims, 'team'),
    owner: valueOf(deal.dims, 'owner'),
  };
}

function figures(outlook: Outlook, params: ReportParams, factor: number, reporting: string | null): ForecastFigures {
  const link = drillLinks(params);
  const { onHold, requalifying, unverified, withoutProbability, wonWithoutAmount } = outlook.counts;
  return {
    currencies: [...outlook.currencies]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([currency, { all, months, stages }]) => ({
        currency,
        ...amounts(all, currency, params, factor),
        stages: [...stages]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([stage, sum]) => ({ stage, ...weighted(sum, factor, link(`open.${currency}.${stage}`)) })),
        months: months.rows().map((month) => ({
          month: month.dimensions.period as string,
          ...amounts(
            month.figures,
            currency,
            keepCurrency({ ...params, fromMs: month.params.fromMs, toMs: month.params.toMs }, reporting),
            factor,
          ),
        })),
      })),
    mixedCurrencies: outlook.currencies.size > 1,
    excluded: {
      onHold: { count: onHold, drill: link('onHold') },
      requalifying: { count: requalifying, drill: link('requalifying') },
      unverified: { count: unverified, drill: link('unverified') },
      withoutProbability: { count: withoutProbability, drill: link('withoutProbability') },
    },
    wonWithoutAmount: { count: wonWithoutAmount, drill: link('wonWithoutAmount') },
  };
}

export function weighted(sum: Weighted, factor: number, drill: string): WeightedFigure {
  const numerator = sum.weightedMinor(factor);
  const denominator = sum.amountMinor;
  return {
    deals: sum.deals,
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill,
    drillDenominator: drill,
  };
}

function amounts(sums: Amounts, currency: string, params: ReportParams, factor: number): ForecastAmounts {
  const link = drillLinks(params);
  const open = link(`open.${currency}`);
  const all = weighted(sums.open, factor, open);
  return {
    open: { deals: sums.open.deals, amountMinor: sums.open.amountMinor, drill: open },
    weighted: all,
    committed: weighted(sums.committed, factor, link(`committed.${currency}`)),
    won: { deals: sums.wonDeals, amountMinor: sums.wonMinor, drill: link(`won.${currency}`) },
    expected: {
      deals: sums.open.deals + sums.wonDeals,
      amountMinor: all.numerator + sums.wonMinor,
      drill: link(`expected.${currency}`),
    },
  };
}

const FIGURES: Readonly<Record<string, (one: Expected | Won) => boolean>> = {
  open: ({ what }) => what === 'open',
  committed: (one) => one.what === 'open' && !one.unverified,
  won: (one) => one.what === 'won' && one.value !== null,
  expected: (one) => one.what === 'open' || (one.what === 'won' && one.value !== null),
  onHold: ({ what }) => what === 'onHold',
  requalifying: ({ what }) => what === 'requalifying',
  unverified: (one) => one.what === 'open' && one.unverified,
  withoutProbability: (one) => one.what === 'open' && one.probabilityPpm === null,
  wonWithoutAmount: (one) => one.what === 'won' && one.value === null,
};

/**
 * Figures: `open`, `committed`, `won`, `expected`, each with `.<currency>`, `open` also with `.<currency>.<stage>`; `onHold`,
 * `requalifying`, `unverified`, `withoutProbability`, `wonWithoutAmount`.
 */
export async function forecastLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const [name = '', currency, ...rest] = figure.split('.');
  const hit = Object.hasOwn(FIGURES, name) ? FIGURES[name] : undefined;
  if (hit === undefined) return null;
  const stage = rest.length === 0 ? undefined : rest.join('.');
  const leads = new Set<string>();
  await scanExpected(view, params, await ways(view, params, context), (one) => {
    if (!hit(one) || (currency !== undefined && one.value?.currency !== currency)) return;
    if (stage === undefined || (one.what !== 'won' && one.now.stage === stage)) leads.add(one.deal.leadId);
  });
  return [...leads];
}
