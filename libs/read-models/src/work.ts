import type { ClockType } from '#libs/lead/src/events.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText } from './dimensions.js';
import { type Clock, CLOCK_TYPE_NAMES, type LeadRow } from './lead-row.js';
import { presentStanding } from './lead-standing.js';
import { factValue, parseFact } from './fact-row.js';
import { leadOfKey } from './scan.js';
import type { ReadView } from './store/read-store.js';

/**
 * What there is to do about a lead (spec §8.1 queues): offers to answer, promises to keep, calls that were put off, recycled leads
 * to look at again. One fact per item, in a partition of its team and owner.
 */
export const QUEUE_TABLE = 'queue';

export const WORK_KINDS = ['handoff', 'clock', 'call_back', 'revisit'] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

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
export const ofPart = (part: string): readonly [team: string | null, owner: string | null] =>
  JSON.parse(part) as [string | null, string | null];

/** Numbers: kind, due, since, level, clock type, total of the score. */
export function queueFacts(row: LeadRow): Fact[] {
  const { totalMp } = presentStanding(row);
  return workOf(row).map(({ clockType, dueMs, kind, level, owner, sinceMs, team }, index) => ({
    kind: 'row',
    table: QUEUE_TABLE,
    part: partOf(team, owner),
    key: `${row.leadId}/${index}`,
    value: factValue(
      dimensionText(row, team, owner),
      `${WORK_KINDS.indexOf(kind)},${dueMs},${sinceMs},${level},${clockType === null ? '' : CLOCK_TYPE_NAMES.indexOf(clockType)},${totalMp ?? ''}`,
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

/** So long an offer may wait for somebody to have it (spec §9.8). */
const UNOWNED_MS = 3_600_000;

/** Leads offered to a team for longer that nobody has and nobody has answered, by id. */
export async function unownedTooLong(view: ReadView, nowMs: number): Promise<string[]> {
  const leadIds: string[] = [];
  for (const part of await view.partitions(QUEUE_TABLE)) {
    if (ofPart(part)[1] !== null) continue;
    for (const [key, value] of await view.rows(QUEUE_TABLE, part)) {
      const [kind, , sinceMs] = parseFact(value, key).numbers;
      const isOffer = WORK_KINDS[kind as number] === 'handoff';
      if (isOffer && (sinceMs as number) < nowMs - UNOWNED_MS) leadIds.push(leadOfKey(key));
    }
  }
  return leadIds.sort();
}
