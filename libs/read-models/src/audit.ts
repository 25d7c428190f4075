import type { LeadStateName } from '#libs/lead/src/states.js';
import { LAST_PART, utcDay } from './dimensions.js';
import { HOUR_MS } from './figures.js';
import { dimensionFilter, inPeriod } from './grouping.js';
import {
  type ActorTuple,
  type LeadRow,
  TRANSITION_TYPES,
  type TransitionType,
  type Visit,
  type VoidedVisit,
} from './lead-row.js';
import { Page, type Place } from './paging.js';
import { PATH_TABLE } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { parseFact } from './fact-row.js';
import { readRows } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** What sales ops looks for in transitions (spec §8.2). */
export const AUDIT_KINDS = [
  'skipped',
  'voided',
  'backdated',
  'overridden',
  'adjusted',
  'corrected',
  'auto',
  'manual',
] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

/** `/v1/audit`: every transition that happened in the period, voided ones too, the latest first. */
export const auditParams: ParamSpec = {
  report: 'audit',
  period: true,
  paged: true,
  liveOnly: true,
  filters: {
    // `back-dated` is the contract's spelling.
    kind: [...AUDIT_KINDS, 'back-dated'],
    type: TRANSITION_TYPES,
    actor: null,
    role: null,
    reason: null,
    lead: null,
  },
};

export interface AuditActor {
  readonly type: string;
  readonly id: string;
  readonly role: string;
  readonly onBehalfOf: string | null;
}

export interface AuditItem {
  readonly leadId: string;
  readonly eventId: string;
  readonly type: TransitionType;
  readonly fromState: LeadStateName | null;
  readonly toState: LeadStateName;
  readonly cycleNo: number;
  readonly stageVisitNo: number;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly actor: AuditActor;
  /** System that sent the command: `api`, `import`, … */
  readonly sourceSystem: string;
  readonly reason: string | null;
  readonly kinds: readonly AuditKind[];
  readonly skippedStages: readonly LeadStateName[];
  readonly skipRule: string | null;
  readonly override: { readonly by: string; readonly reason: string } | null;
  /** Of MergedInto: the lead that survived. */
  readonly mergedInto: string | null;
  /** The time an import claimed; `occurredAt` was clamped to the transition before it. */
  readonly claimedOccurredAt: string | null;
  readonly correction: { readonly oldOccurredAt: string; readonly reason: string } | null;
  readonly voided: {
    readonly eventId: string;
    readonly at: string;
    readonly actor: AuditActor;
    readonly reason: string;
    readonly approvedBy: string | null;
  } | null;
}

interface Entry extends Place {
  readonly row: LeadRow;
  readonly visit: Visit;
  readonly fromState: LeadStateName | null;
  readonly visitNo: number;
  readonly voided: VoidedVisit | null;
}

/** Leads whose rows are read at a time. */
const BATCH = 5000;

/**
 * Reads the leads day by day of their last change, backwards, and stops once the page is full: no lead that changed last
 * before a day can have a transition on it.
 */
export async function audit(view: ReadView, params: ReportParams) {
  const byDay = new Map<string, string[]>();
  const passes = dimensionFilter(params);
  const fromPart = params.fromMs === null ? '' : utcDay(params.fromMs);
  const leads = params.filter.lead;
  for (const [part, leadId, value] of await view.rowsBetween(PATH_TABLE, fromPart, LAST_PART)) {
    if (leads !== undefined && !leads.includes(leadId)) continue;
    if (!passes(parseFact(value, leadId).dims)) continue;
    const day = byDay.get(part);
    if (day === undefined) byDay.set(part, [leadId]);
    else day.push(leadId);
  }
  const days = [...byDay.keys()].sort().reverse();
  const entries = new Page<Entry>(params, 'descending');
  for (const day of days) {
    const ids = byDay.get(day) as string[];
    for (let start = 0; start < ids.length; start += BATCH) {
      for (const row of await readRows(view, ids.slice(start, start + BATCH))) {
        row.visits.forEach((visit, index) => {
          if (!wanted(row, visit, false, params)) return;
          entries.add(entryOf(row, visit, row.visits[index - 1]?.state ?? null, index + 1, null));
        });
        for (const visit of row.voided) {
          if (wanted(row, visit, true, params)) {
            entries.add(entryOf(row, visit, visit.fromState, visit.visitNo, visit));
          }
        }
      }
    }
    // Leads yet to be read changed last before this day.
    if (entries.isFullBefore({ atMs: Date.parse(day), key: '' })) break;
  }
  const { page, nextCursor } = entries.end();
  return { items: page.map(itemOf), nextCursor };
}

