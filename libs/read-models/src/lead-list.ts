import { LEAD_STATUSES, type LeadStatus } from '#libs/lead/src/state.js';
import { LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import { accountFilter } from './account-leads.js';
import { LAST_PART } from './dimensions.js';
import { dimensionFilter } from './grouping.js';
import { basisOf, isOnHold, type LeadRow, nextDueMs, type Visit } from './lead-row.js';
import { presentStanding, presentTrack, rowStatus } from './lead-standing.js';
import { enteredMsOf, firstEnteredMs } from './merges.js';
import { orphanFilter } from './owned-leads.js';
import { Page, type Place } from './paging.js';
import { lastChangeOf, PATH_TABLE, presentStateOf, presentStatusOf } from './path.js';
import {
  type ParamSpec,
  parseReportParams,
  type Query,
  type ReportContext,
  type ReportParams,
} from './report-params.js';
import { readRows, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';
import { unownedTooLong } from './work.js';

/** `/v1/leads`: leads by state and dimensions, the last changed first. No personal data: that is in the lead's own card. */
export const leadListParams: ParamSpec = {
  report: 'leads',
  paged: true,
  liveOnly: true,
  filters: {
    state: LEAD_STATES,
    leadStatus: LEAD_STATUSES,
    account: null,
    orphaned: ['true', 'false'],
    unowned: ['true', 'false'],
  },
};

export interface LeadListItem {
  readonly leadId: string;
  readonly revision: number;
  readonly state: LeadStateName;
  readonly stateSince: string;
  readonly cycleNo: number;
  readonly onHold: boolean;
  readonly capturedAt: string;
  /** Last transition, void or correction: the list is ordered by it. */
  readonly changedAt: string;
  readonly lastActivityAt: string;
  readonly twoWaySince: string | null;
  readonly source: string | null;
  readonly channel: string | null;
  readonly campaign: string | null;
  readonly leadType: string | null;
  readonly country: string | null;
  readonly captureMethod: string | null;
  readonly basis: string | null;
  readonly teamId: string | null;
  readonly ownerId: string | null;
  readonly accountId: string | null;
  readonly personaId: string | null;
  readonly icpResult: string | null;
  /** Working label (spec §3.2). */
  readonly leadStatus: LeadStatus | null;
  /** Milli-points as they were recorded last; null: never. */
  readonly scoreMp: number | null;
  readonly band: string;
  readonly grade: string;
  readonly buyingIntent: string | null;
  /** The audience it was nurtured as last. */
  readonly segmentId: string | null;
  /** On which track it is now. */
  readonly nurtureTrackId: string | null;
  readonly attempts: number;
  readonly responses: number;
  readonly openHandoff: boolean;
  /** In MERGED: the lead that survived it. */
  readonly mergedInto: string | null;
  /** Earliest instant at which one of its clocks raises something. */
  readonly nextDueAt: string | null;
  readonly deal: {
    readonly dealId: string;
    readonly stage: string | null;
    readonly amountMinor: number | null;
    readonly currency: string | null;
    readonly expectedCloseDate: string | null;
    readonly closed: string | null;
  } | null;
}

export async function leadList(view: ReadView, params: ReportParams, context: ReportContext) {
  const found = new Page<Place>(params, 'descending');
  await scanLeads(view, params, context, (place) => found.add(place));
  const { page, nextCursor } = found.end();
  const rows = await readRows(
    view,
    page.map(({ key }) => key),
  );
  return { items: rows.map(leadListItem), nextCursor };
}

/** Ids of all leads that pass the list's filters, sorted: for who acts on them or takes them away. */
export async function leadsMatching(view: ReadView, query: Query, context: ReportContext): Promise<string[]> {
  const leadIds: string[] = [];
  const params = parseReportParams({ ...leadListParams, paged: false }, query, context);
  await scanLeads(view, params, context, ({ key }) => leadIds.push(key));
  return leadIds.sort();
}

async function scanLeads(
  view: ReadView,
  params: ReportParams,
  { nowMs, policies }: ReportContext,
  use: (place: Place) => void,
): Promise<void> {
  const passes = dimensionFilter(params);
  const { leadStatus: statuses, state: states } = params.filter;
  const mayBeOrphan = orphanFilter(params.filter.orphaned, policies);
  const ofAccount = await accountFilter(view, params.filter.account);
  const { unowned } = params.filter;
  const waiting = unowned === undefined ? null : new Set(await unownedTooLong(view, nowMs));
  await scanFacts(view, PATH_TABLE, '', LAST_PART, (fact) => {
    const state = presentStateOf(fact);
    // Merged-away leads are listed only when asked for.
    if (states === undefined ? statuses === undefined && state === 'MERGED' : !states.includes(state)) return;
    if (statuses?.includes(presentStatusOf(fact)) === false) return;
    if (!mayBeOrphan(fact.dims, state)) return;
    if (waiting !== null && unowned?.includes(String(waiting.has(fact.key))) !== true) return;
    if (passes(fact.dims) && ofAccount(fact.key)) use({ key: fact.key, atMs: lastChangeOf(fact) });
  });
}

/** The leads behind a figure, by id. */
export async function leadsById(view: ReadView, leadIds: readonly string[], params: ReportParams) {
  const found = new Page<Place>(params, 'ascending');
  for (const key of leadIds) found.add({ key, atMs: 0 });
  const { page, nextCursor } = found.end();
  const rows = await readRows(
    view,
    page.map(({ key }) => key),
  );
  return { count: leadIds.length, items: rows.map(leadListItem), nextCursor };
}

const iso = (ms: number): string => new Date(ms).toISOString();

export function leadListItem(row: LeadRow): LeadListItem {
  const visit = row.visits[row.visits.length - 1] as Visit;
  const deal = row.deals[row.deals.length - 1];
  const { band, buyingIntent, grade, segment, totalMp } = presentStanding(row);
  let next: number | null = null;
  for (const clock of row.clocks) {
    const due = nextDueMs(clock);
    if (due !== null && (next === null || due < next)) next = due;
  }
  return {
    leadId: row.leadId,
    revision: row.revision,
    state: visit.state,
    stateSince: iso(enteredMsOf(row, row.visits.length - 1)),
    cycleNo: visit.cycle,
    onHold: isOnHold(row),
    capturedAt: iso(firstEnteredMs(row)),
    changedAt: iso(row.lastChangeMs),
    lastActivityAt: iso(row.lastActivityMs),
    twoWaySince: row.twoWaySinceMs === null ? null : iso(row.twoWaySinceMs),
    source: row.source,
    channel: row.channel,
    campaign: row.campaign,
    leadType: row.leadType,
    country: row.country,
    captureMethod: row.captureMethod,
    basis: basisOf(row),
    teamId: row.team,
    ownerId: row.owner,
    accountId: row.profile.account,
    personaId: row.profile.persona,
    icpResult: row.profile.icpResult,
    leadStatus: rowStatus(row),
    scoreMp: totalMp,
    band,
    grade,
    buyingIntent,
    segmentId: segment,
    nurtureTrackId: presentTrack(row),
    attempts: row.attempts,
    responses: row.responses,
    mergedInto: row.merges.mergedInto?.survivorLeadId ?? null,
    openHandoff: row.handoffs.some(({ outcome }) => outcome === 'open'),
    nextDueAt: next === null ? null : iso(next),
    deal:
      deal === undefined
        ? null
        : {
            dealId: deal.dealId,
            stage: deal.stage,
            amountMinor: (deal.closed?.amount ?? deal.amount)?.amountMinor ?? null,
            currency: (deal.closed?.amount ?? deal.amount)?.currency ?? null,
            expectedCloseDate: deal.expectedCloseDate,
            closed: deal.closed?.kind ?? null,
          },
  };
}
