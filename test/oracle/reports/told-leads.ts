import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { initialLead } from '#libs/lead/src/state.js';
import { RANK, type LeadStateName } from '#libs/lead/src/states.js';
import type { Past } from '#libs/read-models/src/given-when-then.js';

/** What a slow and plain reader makes of the events of leads. */

// oxlint-disable-next-line typescript/no-explicit-any -- events are read as plain JSON here, on purpose
export type Any = any;
export interface OracleVisit {
  state: LeadStateName;
  cycle: number;
  enteredMs: number;
  exitedMs: number | null;
  event: RecordedEvent;
  next: RecordedEvent | null;
}
export interface OracleLead {
  leadId: string;
  events: RecordedEvent[];
  visits: OracleVisit[];
  holds: { sinceMs: number; endMs: number }[];
  /** Voided transitions during whose visit the event was recorded. */
  voidedAround: (event: RecordedEvent) => RecordedEvent[];
  timeOf: (event: RecordedEvent) => number;
  dims: Record<string, string | null>;
  ownership: Map<string, { owner: string | null; team: string | null }>;
}

export const data = (event: RecordedEvent): Any => event.data;

export function readLead(leadId: string, events: RecordedEvent[]): OracleLead {
  const voided = new Set(events.filter((e) => e.type === 'TransitionVoided').map((e) => data(e).voidedEventId));
  const corrected = new Map<string, number>();
  for (const e of events) {
    if (e.type === 'OccurredAtCorrected') corrected.set(data(e).correctedEventId, Date.parse(data(e).new));
  }
  const timeOf = (e: RecordedEvent): number => corrected.get(e.id) ?? Date.parse(data(e).occurredAt);
  const isTransition = (e: RecordedEvent): boolean =>
    data(e).toState !== undefined && e.type !== 'TransitionVoided' && data(e).fromState !== data(e).toState;
  const standing = events.filter((e) => isTransition(e) && !voided.has(e.id));
  const visits = standing.map((event, index) => {
    const next = standing[index + 1] ?? null;
    return {
      state: data(event).toState as LeadStateName,
      cycle: data(event).cycleNo as number,
      enteredMs: timeOf(event),
      exitedMs: next === null ? null : timeOf(next),
      event,
      next,
    };
  });

  // Holds, played through with what a void gives back.
  interface Open {
    sinceMs: number;
    end: RecordedEvent | null;
    dropped: boolean;
  }
  const holds: Open[] = [];
  let open: Open[] = [];
  let putHere: Open[] = [];
  const stack: { open: Open[]; putHere: Open[]; state: LeadStateName | null }[] = [];
  let state: LeadStateName | null = null;
  for (const e of events) {
    if (isTransition(e)) {
      for (const hold of open) hold.end = e;
      stack.push({ open, putHere, state });
      open = [];
      putHere = [];
      state = data(e).toState;
    } else if (e.type === 'PutOnHold') {
      const hold = { sinceMs: timeOf(e), end: null, dropped: false };
      holds.push(hold);
      open.push(hold);
      putHere.push(hold);
    } else if (e.type === 'ResumedFromHold') {
      for (const hold of open) hold.end = e;
      open = [];
    } else if (e.type === 'TransitionVoided') {
      const before = stack.pop() as { open: Open[]; putHere: Open[]; state: LeadStateName | null };
      state = before.state;
      for (const hold of before.open) hold.end = null;
      if (['SAL', 'SQL', 'OPPORTUNITY'].includes(state as string)) {
        open = [...before.open, ...open];
        putHere = [...before.putHere, ...putHere];
      } else {
        for (const hold of putHere) hold.dropped = true;
        open = before.open;
        putHere = before.putHere;
      }
    }
  }

  // Who is responsible is the domain's own fold.
  let lead = initialLead(leadId);
  const ownership = new Map<string, { owner: string | null; team: string | null }>();
  for (const e of events) {
    lead = evolve(lead, { type: e.type, data: e.data } as unknown as LeadEvent, {
      eventId: e.id,
      revision: e.revision,
      recordedAtMs: e.recordedAtMs,
    });
    ownership.set(e.id, { owner: lead.ownerId, team: lead.teamId });
  }
  const capture = data(events[0] as RecordedEvent);
  const persona = events.findLast(({ type }) => type === 'PersonaAssigned');
  // Another account is judged anew.
  const judged = events.findLast(({ type }) =>
    ['IcpFitAssessed', 'LinkedToAccount', 'UnlinkedFromAccount'].includes(type),
  );
  const basis = visits.findLast(({ event }) => data(event).basis !== undefined);
  return {
    leadId,
    events,
    timeOf,
    visits,
    holds: holds
      .filter((hold) => !hold.dropped)
      .map(({ sinceMs, end }) => ({ sinceMs, endMs: end === null ? Infinity : timeOf(end) })),
    dims: {
      source: capture.source.code ?? capture.source.channel ?? null,
      channel: capture.source.channel ?? null,
      campaign: capture.source.campaignId ?? null,
      leadType: capture.leadType,
      country: capture.location?.country ?? null,
      captureMethod: capture.captureMethod,
      basis: basis === undefined ? null : data(basis.event).basis,
      team: lead.teamId,
      owner: lead.ownerId,
      persona: persona === undefined ? null : data(persona).personaId,
      icpResult: judged === undefined ? null : (data(judged).result ?? null),
    },
    voidedAround: (event) => {
      const at = events.indexOf(event);
      return events.filter((e) => {
        const end = events.findIndex((one) => data(one).voidedEventId === e.id);
        return end > at && events.indexOf(e) < at;
      });
    },
    ownership,
  };
}

