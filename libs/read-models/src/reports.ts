import type { Position } from '#libs/event-log/src/event-log.js';
import { acceptanceLeads, acceptanceParams, acceptanceReport } from './acceptance.js';
import { attributionLeads, attributionParams, attributionReport } from './attribution.js';
import { audit, auditParams } from './audit.js';
import { balanceLeads, balanceParams, balanceReport } from './balance.js';
import { bottlenecksLeads, bottlenecksParams, bottlenecksReport } from './bottlenecks.js';
import { challengesLeads, challengesParams, challengesReport } from './challenges.js';
import { contactEffortLeads, contactEffortParams, contactEffortReport } from './contact-effort.js';
import { continuityLeads, continuityParams, continuityReport } from './continuity.js';
import { coverageLeads, coverageParams, coverageReport } from './coverage.js';
import { dataQualityLeads, dataQualityParams, dataQualityReport } from './data-quality.js';
import { dealList, dealListParams } from './deal-list.js';
import { duplicates, duplicatesParams } from './duplicates.js';
import { flowLeads, flowParams, flowReport } from './flow.js';
import { forecastLeads, forecastParams, forecastReport } from './forecast.js';
import { forecastAccuracyLeads, forecastAccuracyParams, forecastAccuracyReport } from './forecast-accuracy.js';
import { funnelLeads, funnelParams, funnelReport } from './funnel.js';
import { healthLeads, healthParams, healthReport } from './health.js';
import { leadList, leadListParams, leadsById } from './lead-list.js';
import { leakLeads, leakParams, leakReport } from './leak.js';
import { lossReasonsLeads, lossReasonsParams, lossReasonsReport } from './loss-reasons.js';
import { markedPeriods } from './marker.js';
import { prospectsLeads, prospectsParams, prospectsReport } from './prospects.js';
import { qualifiedLeads, qualifiedParams, qualifiedReport } from './qualified.js';
import { recyclingLeads, recyclingParams, recyclingReport } from './recycling.js';
import { queue, queueParams, type QueueOf } from './queue.js';
import { invalidParameter } from './report-error.js';
import {
  type ParamSpec,
  parseReportParams,
  type Query,
  type ReportContext,
  type ReportParams,
} from './report-params.js';
import {
  requiredOpportunitiesLeads,
  requiredOpportunitiesParams,
  requiredOpportunitiesReport,
} from './required-opportunities.js';
import { returnsLeads, returnsParams, returnsReport } from './returns.js';
import { revenueLeads, revenueParams, revenueReport } from './revenue.js';
import { salEffectLeads, salEffectParams, salEffectReport } from './sal-effect.js';
import { salesCycleLeads, salesCycleParams, salesCycleReport } from './sales-cycle.js';
import { scoreQualityLeads, scoreQualityParams, scoreQualityReport } from './score-quality.js';
import { breaches, breachesParams, runningClocks, runningClocksParams, slaLeads, slaParams, slaReport } from './sla.js';
import { stageBenchmarksLeads, stageBenchmarksParams, stageBenchmarksReport } from './stage-benchmarks.js';
import { stageDurationsLeads, stageDurationsParams, stageDurationsReport } from './stage-durations.js';
import { staleLeads, staleParams, staleReport } from './stale.js';
import { stockLeads, stockParams, stockReport } from './stock.js';
import type { ReadView } from './store/read-store.js';
import { velocityLeads, velocityParams, velocityReport } from './velocity.js';
import { winRateLeads, winRateParams, winRateReport } from './win-rate.js';

interface Report {
  readonly params: ParamSpec;
  /** Figures by row and in total. */
  run(
    view: ReadView,
    params: ReportParams,
    context: ReportContext,
  ): Promise<{ readonly rows: readonly object[]; readonly total: object }>;
  /** The leads behind one figure; null when the report has no such figure. */
  leads(view: ReadView, params: ReportParams, figure: string, context: ReportContext): Promise<string[] | null>;
}

