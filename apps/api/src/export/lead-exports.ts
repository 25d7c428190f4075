import type { Position } from '#libs/event-log/src/event-log.js';
import { leadListItem, type LeadListItem, leadListParams, leadsMatching } from '#libs/read-models/src/lead-list.js';
import type { LeadRow } from '#libs/read-models/src/lead-row.js';
import { type ParamSpec, parseReportParams, type Query } from '#libs/read-models/src/report-params.js';
import type { QueryContext } from '#libs/read-models/src/reports.js';
import { readRows } from '#libs/read-models/src/scan.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { type VisitItem, visitsOf } from '#libs/read-models/src/visits.js';
import type { ExportFormat } from '../audit/audit-export.js';
import { type Columns, type SpooledFile, spoolExport } from './spooled-export.js';

type LeadExport = SpooledFile & { readonly position: Position | null };

/** Leads read at a time. */
const PAGE = 1000;

/** The filters of the lead list, and the period that the visits began in. */
export const visitParams: ParamSpec = { ...leadListParams, report: 'visits', period: true, paged: false };

/** The leads that pass the filters of the lead list, by id. */
export async function exportLeads(
  view: ReadView,
  query: Query,
  context: QueryContext,
  format: ExportFormat,
): Promise<LeadExport> {
  const leadIds = await leadsMatching(view, query, context);
  const pages = pagesOf(view, leadIds, (row) => [leadListItem(row)]);
  return { ...(await spoolExport(pages, format, LEAD_COLUMNS)), position: context.position };
}

/** Visits of those leads that began in the period; by lead, in order. */
export async function exportVisits(
  view: ReadView,
  query: Query,
  context: QueryContext,
  format: ExportFormat,
): Promise<LeadExport> {
  const { fromMs, toMs } = parseReportParams(visitParams, query, context);
  const { from: _from, to: _to, ...filters } = query;
  const leadIds = await leadsMatching(view, filters, context);
  const pages = pagesOf(view, leadIds, (row) =>
    visitsOf(row).filter(({ enteredAt }) => {
      const atMs = Date.parse(enteredAt);
      return (fromMs === null || atMs >= fromMs) && (toMs === null || atMs < toMs);
    }),
  );
  return { ...(await spoolExport(pages, format, VISIT_COLUMNS)), position: context.position };
}

async function* pagesOf<T>(
  view: ReadView,
  leadIds: readonly string[],
  itemsOf: (row: LeadRow) => T[],
): AsyncGenerator<T[]> {
  for (let at = 0; at < leadIds.length; at += PAGE) {
    const rows = await readRows(view, leadIds.slice(at, at + PAGE));
    yield rows.flatMap(itemsOf);
  }
}

const LEAD_COLUMNS: Columns<LeadListItem> = {
  leadId: (item) => item.leadId,
  revision: (item) => item.revision,
  state: (item) => item.state,
  stateSince: (item) => item.stateSince,
  cycleNo: (item) => item.cycleNo,
  onHold: (item) => String(item.onHold),
  capturedAt: (item) => item.capturedAt,
  changedAt: (item) => item.changedAt,
  lastActivityAt: (item) => item.lastActivityAt,
  twoWaySince: (item) => item.twoWaySince,
  source: (item) => item.source,
  channel: (item) => item.channel,
  campaign: (item) => item.campaign,
  leadType: (item) => item.leadType,
  country: (item) => item.country,
  captureMethod: (item) => item.captureMethod,
  basis: (item) => item.basis,
  teamId: (item) => item.teamId,
  ownerId: (item) => item.ownerId,
  accountId: (item) => item.accountId,
  personaId: (item) => item.personaId,
  icpResult: (item) => item.icpResult,
  attempts: (item) => item.attempts,
  responses: (item) => item.responses,
  openHandoff: (item) => String(item.openHandoff),
  mergedInto: (item) => item.mergedInto,
  nextDueAt: (item) => item.nextDueAt,
  dealId: (item) => item.deal?.dealId ?? null,
  dealStage: (item) => item.deal?.stage ?? null,
  dealAmountMinor: (item) => item.deal?.amountMinor ?? null,
  dealCurrency: (item) => item.deal?.currency ?? null,
  dealExpectedCloseDate: (item) => item.deal?.expectedCloseDate ?? null,
  dealClosed: (item) => item.deal?.closed ?? null,
  leadStatus: (item) => item.leadStatus,
  scoreMp: (item) => item.scoreMp,
  band: (item) => item.band,
  grade: (item) => item.grade,
  buyingIntent: (item) => item.buyingIntent,
  segmentId: (item) => item.segmentId,
  nurtureTrackId: (item) => item.nurtureTrackId,
};

const VISIT_COLUMNS: Columns<VisitItem> = {
  leadId: (item) => item.leadId,
  visitNo: (item) => item.visitNo,
  cycleNo: (item) => item.cycleNo,
  state: (item) => item.state,
  enteredAt: (item) => item.enteredAt,
  exitedAt: (item) => item.exitedAt,
  exitedTo: (item) => item.exitedTo,
  holdS: (item) => item.holdS,
  onHold: (item) => String(item.onHold),
  type: (item) => item.type,
  eventId: (item) => item.eventId,
  recordedAt: (item) => item.recordedAt,
  actorType: (item) => item.actorType,
  actorId: (item) => item.actorId,
  actorRole: (item) => item.actorRole,
  onBehalfOf: (item) => item.onBehalfOf,
  reason: (item) => item.reason,
  skippedStages: (item) => item.skippedStages.join(' '),
  skipRule: (item) => item.skipRule,
  source: (item) => item.source,
  channel: (item) => item.channel,
  campaign: (item) => item.campaign,
  leadType: (item) => item.leadType,
  country: (item) => item.country,
  captureMethod: (item) => item.captureMethod,
  basis: (item) => item.basis,
  teamId: (item) => item.teamId,
  ownerId: (item) => item.ownerId,
};
