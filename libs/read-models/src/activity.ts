import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventData, LeadEventType } from '#libs/lead/src/events.js';

/**
 * When something was done about a lead, as staleness counts it (7.19): before SAL behaviour and responses, from SAL on
 * changes of the deal, attempts, responses, meetings and proposals. Entries to a stage are the lead's visits.
 */
export interface Activities {
  /** Ascending. */
  acts: Act[];
  /** Times the person asked to be left alone: they pause the silence as a hold does (spec §6.4). */
  deferrals: [fromMs: number, untilMs: number][];
}

export interface Act {
  atMs: number;
  kind: ActKind;
}
/** 0 the person's own doing, 1 sales' work, 2 a response: counts in every stage. */
export type ActKind = 0 | 1 | 2;

const KINDS: Readonly<Partial<Record<LeadEventType, ActKind>>> = {
  BehaviourRecorded: 0,
  CaptureRepeated: 0,
  ContactAttempted: 1,
  MeetingBooked: 1,
  MeetingHeld: 1,
  ProposalSent: 1,
  DealStageChanged: 1,
  DealAmountChanged: 1,
  DealValueVerified: 1,
  DealCloseDateChanged: 1,
  LeadResponded: 2,
};

/**
 * So many acts are kept, the newest: who asks for a day before the oldest of them sees the lead's silence since its last
 * stage entry. Far more than people make; it bounds the row of a lead that a machine visits.
 */
const MOST_KEPT = 256;

export const noActivities = (): Activities => ({ acts: [], deferrals: [] });

export const actKind = (type: string): ActKind | undefined =>
  Object.hasOwn(KINDS, type) ? KINDS[type as LeadEventType] : undefined;

/** True when the event counts for staleness. */
export function recordAct(activities: Activities, event: RecordedEvent, atMs: number): boolean {
  if (event.type === 'ContactDeferred') {
    const { requestedBy, until } = event.data as LeadEventData<'ContactDeferred'>;
    if (requestedBy !== 'lead') return false;
    activities.deferrals.push([atMs, Date.parse(until)]);
    return true;
  }
  const kind = actKind(event.type);
  if (kind === undefined) return false;
  insert(activities.acts, { atMs, kind });
  return true;
}

function insert(acts: Act[], act: Act): void {
  let index = acts.length;
  while (index > 0 && (acts[index - 1] as Act).atMs > act.atMs) index -= 1;
  acts.splice(index, 0, act);
  if (acts.length > MOST_KEPT) acts.shift();
}

/**
 * Moves the act of that time: events are told apart by their time here, not by their id, which would cost more to keep. False when
 * there is none.
 */
export function retimeAct(activities: Activities, oldMs: number, newMs: number): boolean {
  const index = activities.acts.findIndex(({ atMs }) => atMs === oldMs);
  if (index >= 0) {
    const [act] = activities.acts.splice(index, 1);
    insert(activities.acts, { ...(act as Act), atMs: newMs });
    return true;
  }
  const deferral = activities.deferrals.find(([fromMs]) => fromMs === oldMs);
  if (deferral !== undefined) deferral[0] = newMs;
  return false;
}

/** [ms since the act before · 3 + kind]…, and [from, length] of each deferral. */
type PackedActivities = [acts: number[], deferrals: [number, number][]];

export function packActivities({ acts, deferrals }: Activities, base: number): PackedActivities {
  let before = base;
  return [
    acts.map(({ atMs, kind }) => {
      const packed = (atMs - before) * 3 + kind;
      before = atMs;
      return packed;
    }),
    deferrals.map(([fromMs, untilMs]) => [fromMs - base, untilMs - fromMs]),
  ];
}

export function loadActivities([acts, deferrals]: PackedActivities, base: number): Activities {
  let atMs = base;
  return {
    acts: acts.map((packed) => {
      // Only the first may lie before the capture, and so be negative.
      const kind = (((packed % 3) + 3) % 3) as ActKind;
      atMs += (packed - kind) / 3;
      return { atMs, kind };
    }),
    deferrals: deferrals.map(([from, length]) => [from + base, from + base + length]),
  };
}
