import { type DealPast, scanDeals } from './deals.js';
import { rate } from './figures.js';
import { drillLinks, Groups, inPeriod } from './grouping.js';
import type { MoneyFigure } from './forecast.js';
import { Exchange, keepCurrency, reportingCurrency, Weighted } from './money.js';
import { LocalDays, marketFactorPpm } from './open-pipeline.js';
import { numberOf } from './part-tallies.js';
import { invalidParameter } from './report-error.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { targetOf } from './targets.js';
import { Temporal } from 'temporal-polyfill';

/**
 * Spec 7.25: 1 − |forecast at the period's start − won| / won; null when nothing was won. The forecast is that of 7.15 as of
 * the start: amounts, stages, close dates and holds of then, and the probabilities and market factor in force then. With
 * `groupBy` each period has its own forecast, and the total is that of the whole.
 */
export const forecastAccuracyParams: ParamSpec = {
  report: 'forecast-accuracy',
  period: true,
  by: true,
  groupBy: true,
  texts: ['currency'],
};

export interface AccuracyFigures {
  readonly currencies: readonly {
    readonly currency: string;
    /** Weighted, of the deals open at the period's start that were expected to close in it. */
    readonly forecast: MoneyFigure;
    readonly won: MoneyFigure;
    readonly accuracy: {
      /** won − |forecast − won|; minor units, as the denominator, which is what was won. */
      readonly numerator: number;
      readonly denominator: number;
      readonly rate: number | null;
      readonly drill: string;
      readonly drillDenominator: string;
    };
  }[];
  readonly mixedCurrencies: boolean;
}

interface Sums {
  readonly forecast: Map<string, Weighted>;
  readonly won: Map<string, { deals: number; amountMinor: number }>;
}

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** [from, to), which the report cannot do without. Throws `VALIDATION_FAILED`. */
function wholeOf({ fromMs, toMs }: ReportParams): Window {
  if (fromMs === null) throw invalidParameter('from', 'the start of the period whose forecast is judged');
  if (toMs === null) throw invalidParameter('to', 'the end of the period whose forecast is judged');
  return { fromMs, toMs };
}

const MOST_PERIODS = 400;

/** The local months, weeks or days of the period, cut at its ends. */
function windowsOf(params: ReportParams): Window[] {
  const { fromMs, toMs } = wholeOf(params);
  const { groupBy, tz } = params;
  if (groupBy === null) return [];
  const windows: Window[] = [];
  const first = Temporal.Instant.fromEpochMilliseconds(fromMs).toZonedDateTimeISO(tz).toPlainDate();
  let date =
    groupBy === 'month'
      ? first.with({ day: 1 })
      : groupBy === 'week'
        ? first.subtract({ days: first.dayOfWeek - 1 })
        : first;
  let startMs = fromMs;
  while (startMs < toMs) {
    if (windows.length >= MOST_PERIODS) throw invalidParameter('groupBy', `at most ${MOST_PERIODS} periods`);
    date = date.add(groupBy === 'month' ? { months: 1 } : { days: groupBy === 'week' ? 7 : 1 });
    const endMs = Math.min(date.toZonedDateTime(tz).epochMilliseconds, toMs);
    windows.push({ fromMs: startMs, toMs: endMs });
    startMs = endMs;
  }
  return windows;
}

interface Hit {
  readonly what: 'forecast' | 'won';
  readonly amountMinor: number;
  readonly currency: string;
  readonly probabilityPpm: number;
}

/** What each deal adds to each window's forecast and sales. A window that begins after asOf has no forecast yet. */
class Judge {
  readonly #stages: StagePolicies[];
  readonly #exchanges: Exchange[];
  readonly #days: LocalDays;
  readonly reporting: string | null;

  constructor(
    private readonly windows: readonly Window[],
    private readonly params: ReportParams,
    { policies }: ReportContext,
  ) {
    this.reporting = reportingCurrency(params, targetOf(policies, params, 'all')?.currency ?? null);
    this.#stages = windows.map(({ fromMs }) => new StagePolicies(policies, fromMs));
    this.#exchanges = windows.map(({ fromMs }) => new Exchange(policies, this.reporting, fromMs));
    this.#days = new LocalDays(params.tz);
  }