/** A lead as if the merges that were taken back had never been. */
export function withoutReverted(events: readonly RecordedEvent[]): RecordedEvent[] {
  const reverted = new Set(events.filter(({ type }) => type === 'MergeReverted').map((e) => data(e).mergeId as string));
  let within = false;
  return events.filter((e) => {
    const { mergeId } = data(e);
    if (e.type === 'MergedInto') within = reverted.has(mergeId);
    if (e.type === 'MergeReverted') within = false;
    return !reverted.has(mergeId) && !(within && e.type === 'SlaClockCancelled' && data(e).reason === 'merged');
  });
}

export function readPast(past: Past): OracleLead[] {
  const streams = [...new Set(past.events.map(({ stream }) => stream))];
  const leads = streams.map((stream) =>
    readLead(stream.slice('lead-'.length), withoutReverted(past.events.filter((event) => event.stream === stream))),
  );
  const captured = (leadId: string): number => {
    const lead = leads.find((one) => one.leadId === leadId) as OracleLead;
    const absorbed = lead.events.filter(({ type }) => type === 'DuplicateAbsorbed');
    const own = lead.timeOf(lead.events[0] as RecordedEvent);
    return Math.min(own, ...absorbed.map((e) => captured(data(e).duplicateLeadId)));
  };
  for (const lead of leads) (lead.visits[0] as OracleVisit).enteredMs = captured(lead.leadId);
  return leads;
}

export const isMergedAway = (lead: OracleLead): boolean => lead.visits.at(-1)?.state === 'MERGED';
export const visitsBy = (lead: OracleLead, asOfMs: number): OracleVisit[] =>
  lead.visits.filter(({ enteredMs }) => enteredMs <= asOfMs);
export function kindOfExit({ state, cycle, next }: OracleVisit): string {
  switch (next?.type) {
    case 'RejectedBySales':
      return 'rejected';
    case 'RecycledNotReady':
      return 'recycled';
    case 'DealLost':
      return 'lost';
    case 'Disqualified':
      return 'disqualified';
    case 'MarkedJunk':
      return 'junk';
    default:
      if (data(next as RecordedEvent).cycleNo !== cycle) return 'again';
      return RANK[data(next as RecordedEvent).toState as LeadStateName] > RANK[state] ? 'forward' : 'back';
  }
}

/** Clocks, read from their own events alone. */
export function clocksOf(lead: OracleLead): Any[] {
  return lead.events
    .filter(({ type }) => type === 'SlaClockStarted')
    .map((started) => {
      const { clockId } = data(started);
      const clock: Any = {
        type: data(started).clockType,
        startedMs: Date.parse(data(started).startedAt),
        dueMs: Date.parse(data(started).dueAt),
        owner: data(started).ownerId ?? lead.ownership.get(started.id)?.owner ?? null,
        team: data(started).teamId ?? lead.ownership.get(started.id)?.team ?? null,
        paused: false,
        breached: false,
        retracted: false,
        stop: null,
        cancelled: false,
      };
      for (const e of lead.events.slice(lead.events.indexOf(started))) {
        if (e.type === 'TransitionVoided' && (data(e).reopenedClockIds ?? []).includes(clockId)) {
          Object.assign(clock, { stop: null, cancelled: false, retracted: false });
        }
        if (e.type === 'OwnerAssigned' && !clock.breached && clock.stop === null && !clock.cancelled) {
          Object.assign(clock, { owner: data(e).ownerId, team: data(e).teamId });
        }
        if (data(e).clockId !== clockId) continue;
        if (e.type === 'SlaClockPaused') clock.paused = true;
        if (e.type === 'SlaClockResumed') {
          Object.assign(clock, { paused: false, dueMs: Date.parse(data(e).newDueAt) });
        }
        if (e.type === 'SlaBreached') {
          const { ownerId = clock.owner, teamId = clock.team } = data(e);
          Object.assign(clock, { breached: true, owner: ownerId, team: teamId });
        }
        if (e.type === 'SlaBreachRetracted') clock.retracted = true;
        if (e.type === 'SlaClockCancelled') Object.assign(clock, { cancelled: true, stop: null });
        if (e.type === 'SlaClockStopped') {
          Object.assign(clock, { owner: clock.owner ?? lead.ownership.get(e.id)?.owner ?? null, stop: data(e) });
        }
      }
      return clock;
    });
}

