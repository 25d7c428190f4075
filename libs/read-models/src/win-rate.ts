import { type Closing, scanClosings } from './closings.js';
import { rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, type RateFigure } from './grouping.js';
import type { DealClosing } from './lead-row.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';

/** Spec 7.11: won / (won + lost) of the deals closed in the period, by count and by value; recycled closings apart. */
export const winRateParams: ParamSpec = { report: 'win-rate', period: true, by: true, groupBy: true };

export interface WinRateFigures {
  readonly won: CountFigure;
  readonly lost: CountFigure;
  readonly byCount: RateFigure;
  /** One per currency, in minor units; deals without an amount are not in it. */
  readonly byValue: readonly (RateFigure & { readonly currency: string })[];
  /** Won or lost deals that history gives no amount for. */
  readonly withoutAmount: CountFigure;
  readonly recycled: CountFigure & {
    readonly value: readonly { readonly currency: string; readonly amountMinor: number }[];
  };
}

class Counts {
  readonly deals: Record<DealClosing, number> = { won: 0, lost: 0, recycled: 0 };
  readonly amounts: Record<DealClosing, Map<string, number>> = { won: new Map(), lost: new Map(), recycled: new Map() };
  withoutAmount = 0;

  add({ kind, amount }: Closing): void {
    this.deals[kind] += 1;
    if (amount !== null) {
      const sums = this.amounts[kind];
      sums.set(amount.currency, (sums.get(amount.currency) ?? 0) + amount.amountMinor);
    } else if (kind !== 'recycled') this.withoutAmount += 1;
  }
}

export async function winRateReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts>(params, () => new Counts());
  await scanClosings(
    view,
    params,
    (closing) => {
      groups.total.add(closing);
      groups.of(closing.dims, closing.closedMs)?.add(closing);
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures({ deals, amounts, withoutAmount }: Counts, params: ReportParams): WinRateFigures {
  const link = drillLinks(params);
  const share = (numerator: number, lost: number, suffix: string): RateFigure => ({
    numerator,
    denominator: numerator + lost,
    rate: rate(numerator, numerator + lost),
    drill: link(`won${suffix}`),
    drillDenominator: link(`closed${suffix}`),
  });
  const currencies = [...new Set([...amounts.won.keys(), ...amounts.lost.keys()])].sort();
  return {
    won: { count: deals.won, drill: link('won') },
    lost: { count: deals.lost, drill: link('lost') },
    byCount: share(deals.won, deals.lost, ''),
    byValue: currencies.map((currency) => ({
      currency,
      ...share(amounts.won.get(currency) ?? 0, amounts.lost.get(currency) ?? 0, `.${currency}`),
    })),
    withoutAmount: { count: withoutAmount, drill: link('withoutAmount') },
    recycled: {
      count: deals.recycled,
      drill: link('recycled'),
      value: [...amounts.recycled]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([currency, amountMinor]) => ({ currency, amountMinor })),
    },
  };
}

/** Figures: `won`, `lost`, `closed`, `recycled`, `withoutAmount`; `won.<currency>` and `closed.<currency>`. */
export async function winRateLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [name = '', currency] = figure.split('.');
  if (!['won', 'lost', 'closed', 'recycled', 'withoutAmount'].includes(name)) return null;
  const leads = new Set<string>();
  await scanClosings(view, params, ({ leadId, kind, amount }) => {
    const closed = kind !== 'recycled';
    const hit =
      name === 'closed'
        ? closed
        : name === 'withoutAmount'
          ? closed && amount === null
          : (name as DealClosing) === kind;
    if (hit && (currency === undefined || amount?.currency === currency)) leads.add(leadId);
  });
  return [...leads];
}