  async scan(
    view: ReadView,
    use: (window: number, hit: Hit, leadId: string, dims: Parameters<Groups<Sums>['of']>[0]) => void,
    groups?: Groups<unknown>,
  ) {
    const { asOfMs } = this.params;
    const firstMs = this.windows[0]?.fromMs ?? asOfMs;
    const judge = (deal: DealPast): void => {
      const end = deal.endBy(asOfMs);
      this.windows.forEach(({ fromMs, toMs }, index) => {
        groups?.asOf.sees(fromMs);
        const within = { ...this.params, fromMs, toMs };
        if (end?.kind === 'won' && inPeriod(within, end.atMs)) {
          const value = (this.#exchanges[index] as Exchange).won(deal);
          if (value !== null) use(index, { what: 'won', ...value, probabilityPpm: 0 }, deal.leadId, deal.dims);
        }
        if (fromMs > asOfMs) return;
        const then = deal.at(fromMs);
        if (then === null || then.onHold || then.requalifying || then.closeDay === null) return;
        if (!inPeriod(within, this.#days.startMs(then.closeDay))) return;
        const probabilityPpm = (this.#stages[index] as StagePolicies).probabilityPpm(deal.leadType, then.stage) ?? 0;
        const value = (this.#exchanges[index] as Exchange).open(then.amountMinor, deal.currency);
        use(index, { what: 'forecast', ...value, probabilityPpm }, deal.leadId, deal.dims);
      });
    };
    await scanDeals(view, this.params, Math.min(firstMs, asOfMs), judge, groups, true);
  }
}

function count(sums: Sums, { amountMinor, currency, probabilityPpm, what }: Hit): void {
  if (what === 'won') {
    const sum = sums.won.get(currency) ?? { deals: 0, amountMinor: 0 };
    sums.won.set(currency, { deals: sum.deals + 1, amountMinor: sum.amountMinor + amountMinor });
    return;
  }
  let sum = sums.forecast.get(currency);
  if (sum === undefined) sums.forecast.set(currency, (sum = new Weighted()));
  sum.add(amountMinor, probabilityPpm);
}

export async function forecastAccuracyReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const whole = wholeOf(params);
  const windows = windowsOf(params);
  const { policies } = context;
  const judge = new Judge([whole, ...windows], params, context);
  const groups = new Groups<Sums>(
    params,
    () => ({ forecast: new Map(), won: new Map() }),
    `${numberOf(policies)} ${policies.revision}`,
  );
  await judge.scan(
    view,
    (index, hit, _, dims) => {
      if (index === 0) count(groups.total, hit);
      if ((index === 0) !== (windows.length === 0)) return;
      const row = groups.of(dims, (windows[index - 1] ?? whole).fromMs);
      if (row !== null) count(row, hit);
    },
    groups,
  );
  const judged = (sums: Sums, asked: ReportParams): AccuracyFigures =>
    figures(sums, asked, marketFactorPpm(policies, asked.fromMs ?? whole.fromMs));
  const linked = (row: ReportParams): ReportParams => (windows.length === 0 ? row : keepCurrency(row, judge.reporting));
  return {
    reportingCurrency: judge.reporting,
    /** False: the period still runs at asOf, so more may be won. */
    complete: params.asOfMs >= whole.toMs,
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...judged(row.figures, linked(row.params)) })),
    total: judged(groups.total, params),
  };
}

function figures(sums: Sums, params: ReportParams, factorPpm: number): AccuracyFigures {
  const link = drillLinks({ ...params, groupBy: null });
  const currencies = [...new Set([...sums.forecast.keys(), ...sums.won.keys()])].sort();
  return {
    currencies: currencies.map((currency) => {
      const weighted = sums.forecast.get(currency);
      const forecast = {
        deals: weighted?.deals ?? 0,
        amountMinor: weighted?.weightedMinor(factorPpm) ?? 0,
        drill: link(`forecast.${currency}`),
      };
      const won = { ...(sums.won.get(currency) ?? { deals: 0, amountMinor: 0 }), drill: link(`won.${currency}`) };
      const numerator = won.amountMinor - Math.abs(forecast.amountMinor - won.amountMinor);
      return {
        currency,
        forecast,
        won,
        accuracy: {
          numerator,
          denominator: won.amountMinor,
          rate: rate(numerator, won.amountMinor),
          drill: forecast.drill,
          drillDenominator: won.drill,
        },
      };
    }),
    mixedCurrencies: currencies.length > 1,
  };
}

/** Figures: `forecast.<currency>`, `won.<currency>`. */
export async function forecastAccuracyLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const [, name, currency] = /^(forecast|won)\.([A-Z]{3})$/.exec(figure) ?? [];
  if (name === undefined) return null;
  const leads = new Set<string>();
  await new Judge([wholeOf(params)], params, context).scan(view, (_, hit, leadId) => {
    if (hit.what === name && hit.currency === currency) leads.add(leadId);
  });
  return [...leads];
}