/** 7.6: met, standing, or not counted at asOf. */
export function outcome(clock: Any, asOfMs: number): 'met' | 'standing' | null {
  const stands = clock.breached && !clock.retracted;
  if (clock.stop !== null && Date.parse(clock.stop.stoppedAt) <= asOfMs) return stands ? 'standing' : 'met';
  if (clock.dueMs > asOfMs) return null;
  if (stands) return 'standing';
  if (clock.breached || clock.cancelled || clock.paused || clock.stop !== null) return null;
  return 'standing';
}

/** Handoffs whose MQL stands, with the visit they were made in. */
export function offersOf(lead: OracleLead): { offer: RecordedEvent; visit: OracleVisit }[] {
  let current: RecordedEvent | null = null;
  const before: (RecordedEvent | null)[] = [];
  return lead.events.flatMap((e) => {
    if (e.type === 'TransitionVoided') current = before.pop() ?? null;
    else if (data(e).toState !== undefined && data(e).fromState !== data(e).toState) {
      before.push(current);
      current = e;
    }
    const visit = lead.visits.find(({ event }) => event === current);
    return e.type === 'HandedOffToSales' && visit !== undefined ? [{ offer: e, visit }] : [];
  });
}

/** What the person did or what was done with it (7.8). */
const INTERACTIONS: ReadonlySet<string> = new Set([
  'BehaviourRecorded',
  'CaptureRepeated',
  'ContactAttempted',
  'LeadResponded',
  'MeetingHeld',
]);

export function closingsOf(lead: OracleLead): Any[] {
  return lead.visits
    .filter(({ event }) => event.type === 'DealWon' || event.type === 'DealLost' || data(event).closedDealId)
    .map((visit) => {
      const { event, cycle } = visit;
      const dealId = data(event).dealId ?? data(event).closedDealId;
      // A voided sale says nothing about what the deal is worth.
      const stands = (e: RecordedEvent) => data(e).toState === undefined || lead.visits.some((one) => one.event === e);
      const earlier = lead.events
        .slice(0, lead.events.indexOf(event))
        .filter((e) => data(e).dealId === dealId && stands(e));
      const known = earlier.map((e) => (e.type === 'DealAmountChanged' ? data(e).new : data(e).amount)).filter(Boolean);
      const inCycle = lead.visits.slice(0, lead.visits.indexOf(visit) + 1).filter((one) => one.cycle === cycle);
      const interactions = lead.events.filter((e) => INTERACTIONS.has(e.type)).map((e) => lead.timeOf(e));
      const entry = (state: string) => inCycle.find((one) => one.state === state)?.enteredMs ?? null;
      const begunMs = (inCycle[0] as OracleVisit).enteredMs;
      const stages = earlier.flatMap((e) => {
        const moved = e.type === 'DealStageChanged' && lead.voidedAround(e).length === 0;
        return (moved ? data(e).to : data(e).dealStage) ?? [];
      });
      return {
        reason: data(event).reasonCode ?? null,
        stage: stages.at(-1) ?? null,
        way: inCycle.some(({ state }) => state === 'SAL') ? 'through' : 'skipped',
        broken: clocksOf(lead).some(
          (clock) => clock.breached && !clock.retracted && clock.startedMs >= begunMs && clock.dueMs <= visit.enteredMs,
        ),
        kind: event.type === 'DealWon' ? 'won' : event.type === 'DealLost' ? 'lost' : 'recycled',
        closedMs: visit.enteredMs,
        amount: data(event).amount ?? known.at(-1) ?? null,
        starts: {
          // Facts recorded later still tell when it began.
          interaction: Math.min((lead.visits[0] as OracleVisit).enteredMs, ...interactions),
          cycle: begunMs,
          sql: entry('SQL'),
          opportunity: entry('OPPORTUNITY'),
        },
        ...lead.ownership.get(event.id),
      };
    });
}

/** How a lead left the funnel; null: it is in it. */
export const WAYS_OUT: Record<string, string> = {
  RejectedBySales: 'rejected',
  RecycledNotReady: 'recycled',
  DealLost: 'lost',
  Disqualified: 'disqualified',
  MarkedJunk: 'junk',
};
export const wayOut = ({ event }: OracleVisit): string | null => WAYS_OUT[event.type] ?? null;
export const before = (lead: OracleLead, visit: OracleVisit): OracleVisit | undefined =>
  lead.visits[lead.visits.indexOf(visit) - 1];
