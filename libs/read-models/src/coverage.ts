import { rate } from './figures.js';
import { factorPpm, type MoneyFigure, weighted, type WeightedFigure } from './forecast.js';
import { drillLinks, Groups, type RateFigure } from './grouping.js';
import { reportingCurrency, Weighted } from './money.js';
import { type Expected, measuredOf, scanExpected, type Won } from './open-pipeline.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import { rowTarget, targetOf } from './targets.js';

/**
 * Spec 7.16: open amount / (target − won) of the period, raw and weighted as in the forecast; null once the target is met.
 * The target is the one set for a period that is a local month, quarter or year, or parameter `target`. A row by team or
 * owner has the target of that scope, if one is set.
 */
export const coverageParams: ParamSpec = {
  report: 'coverage',
  period: true,
  by: true,
  choices: { probabilities: ['configured', 'measured'] },
  texts: ['target', 'scope', 'marketFactor', 'currency'],
};

export interface CoverageFigures {
  /** Of the target and of every figure here; null: there is none to name. */
  readonly currency: string | null;
  /** Minor units; null: no target is set. */
  readonly targetMinor: number | null;
  readonly won: MoneyFigure;
  /** target − won; null without a target, 0 once it is met. */
  readonly gapMinor: number | null;
  /** Null: no target is set. */
  readonly targetMet: boolean | null;
  readonly raw: RateFigure;
  readonly weighted: RateFigure & Pick<WeightedFigure, 'deals'>;
  /** In currencies that have no rate to this one: counted nowhere above. */
  readonly otherCurrencies: readonly {
    readonly currency: string;
    readonly openMinor: number;
    readonly wonMinor: number;
  }[];
}

interface Sums {
  readonly open: Map<string, Weighted>;
  readonly won: Map<string, { deals: number; amountMinor: number }>;
}

const scopeOf = (params: ReportParams): string => params.choices.scope ?? 'all';

async function ways(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const target = targetOf(policies, params, scopeOf(params));
  return {
    policies,
    reporting: reportingCurrency(params, target?.currency ?? null),
    measured: await measuredOf(view, params),
  };
}

function add({ open, won }: Sums, one: Expected | Won): void {
  if (one.value === null || one.what === 'onHold' || one.what === 'requalifying') return;
  const { amountMinor, currency } = one.value;
  if (one.what === 'won') {
    const sum = won.get(currency) ?? { deals: 0, amountMinor: 0 };
    won.set(currency, { deals: sum.deals + 1, amountMinor: sum.amountMinor + amountMinor });
  } else {
    let sum = open.get(currency);
    if (sum === undefined) open.set(currency, (sum = new Weighted()));
    sum.add(amountMinor, one.probabilityPpm ?? 0);
  }
}

export async function coverageReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const factor = factorPpm(params, context);
  const using = await ways(view, params, context);
  const groups = new Groups<Sums>(params, () => ({ open: new Map(), won: new Map() }), using.reporting ?? '');
  await scanExpected(
    view,
    params,
    using,
    (one) => {
      add(groups.total, one);
      const row = groups.of(one.deal.dims, 0);
      if (row !== null) add(row, one);
    },
    groups,
  );
  const target = targetOf(context.policies, params, scopeOf(params))?.amountMinor ?? null;
  const make = (sums: Sums, asked: ReportParams, targetMinor: number | null): CoverageFigures =>
    figures(sums, asked, targetMinor, using.reporting, factor);
  return {
    rows: groups.rows().map((row) => ({
      dimensions: row.dimensions,
      ...make(row.figures, row.params, rowTarget(context.policies, params, row.dimensions)),
    })),
    total: make(groups.total, params, target),
  };
}

function figures(
  { open, won }: Sums,
  params: ReportParams,
  targetMinor: number | null,
  reporting: string | null,
  factor: number,
): CoverageFigures {
  const link = drillLinks(params);
  const currencies = [...new Set([...open.keys(), ...won.keys()])].sort();
  // Without a target's currency, amounts of one currency need no other.
  const currency = reporting ?? (currencies.length === 1 ? (currencies[0] as string) : null);
  const sold = (currency === null ? undefined : won.get(currency)) ?? { deals: 0, amountMinor: 0 };
  const sum = (currency === null ? undefined : open.get(currency)) ?? new Weighted();
  const gapMinor = targetMinor === null ? null : Math.max(0, targetMinor - sold.amountMinor);
  const name = currency ?? 'none';
  const drill = link(`open.${name}`);
  const over = (numerator: number): RateFigure => ({
    numerator,
    denominator: gapMinor ?? 0,
    rate: gapMinor === null ? null : rate(numerator, gapMinor),
    drill,
    drillDenominator: link(`won.${name}`),
  });
  return {
    currency,
    targetMinor,
    won: { ...sold, drill: link(`won.${name}`) },
    gapMinor,
    targetMet: gapMinor === null ? null : gapMinor === 0,
    raw: over(sum.amountMinor),
    weighted: { ...over(weighted(sum, factor, drill).numerator), deals: sum.deals },
    otherCurrencies: currencies
      .filter((other) => other !== currency)
      .map((other) => ({
        currency: other,
        openMinor: open.get(other)?.amountMinor ?? 0,
        wonMinor: won.get(other)?.amountMinor ?? 0,
      })),
  };
}

/** Figures: `open.<currency>`, `won.<currency>`. */
export async function coverageLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const [, name, currency] = /^(open|won)\.([A-Z]{3}|none)$/.exec(figure) ?? [];
  if (name === undefined) return null;
  const leads = new Set<string>();
  await scanExpected(view, params, await ways(view, params, context), (one) => {
    if (one.what === name && one.value?.currency === currency) leads.add(one.deal.leadId);
  });
  return [...leads];
}