function wanted(row: LeadRow, visit: Visit, voided: boolean, params: ReportParams): boolean {
  const { kind, type, actor, role, reason } = params.filter;
  const [, actorId, actorRole] = row.actors[visit.actor] as ActorTuple;
  return (
    inPeriod(params, visit.enteredMs) &&
    (type === undefined || type.includes(visit.type)) &&
    (actor === undefined || actor.includes(actorId)) &&
    (role === undefined || role.includes(actorRole)) &&
    (reason === undefined || reason.includes(visit.more?.reason ?? null)) &&
    (kind === undefined ||
      kindsOf(visit, voided).some((one) => kind.includes(one) || (one === 'backdated' && kind.includes('back-dated'))))
  );
}

function kindsOf(visit: Visit, voided: boolean): AuditKind[] {
  const more = visit.more ?? {};
  const kinds: AuditKind[] = [];
  if ((more.skipped?.length ?? 0) > 0) kinds.push('skipped');
  if (voided) kinds.push('voided');
  // The time as it was when recorded: a later correction does not make it back-dated.
  if (visit.recordedMs - (more.correctedFromMs ?? visit.enteredMs) > HOUR_MS) kinds.push('backdated');
  if (more.override !== undefined) kinds.push('overridden');
  if (more.claimedMs !== undefined) kinds.push('adjusted');
  if (more.correctedFromMs !== undefined) kinds.push('corrected');
  kinds.push(more.auto === true ? 'auto' : 'manual');
  return kinds;
}

const iso = (ms: number): string => new Date(ms).toISOString();

function actorOf(row: LeadRow, index: number): AuditActor {
  const [type, id, role, onBehalfOf] = row.actors[index] as ActorTuple;
  return { type, id, role, onBehalfOf };
}

function entryOf(
  row: LeadRow,
  visit: Visit,
  fromState: LeadStateName | null,
  visitNo: number,
  voided: VoidedVisit | null,
): Entry {
  const key = `${row.leadId}/${String(visitNo).padStart(6, '0')}/${visit.eventId}`;
  return { atMs: visit.enteredMs, key, row, visit, fromState, visitNo, voided };
}

function itemOf({ row, visit, fromState, visitNo, voided }: Entry): AuditItem {
  const more = visit.more ?? {};
  return {
    leadId: row.leadId,
    eventId: visit.eventId,
    type: visit.type,
    fromState,
    toState: visit.state,
    cycleNo: visit.cycle,
    stageVisitNo: visitNo,
    occurredAt: iso(visit.enteredMs),
    recordedAt: iso(visit.recordedMs),
    actor: actorOf(row, visit.actor),
    sourceSystem: (row.actors[visit.actor] as ActorTuple)[4],
    reason: more.reason ?? null,
    kinds: kindsOf(visit, voided !== null),
    skippedStages: more.skipped ?? [],
    skipRule: more.skipRule ?? null,
    override: more.override ?? null,
    mergedInto: more.mergedInto ?? null,
    claimedOccurredAt: more.claimedMs === undefined ? null : iso(more.claimedMs),
    correction:
      more.correctedFromMs === undefined
        ? null
        : { oldOccurredAt: iso(more.correctedFromMs), reason: more.correctionReason ?? '' },
    voided:
      voided === null
        ? null
        : {
            eventId: voided.voidEventId,
            at: iso(voided.voidedAtMs),
            actor: actorOf(row, voided.voidActor),
            reason: voided.voidReason,
            approvedBy: voided.approvedBy,
          },
  };
}
