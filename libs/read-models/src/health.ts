import { LADDER } from '#libs/lead/src/states.js';
import { type AcceptanceFigures, acceptanceParams, acceptanceReport } from './acceptance.js';
import { type Conversion, type FunnelFigures, funnelParams, funnelReport } from './funnel.js';
import type { CountFigure, RateFigure } from './grouping.js';
import { type QualifiedFigures, qualifiedParams, qualifiedReport } from './qualified.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { type SalesCycleFigures, salesCycleParams, salesCycleReport } from './sales-cycle.js';
import { type ClockTypeFigures, slaParams, slaReport } from './sla.js';
import { type StaleFigures, staleParams, staleReport } from './stale.js';
import type { ReadView } from './store/read-store.js';

/**
 * What to look at first (seed 003): qualified leads (7.10), conversion from stage to stage (7.2) and cycle length (7.8) of the
 * period; then whether the teams keep what they agreed: acceptance (7.5), SLA (7.6), stale share (7.19, as of asOf). Every
 * figure is that of its own report, and its links lead there.
 */
export const healthParams: ParamSpec = { report: 'health', period: true, by: true };

/** Null: its report has no such row. */
export interface HealthFigures {
  readonly qualified: CountFigure | null;
  readonly openQualified: CountFigure | null;
  /** Each mandatory stage to the next. */
  readonly conversions: readonly Conversion[] | null;
  /** Of all leads of the period. */
  readonly leadToCustomer: Conversion | null;
  /** Days. */
  readonly cycleLength: SalesCycleFigures['won'] | null;
  readonly acceptance: (RateFigure & Pick<AcceptanceFigures, 'target' | 'meetsTarget'>) | null;
  readonly sla: readonly { readonly clockType: string; readonly attainment: RateFigure }[] | null;
  readonly stale: RateFigure | null;
}

interface Parts {
  readonly qualified: QualifiedFigures;
  readonly funnel: FunnelFigures;
  readonly cycle: SalesCycleFigures;
  readonly acceptance: AcceptanceFigures;
  readonly sla: { readonly clocks: readonly ClockTypeFigures[] };
  readonly stale: StaleFigures;
}
type Dimensions = Readonly<Record<string, string | null>>;

/** The same question put to another report, which otherwise answers as usual. */
function asTo({ choices = {}, period, report }: ParamSpec, params: ReportParams): ReportParams {
  const usual = Object.entries(choices).map(([name, [first]]) => [name, first as string]);
  const { fromMs, toMs } = period === true ? params : { fromMs: null, toMs: null };
  return { ...params, report, fromMs, toMs, choices: Object.fromEntries(usual), limit: 1 };
}

export async function healthReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const rows = new Map<string, { readonly dimensions: Dimensions; readonly parts: Partial<Parts> }>();
  let total: Partial<Parts> = {};
  const take = <Name extends keyof Parts>(
    name: Name,
    told: {
      readonly rows: readonly (Parts[Name] & { readonly dimensions: Dimensions })[];
      readonly total: Parts[Name];
    },
  ): void => {
    total = { ...total, [name]: told.total };
    for (const row of told.rows) {
      const { dimensions } = row;
      const key = JSON.stringify(params.by.map((dimension) => dimensions[dimension]));
      rows.set(key, { dimensions, parts: { ...rows.get(key)?.parts, [name]: row } });
    }
  };
  take('qualified', await qualifiedReport(view, asTo(qualifiedParams, params), context));
  take('funnel', await funnelReport(view, asTo(funnelParams, params)));
  take('cycle', await salesCycleReport(view, asTo(salesCycleParams, params)));
  take('acceptance', await acceptanceReport(view, asTo(acceptanceParams, params)));
  take('sla', await slaReport(view, asTo(slaParams, params)));
  take('stale', await staleReport(view, asTo(staleParams, params), context));
  return {
    // Those without a value come last, as everywhere: null begins with an n, a value with a quotation mark.
    rows: [...rows]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { dimensions, parts }]) => ({ dimensions, ...figures(parts) })),
    total: figures(total),
  };
}

function figures({ acceptance, cycle, funnel, qualified, sla, stale }: Partial<Parts>): HealthFigures {
  const conversions = funnel?.conversions ?? [];
  const between = (from: string, to: string): Conversion =>
    conversions.find((one) => one.from === from && one.to === to) as Conversion;
  return {
    qualified: qualified?.qualified ?? null,
    openQualified: qualified?.openStock ?? null,
    conversions: funnel === undefined ? null : LADDER.slice(1).map((to, index) => between(LADDER[index] as string, to)),
    leadToCustomer: funnel === undefined ? null : between('LEAD', 'CUSTOMER'),
    cycleLength: cycle?.won ?? null,
    acceptance:
      acceptance === undefined
        ? null
        : { ...acceptance.acceptance, target: acceptance.target, meetsTarget: acceptance.meetsTarget },
    sla: sla?.clocks.map(({ attainment, clockType }) => ({ clockType, attainment })) ?? null,
    stale: stale?.stale ?? null,
  };
}

/** Its figures are those of other reports, and so are their links. */
export async function healthLeads(): Promise<null> {
  return null;
}