const REPORTS = {
  health: { params: healthParams, run: healthReport, leads: healthLeads },
  stock: { params: stockParams, run: stockReport, leads: stockLeads },
  funnel: { params: funnelParams, run: funnelReport, leads: funnelLeads },
  flow: { params: flowParams, run: flowReport, leads: flowLeads },
  'stage-durations': { params: stageDurationsParams, run: stageDurationsReport, leads: stageDurationsLeads },
  acceptance: { params: acceptanceParams, run: acceptanceReport, leads: acceptanceLeads },
  sla: { params: slaParams, run: slaReport, leads: slaLeads },
  'sales-cycle': { params: salesCycleParams, run: salesCycleReport, leads: salesCycleLeads },
  velocity: { params: velocityParams, run: velocityReport, leads: velocityLeads },
  qualified: { params: qualifiedParams, run: qualifiedReport, leads: qualifiedLeads },
  'win-rate': { params: winRateParams, run: winRateReport, leads: winRateLeads },
  'loss-reasons': { params: lossReasonsParams, run: lossReasonsReport, leads: lossReasonsLeads },
  recycling: { params: recyclingParams, run: recyclingReport, leads: recyclingLeads },
  leak: { params: leakParams, run: leakReport, leads: leakLeads },
  returns: { params: returnsParams, run: returnsReport, leads: returnsLeads },
  prospects: { params: prospectsParams, run: prospectsReport, leads: prospectsLeads },
  'sal-effect': { params: salEffectParams, run: salEffectReport, leads: salEffectLeads },
  revenue: { params: revenueParams, run: revenueReport, leads: revenueLeads },
  forecast: { params: forecastParams, run: forecastReport, leads: forecastLeads },
  coverage: { params: coverageParams, run: coverageReport, leads: coverageLeads },
  'required-opportunities': {
    params: requiredOpportunitiesParams,
    run: requiredOpportunitiesReport,
    leads: requiredOpportunitiesLeads,
  },
  'stage-benchmarks': { params: stageBenchmarksParams, run: stageBenchmarksReport, leads: stageBenchmarksLeads },
  stale: { params: staleParams, run: staleReport, leads: staleLeads },
  bottlenecks: { params: bottlenecksParams, run: bottlenecksReport, leads: bottlenecksLeads },
  balance: { params: balanceParams, run: balanceReport, leads: balanceLeads },
  'forecast-accuracy': {
    params: forecastAccuracyParams,
    run: forecastAccuracyReport,
    leads: forecastAccuracyLeads,
  },
  attribution: { params: attributionParams, run: attributionReport, leads: attributionLeads },
  'contact-effort': { params: contactEffortParams, run: contactEffortReport, leads: contactEffortLeads },
  continuity: { params: continuityParams, run: continuityReport, leads: continuityLeads },
  challenges: { params: challengesParams, run: challengesReport, leads: challengesLeads },
  'data-quality': { params: dataQualityParams, run: dataQualityReport, leads: dataQualityLeads },
  'score-quality': { params: scoreQualityParams, run: scoreQualityReport, leads: scoreQualityLeads },
} as const satisfies Record<string, Report>;

export type ReportName = keyof typeof REPORTS;
export const REPORT_NAMES = Object.keys(REPORTS) as readonly ReportName[];

/** `position`: what the view reflects at least; it stands in the answer. */
export type QueryContext = ReportContext & { readonly position: Position | null };

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** What every answer says about itself. */
function heading(params: ReportParams, context: QueryContext) {
  return { position: context.position, asOf: iso(params.asOfMs), knownAt: iso(params.nowMs) };
}

/**
 * `/v1/reports/<name>`: the report's figures by row and in total; with `marker` also those of the period before and after it.
 * Throws `ReportError` for parameters it does not understand or cannot answer.
 */
