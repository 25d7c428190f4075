import type { ClockType } from '#libs/lead/src/events.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText } from './dimensions.js';
import { dimensionFilter } from './grouping.js';
import { leadListItem, type LeadListItem } from './lead-list.js';
import { type Clock, CLOCK_TYPE_NAMES, type LeadRow } from './lead-row.js';
import { Page, type Place } from './paging.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { factValue, leadOfKey, orNull, parseFact, readRows } from './scan.js';
import type { ReadView } from './store/read-store.js';

/**
 * `/v1/queues/…`: what there is to do, by the instant at which it is due (spec §8.1, §8.2): offers to answer, promises to keep,
 * calls that were put off, recycled leads to look at again. One fact per item, in a partition of its team and owner.
 */
const QUEUE_TABLE = 'queue';

export const WORK_KINDS = ['handoff', 'clock', 'call_back', 'revisit'] as const;
type WorkKind = (typeof WORK_KINDS)[number];

/** Nobody works on these any more. */
const CLOSED: ReadonlySet<LeadStateName> = new Set<LeadStateName>(['LOST', 'DISQUALIFIED', 'JUNK', 'MERGED']);

interface Work {
  readonly kind: WorkKind;
  readonly dueMs: number;
  /** Since when it is to be done. */
  readonly sinceMs: number;
  readonly level: number;
  readonly clockType: ClockType | null;
  readonly team: string | null;
  readonly owner: string | null;
}

/** Names as JSON: they are free text. */
const partOf = (team: string | null, owner: string | null): string => JSON.stringify([team, owner]);
const ofPart = (part: string): readonly [team: string | null, owner: string | null] =>
  JSON.parse(part) as [string | null, string | null];

/** Numbers: kind, due, since, level, clock type. */
export function queueFacts(row: LeadRow): Fact[] {
  return workOf(row).map(({ clockType, dueMs, kind, level, owner, sinceMs, team }, index) => ({
    kind: 'row',
    table: QUEUE_TABLE,
    part: partOf(team, owner),
    key: `${row.leadId}/${index}`,
    value: factValue(
      dimensionText(row, team, owner),
      `${WORK_KINDS.indexOf(kind)},${dueMs},${sinceMs},${level},${clockType === null ? '' : CLOCK_TYPE_NAMES.indexOf(clockType)}`,
    ),
  }));
}

function workOf(row: LeadRow): Work[] {
  const { callBack, clocks, handoffs, owner, team, visits } = row;
  const visit = visits.at(-1);
  if (visit === undefined) return [];
  const theirs = { level: 0, clockType: null, team, owner };
  const work: Work[] = [];
  const offer = handoffs.findLast(({ outcome }) => outcome === 'open');
  const answer = offer && clocks.findLast((clock) => clock.type === 'handoff_response' && isOpen(clock));
  if (offer !== undefined) {
    const { offeredMs } = offer;
    // Without a promise it is due as soon as it is there.
    const dueMs = answer?.dueMs ?? offeredMs;
    const level = answer?.level ?? 0;
    const clockType = answer === undefined ? null : answer.type;
    work.push({ kind: 'handoff', dueMs, sinceMs: offeredMs, level, clockType, team: offer.team ?? team, owner });
  }
  for (const clock of clocks) {
    const dueMs = dueMsOf(clock);
    if (clock === answer || dueMs === null) continue;
    const { level, owner: clockOwner, startedMs, team: clockTeam, type } = clock;
    work.push({ kind: 'clock', dueMs, sinceMs: startedMs, level, clockType: type, team: clockTeam, owner: clockOwner });
  }
  if (callBack !== null && !CLOSED.has(visit.state))
    work.push({ ...theirs, kind: 'call_back', dueMs: callBack.dueMs, sinceMs: callBack.askedMs });
  const revisitMs = visit.more?.revisitMs;
  if (revisitMs !== undefined) work.push({ ...theirs, kind: 'revisit', dueMs: revisitMs, sinceMs: visit.enteredMs });
  return work;
}

const isOpen = ({ status }: Clock): boolean => status !== 'stopped' && status !== 'cancelled';

/** A clock that rests falls due when it goes on; one that rests for an unknown time is nobody's work. */
function dueMsOf(clock: Clock): number | null {
  if (!isOpen(clock)) return null;
  return clock.status === 'paused' ? clock.pausedUntilMs : clock.dueMs;
}

/** Leads offered to a team before `beforeMs` that nobody has and nobody has answered, by id (spec §9.8). */
export async function unownedHandoffs(view: ReadView, beforeMs: number): Promise<string[]> {
  const leadIds: string[] = [];
  for (const part of await view.partitions(QUEUE_TABLE)) {
    if (ofPart(part)[1] !== null) continue;
    for (const [key, value] of await view.rows(QUEUE_TABLE, part)) {
      const [kind, , sinceMs] = parseFact(value, key).numbers;
      if (WORK_KINDS[kind as number] === 'handoff' && (sinceMs as number) < beforeMs) leadIds.push(leadOfKey(key));
    }
  }
  return leadIds.sort();
}

export const queueParams: ParamSpec = {
  report: 'queue',
  paged: true,
  liveOnly: true,
  choices: { due: ['all', 'overdue'] },
  filters: { kind: WORK_KINDS },
};

/** Whose queue. A team's holds what its people have, and what nobody has yet. */
export type QueueOf = { readonly ownerId: string } | { readonly teamId: string };

export interface WorkItem {
  readonly leadId: string;
  readonly kind: WorkKind;
  /** Of a promise: which. */
  readonly clockType: ClockType | null;
  readonly dueAt: string;
  readonly overdue: boolean;
  readonly since: string;
  /** Highest level raised: 1 warning, 2 breach, 3… escalations. */
  readonly level: number;
  readonly teamId: string | null;
  readonly ownerId: string | null;
  readonly lead: LeadListItem;
}

interface Found extends Place {
  readonly kind: WorkKind;
  readonly sinceMs: number;
  readonly level: number;
  readonly clockType: ClockType | null;
  readonly team: string | null;
  readonly owner: string | null;
}

/** The earliest due first. */
export async function queue(view: ReadView, params: ReportParams, of: QueueOf) {
  const work = new Map<string, Found>();
  // An item that goes to somebody else meanwhile is met in both places, and told once.
  await scanWork(view, params, of, (one) => work.set(one.key, one));
  const page = new Page<Found>(params, 'ascending');
  for (const one of work.values()) page.add(one);
  const { nextCursor, page: found } = page.end();
  const leads = new Map(
    (await readRows(view, [...new Set(found.map(({ key }) => leadOfKey(key)))])).map((row) => [row.leadId, row]),
  );
  const items = found.flatMap((one): WorkItem[] => {
    const row = leads.get(leadOfKey(one.key));
    return row === undefined ? [] : [itemOf(one, row, params.asOfMs)];
  });
  return { items, nextCursor };
}

const iso = (ms: number): string => new Date(ms).toISOString();

const itemOf = ({ atMs, clockType, kind, level, owner, sinceMs, team }: Found, row: LeadRow, asOfMs: number) => ({
  leadId: row.leadId,
  kind,
  clockType,
  dueAt: iso(atMs),
  overdue: atMs < asOfMs,
  since: iso(sinceMs),
  level,
  teamId: team,
  ownerId: owner,
  lead: leadListItem(row),
});

async function scanWork(view: ReadView, params: ReportParams, of: QueueOf, use: (found: Found) => void): Promise<void> {
  const passes = dimensionFilter(params);
  const { kind: kinds } = params.filter;
  const { due } = params.choices;
  for (const part of await view.partitions(QUEUE_TABLE)) {
    const [team, owner] = ofPart(part);
    if ('ownerId' in of ? owner !== of.ownerId : team !== of.teamId) continue;
    for (const [key, value] of await view.rows(QUEUE_TABLE, part)) {
      const { dims, numbers } = parseFact(value, key);
      const [kindNo, dueMs, sinceMs, level, clockNo] = numbers as [number, number, number, number, number];
      const kind = WORK_KINDS[kindNo] as WorkKind;
      if (kinds !== undefined && !kinds.includes(kind)) continue;
      if ((due === 'overdue' && dueMs >= params.asOfMs) || !passes(dims)) continue;
      const clock = orNull(clockNo);
      use({
        key,
        atMs: dueMs,
        kind,
        sinceMs,
        level,
        clockType: clock === null ? null : (CLOCK_TYPE_NAMES[clock] as ClockType),
        team,
        owner,
      });
    }
  }
}