export async function runReport(view: ReadView, name: ReportName, query: Query, context: QueryContext) {
  const report: Report = REPORTS[name];
  const { marker, ...asked } = query;
  const params = parseReportParams(report.params, report.params.period === true ? asked : query, context);
  const marked = marker === undefined ? null : markedPeriods(params, marker);
  const run = async (part: ReportParams) => ({
    period: { from: iso(part.fromMs), to: iso(part.toMs) },
    ...(await report.run(view, part, context)),
  });
  const body = await report.run(view, params, context);
  return {
    report: name,
    ...heading(params, context),
    tz: params.tz,
    ...(report.params.period === true ? { period: { from: iso(params.fromMs), to: iso(params.toMs) } } : {}),
    by: params.by,
    ...(report.params.groupBy === true ? { groupBy: params.groupBy } : {}),
    ...params.choices,
    filter: params.filter,
    ...body,
    ...(marked === null
      ? {}
      : { marker: { at: iso(marked.atMs), before: await run(marked.before), after: await run(marked.after) } }),
  };
}

/** `/v1/leads`; with `drill` and `figure` as a figure's link has them: exactly the leads behind that figure, by id. */
export async function listLeads(view: ReadView, query: Query, context: QueryContext) {
  if (query.drill !== undefined) {
    const { leadIds, params } = await drilled(view, query, context);
    return { ...heading(params, context), ...(await leadsById(view, leadIds, params)) };
  }
  const params = parseReportParams(leadListParams, query, context);
  return { ...heading(params, context), ...(await leadList(view, params, context)) };
}

/** `/v1/leads` of leads that are known by name. */
export async function listLeadsById(view: ReadView, leadIds: readonly string[], query: Query, context: QueryContext) {
  const params = parseReportParams(leadListParams, query, context);
  return { ...heading(params, context), ...(await leadsById(view, leadIds, params)) };
}

/** The ids behind a drill link, sorted. */
export async function drillLeads(view: ReadView, query: Query, context: QueryContext): Promise<string[]> {
  return (await drilled(view, query, context)).leadIds;
}

async function drilled(view: ReadView, query: Query, context: QueryContext) {
  const { drill, figure, ...rest } = query;
  if (typeof drill !== 'string' || !Object.hasOwn(REPORTS, drill)) {
    throw invalidParameter('drill', `one of ${REPORT_NAMES.join(', ')}`);
  }
  if (typeof figure !== 'string') throw invalidParameter('figure', 'the figure a drill link names');
  const report: Report = REPORTS[drill as ReportName];
  const params = parseReportParams({ ...report.params, paged: true }, rest, context);
  const leadIds = await report.leads(view, params, figure, context);
  if (leadIds === null) throw invalidParameter('figure', `unknown figure of ${drill}`);
  return { leadIds: leadIds.sort(), params };
}

/** `/v1/sla/clocks`. */
export async function listClocks(view: ReadView, query: Query, context: QueryContext) {
  const params = parseReportParams(runningClocksParams, query, context);
  return { ...heading(params, context), ...(await runningClocks(view, params)) };
}

/** `/v1/sla/breaches`. */
export async function listBreaches(view: ReadView, query: Query, context: QueryContext) {
  const params = parseReportParams(breachesParams, query, context);
  return { ...heading(params, context), ...(await breaches(view, params)) };
}

/** `/v1/queues/…`. */
export async function listQueue(view: ReadView, query: Query, context: QueryContext, of: QueueOf) {
  const params = parseReportParams(queueParams, query, context);
  return { ...heading(params, context), ...of, ...(await queue(view, params, of)) };
}

/** `/v1/deals`. */
export async function listDeals(view: ReadView, query: Query, context: QueryContext) {
  const params = parseReportParams(dealListParams, query, context);
  return { ...heading(params, context), ...(await dealList(view, params, context)) };
}

/** `/v1/audit`. */
export async function listAudit(view: ReadView, query: Query, context: QueryContext) {
  const params = parseReportParams(auditParams, query, context);
  return { ...heading(params, context), ...(await audit(view, params)) };
}

/** `/v1/duplicates`. */
export async function listDuplicates(view: ReadView, query: Query, context: QueryContext) {
  const params = parseReportParams(duplicatesParams, query, context);
  return { ...heading(params, context), ...(await duplicates(view, params)) };
}
