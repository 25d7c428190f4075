import type { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import type { Agreement, ClockRule } from '#libs/policy/src/documents.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { ClockType, LeadEvent, LeadEventData } from './events.js';

/**
 * The promises running about a lead (spec §6): their value, its fold, and the events that change it. Deadlines are instants in
 * epoch milliseconds, open time is whole seconds where reported. Every function takes "now" from its caller.
 */

const WARNING_LEVEL = 1;
const BREACH_LEVEL = 2;

export type ClockStatus = 'running' | 'paused' | 'breached' | 'stopped' | 'cancelled';
export type StopOutcome = LeadEventData<'SlaClockStopped'>['outcome'];
export type CancelReason = LeadEventData<'SlaClockCancelled'>['reason'];
export type DetectedBy = LeadEventData<'SlaBreached'>['detectedBy'];

/** One clock as its lead's stream tells it; plain JSON, absent where not yet so. */
export type SlaClock = {
  readonly leadId: string;
  readonly clockId: string;
  readonly clockType: ClockType;
  readonly agreementId: string;
  readonly agreementVersion: number;
  readonly calendarId: string;
  readonly calendarVersion: number;
  readonly startedAtMs: number;
  readonly targetOpenS: number;
  /** As of the last resume; meaningless while paused. */
  readonly dueAtMs: number;
  readonly warnAtMs?: number;
  readonly stepNo?: number;
  readonly ownerId?: string;
  readonly teamId?: string;
  readonly status: ClockStatus;
  /** 1 warning, 2 breach, 3 and above escalations; a level overtaken by a higher one is never raised. */
  readonly levelsRaised: readonly number[];
  /** Of the next escalation of a breached clock. */
  readonly nextLevelAtMs?: number;
  readonly pauses: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly pausedAtMs?: number;
  /** When a paused clock resumes by itself. */
  readonly pausedUntilMs?: number;
  /** The deadline that was missed; stays after a retraction. */
  readonly breachedAtMs?: number;
  readonly breachRetracted: boolean;
  readonly stoppedAtMs?: number;
  /** Of the fact that stopped it. */
  readonly stoppedBy?: string;
  readonly outcome?: StopOutcome;
  readonly elapsedOpenS?: number;
  readonly overdueWallS?: number;
  readonly cancelReason?: CancelReason;
};
export type SlaClocks = ReadonlyMap<string, SlaClock>;

/** Whether a fact can still change the clock: running, paused, or breached and not yet stopped. */
export const isOpenClock = ({ status }: SlaClock): boolean =>
  status === 'running' || status === 'paused' || status === 'breached';

/**
 * How the promise counts, whether or when a sweeper ran (spec §6.6.3): `met`; `breached` = a breach that stands, also of a clock
 * cancelled after it; `cancelled` before any breach; `pending` while neither kept nor broken.
 */
export function standingOutcome(clock: SlaClock): 'met' | 'breached' | 'cancelled' | 'pending' {
  const breachStands = clock.breachedAtMs !== undefined && !clock.breachRetracted;
  switch (clock.status) {
    case 'running':
    case 'paused':
      return 'pending';
    case 'breached':
      return breachStands ? 'breached' : 'pending';
    case 'stopped':
      return breachStands ? 'breached' : 'met';
    case 'cancelled':
      return breachStands ? 'breached' : 'cancelled';
  }
}

/**
 * The next instant at which `settleClocks` would record something about this clock (its warning, breach, next escalation, or
 * the end of a dated pause); null when only a fact can move it.
 */
export function nextDueMs(clock: SlaClock): number | null {
  switch (clock.status) {
    case 'running':
      return warningAhead(clock) ?? clock.dueAtMs;
    case 'paused':
      return clock.pausedUntilMs ?? null;
    case 'breached':
      return clock.nextLevelAtMs ?? null;
    case 'stopped':
    case 'cancelled':
      return null;
  }
}

/** A warning at or after the breach would never be raised (spec §6.6.5). */
function warningAhead({ warnAtMs, dueAtMs, levelsRaised }: SlaClock): number | null {
  if (warnAtMs === undefined || warnAtMs >= dueAtMs || levelsRaised.length > 0) return null;
  return warnAtMs;
}

// ---- fold

/** The clocks after an event of their lead; the same map when the event touches none. */
export function evolveClock(clocks: SlaClocks, event: LeadEvent): SlaClocks {
  switch (event.type) {
    case 'SlaClockStarted':
      return new Map(clocks).set(event.data.clockId, startedClock(event.data));
    case 'SlaWarningRaised':
    case 'SlaBreached':
    case 'SlaEscalated':
    case 'SlaClockPaused':
    case 'SlaClockResumed':
    case 'SlaClockStopped':
    case 'SlaClockCancelled':
    case 'SlaBreachRetracted':
    case 'SlaClockRebased': {
      const clock = clocks.get(event.data.clockId);
      return clock === undefined ? clocks : new Map(clocks).set(clock.clockId, evolveOne(clock, event));
    }
    case 'OwnerAssigned': {
      // A promise not yet settled is the new owner's to keep; what was breached before stays the old one's event.
      const { ownerId, teamId } = event.data;
      return mapClocks(clocks, (clock) => (isOpenClock(clock) ? { ...clock, ownerId, teamId } : clock));
    }
    case 'TransitionVoided': {
      const reopened = event.data.reopenedClockIds ?? [];
      return mapClocks(clocks, (clock) => (reopened.includes(clock.clockId) ? reopenedClock(clock) : clock));
    }
    case 'MergeReverted': {
      const running = event.data.reopenedClockIds ?? [];
      return mapClocks(clocks, (clock) => (running.includes(clock.clockId) ? uncancelledClock(clock) : clock));
    }
    default:
      return clocks;
  }
}

function mapClocks(clocks: SlaClocks, change: (clock: SlaClock) => SlaClock): SlaClocks {
  let changed: Map<string, SlaClock> | undefined;
  for (const [clockId, clock] of clocks) {
    const next = change(clock);
    if (next !== clock) (changed ??= new Map(clocks)).set(clockId, next);
  }
  return changed ?? clocks;
}

type ClockEvent = Extract<
  LeadEvent,
  {
    type:
      | 'SlaWarningRaised'
      | 'SlaBreached'
      | 'SlaEscalated'
      | 'SlaClockPaused'
      | 'SlaClockResumed'
      | 'SlaClockStopped'
      | 'SlaClockCancelled'
      | 'SlaBreachRetracted'
      | 'SlaClockRebased';
  }
>;

function startedClock(data: LeadEventData<'SlaClockStarted'>): SlaClock {
  return {
    leadId: data.leadId,
    clockId: data.clockId,
    clockType: data.clockType,
    agreementId: data.agreementId,
    agreementVersion: data.agreementVersion,
    calendarId: data.calendarId,
    calendarVersion: data.calendarVersion,
    startedAtMs: Date.parse(data.startedAt),
    targetOpenS: data.targetOpenS,
    dueAtMs: Date.parse(data.dueAt),
    ...(data.warnAt === undefined ? {} : { warnAtMs: Date.parse(data.warnAt) }),
    ...(data.stepNo === undefined ? {} : { stepNo: data.stepNo }),
    ...(data.ownerId === undefined ? {} : { ownerId: data.ownerId }),
    ...(data.teamId === undefined ? {} : { teamId: data.teamId }),
    status: 'running',
    levelsRaised: [],
    pauses: [],
    breachRetracted: false,
  };
}

function evolveOne(clock: SlaClock, { type, data }: ClockEvent): SlaClock {
  switch (type) {
    case 'SlaWarningRaised':
      return { ...clock, levelsRaised: [...clock.levelsRaised, data.level] };
    case 'SlaBreached':
      return {
        ...clock,
        status: 'breached',
        breachedAtMs: Date.parse(data.dueAt),
        levelsRaised: [...clock.levelsRaised, BREACH_LEVEL],
        nextLevelAtMs: parsed(data.nextLevelAt),
      };
    case 'SlaEscalated':
      return { ...clock, levelsRaised: [...clock.levelsRaised, data.level], nextLevelAtMs: parsed(data.nextLevelAt) };
    case 'SlaClockPaused':
      return {
        ...clock,
        status: 'paused',
        pausedAtMs: clock.pausedAtMs ?? Date.parse(data.occurredAt),
        pausedUntilMs: parsed(data.until),
      };
    case 'SlaClockResumed':
      return {
        ...clock,
        status: 'running',
        pauses:
          clock.pausedAtMs === undefined
            ? clock.pauses
            : [...clock.pauses, { fromMs: clock.pausedAtMs, toMs: Date.parse(data.occurredAt) }],
        pausedAtMs: undefined,
        pausedUntilMs: undefined,
        dueAtMs: Date.parse(data.newDueAt),
        warnAtMs: parsed(data.newWarnAt),
      };
    case 'SlaClockStopped':
      return {
        ...clock,
        status: 'stopped',
        stoppedAtMs: Date.parse(data.stoppedAt),
        stoppedBy: data.byEventId,
        outcome: data.outcome,
        elapsedOpenS: data.elapsedOpenS,
        overdueWallS: data.overdueWallS,
      };
    case 'SlaClockCancelled':
      return { ...clock, status: 'cancelled', cancelReason: data.reason };
    case 'SlaBreachRetracted':
      return { ...clock, breachRetracted: true };
    case 'SlaClockRebased':
      return {
        ...clock,
        agreementId: data.agreementId,
        agreementVersion: data.agreementVersion,
        calendarId: data.calendarId,
        calendarVersion: data.calendarVersion,
        targetOpenS: data.targetOpenS,
        startedAtMs: parsed(data.newStartedAt) ?? clock.startedAtMs,
        dueAtMs: Date.parse(data.newDueAt),
        warnAtMs: parsed(data.newWarnAt),
      };
  }
}

const parsed = (instant: string | undefined): number | undefined =>
  instant === undefined ? undefined : Date.parse(instant);

/**
 * A clock that a voided transition had stopped or cancelled runs on as if that had never been. A breach retracted because of the
 * voided fact stands again without a second event: a clock breaches at most once (spec §6.6.1).
 */
function reopenedClock(clock: SlaClock): SlaClock {
  return {
    ...clock,
    status: statusBeforeItsEnd(clock),
    breachRetracted: false,
    stoppedAtMs: undefined,
    stoppedBy: undefined,
    outcome: undefined,
    elapsedOpenS: undefined,
    overdueWallS: undefined,
    cancelReason: undefined,
  };
}

/** As before its cancellation: a merge that is taken back leaves no trace, not even on a retracted breach. */
const uncancelledClock = (clock: SlaClock): SlaClock => ({
  ...clock,
  status: statusBeforeItsEnd(clock),
  cancelReason: undefined,
});

const statusBeforeItsEnd = ({ breachedAtMs, pausedAtMs }: SlaClock): ClockStatus =>
  breachedAtMs !== undefined ? 'breached' : pausedAtMs !== undefined ? 'paused' : 'running';

// ---- events

/** A clock of a lead and what decides about it. `nowMs` is the recording time. */
type ClockAndNow = { readonly clock: SlaClock; readonly policies: PolicyBook; readonly nowMs: number };

export type ClockStart = {
  readonly policies: PolicyBook;
  readonly leadId: string;
  readonly clockId: string;
  readonly clockType: ClockType;
  /** handoff_response: the handoff's recording time; every other clock: when its fact occurred (spec §6.1). */
  readonly startMs: number;
  readonly teamId: string;
  readonly ownerId?: string;
  readonly stepNo?: number;
};

/**
 * Starts a clock under the team's agreement and calendar in force at `startMs`; no event when they promise no such clock.
 * Not for imported history, which starts no clocks.
 */
export function startClock(start: ClockStart): LeadEvent[] {
  const { clockId, clockType, leadId, ownerId, startMs, stepNo, teamId } = start;
  const policy = start.policies.clockPolicy(teamId, clockType, startMs);
  if (policy === null) return [];
  const { agreement, calendar, rule } = policy;
  const { targetOpenS, warnOpenS } = rule;
  return [
    {
      type: 'SlaClockStarted',
      data: {
        leadId,
        occurredAt: iso(startMs),
        clockId,
        clockType,
        agreementId: agreement.agreementId,
        agreementVersion: agreement.version,
        calendarId: calendar.id,
        calendarVersion: calendar.version,
        startedAt: iso(startMs),
        targetOpenS,
        dueAt: iso(calendar.dueAt(startMs, targetOpenS)),
        ...(warnOpenS === undefined ? {} : { warnOpenS, warnAt: iso(calendar.dueAt(startMs, warnOpenS)) }),
        ...(stepNo === undefined ? {} : { stepNo }),
        ...(ownerId === undefined ? {} : { ownerId }),
        teamId,
      },
    },
  ];
}

/** A clock whose fact lies before its start (contact between handoff and acceptance, spec §6.1): started, met, elapsed 0. */
export function startMetClock(start: ClockStart & { readonly byEventId: string }): LeadEvent[] {
  const { byEventId, clockId, leadId, startMs } = start;
  const started = startClock(start);
  if (started.length === 0) return [];
  return [
    ...started,
    {
      type: 'SlaClockStopped',
      data: {
        leadId,
        occurredAt: iso(startMs),
        clockId,
        stoppedAt: iso(startMs),
        byEventId,
        outcome: 'met',
        elapsedOpenS: 0,
        elapsedWallS: 0,
        overdueWallS: 0,
      },
    },
  ];
}

/** The clocks a command's own fact would stop, and when that fact occurred (spec §6.6.3). */
export type StoppingFact = { readonly clockIds: readonly string[]; readonly occurredAtMs: number };

/**
 * What is due on a lead's clocks as of `nowMs`, in the order it fell due: ends of dated pauses, and of each clock the highest
 * level reached (a breach always, a warning or escalation only when not overtaken). Empty when nothing is due, so settling twice
 * records nothing twice. `except` spares the clocks which the command's own fact stops in time and within the grace.
 * @throws PolicyError NOT_READY when the agreement or calendar version of a clock is not in the book
 */
export function settleClocks(settle: {
  readonly clocks: SlaClocks;
  readonly policies: PolicyBook;
  readonly nowMs: number;
  readonly recordedBy: DetectedBy;
  readonly except?: StoppingFact;
}): LeadEvent[] {
  const { clocks, except, nowMs, policies, recordedBy } = settle;
  const due: LeadEvent[] = [];
  for (const clock of clocks.values()) {
    const next = nextDueMs(clock);
    if (next === null || next > nowMs) continue;
    const spared = except?.clockIds.includes(clock.clockId) ? except.occurredAtMs : undefined;
    due.push(...settleOne({ clock, policies, nowMs }, recordedBy, spared));
  }
  return due.sort((a, b) => compare(a.data.occurredAt, b.data.occurredAt));
}

function settleOne({ clock, nowMs, policies }: ClockAndNow, detectedBy: DetectedBy, stopFactMs?: number): LeadEvent[] {
  const events: LeadEvent[] = [];
  let current = clock;
  if (current.status === 'paused' && current.pausedUntilMs !== undefined && current.pausedUntilMs <= nowMs) {
    const resumed = resumption(current, policies, current.pausedUntilMs);
    events.push(resumed);
    current = evolveOne(current, resumed);
  }
  if (stopFactMs !== undefined && inTime(current, policies, stopFactMs, nowMs)) return events;
  if (current.status === 'running') {
    const warnAtMs = warningAhead(current);
    if (nowMs >= current.dueAtMs) {
      const breached = breach(current, policies, nowMs, detectedBy);
      events.push(breached);
      current = evolveOne(current, breached);
    } else if (warnAtMs !== null && nowMs >= warnAtMs) {
      events.push(warning(current, policies, warnAtMs));
    }
  }
  if (current.status === 'breached') events.push(...escalation(current, policies, nowMs));
  return events;
}

/** Timely evidence that is not too late either: it meets the clock, breach raised or not (spec §6.6.3, §6.7). */
function inTime(clock: SlaClock, policies: PolicyBook, stopFactMs: number, nowMs: number): boolean {
  if (clock.status === 'paused') return true;
  return stopFactMs <= clock.dueAtMs && withinGrace(clock, policies, nowMs);
}

/** Whether evidence of a kept promise may still come in, by the agreement the promise was made under (spec §6.7). */
export const withinGrace = (clock: SlaClock, policies: PolicyBook, nowMs: number): boolean =>
  nowMs <= clock.dueAtMs + policyOf(clock, policies).agreement.lateEvidenceGraceS * 1000;

function warning(clock: SlaClock, policies: PolicyBook, warnAtMs: number): LeadEvent {
  const { calendar } = policyOf(clock, policies);
  return {
    type: 'SlaWarningRaised',
    data: {
      leadId: clock.leadId,
      occurredAt: iso(warnAtMs),
      clockId: clock.clockId,
      level: WARNING_LEVEL,
      atTs: iso(warnAtMs),
      remainingOpenS: calendar.openBetween(warnAtMs, clock.dueAtMs),
    },
  };
}

function breach(clock: SlaClock, policies: PolicyBook, nowMs: number, detectedBy: DetectedBy): ClockEvent {
  return {
    type: 'SlaBreached',
    data: {
      leadId: clock.leadId,
      occurredAt: iso(clock.dueAtMs),
      clockId: clock.clockId,
      clockType: clock.clockType,
      dueAt: iso(clock.dueAtMs),
      ...(clock.ownerId === undefined ? {} : { ownerId: clock.ownerId }),
      ...(clock.teamId === undefined ? {} : { teamId: clock.teamId }),
      detectedBy,
      detectionLagS: wholeSeconds(nowMs - clock.dueAtMs),
      ...nextLevel(clock, policies, BREACH_LEVEL),
    },
  };
}

/** The highest escalation reached and not yet raised, if any. */
function escalation(clock: SlaClock, policies: PolicyBook, nowMs: number): LeadEvent[] {
  const raised = Math.max(BREACH_LEVEL, ...clock.levelsRaised);
  const reached = escalationsOf(clock, policies).findLast(({ atMs, level }) => level > raised && atMs <= nowMs);
  if (reached === undefined) return [];
  const { atMs, level, toRole } = reached;
  return [
    {
      type: 'SlaEscalated',
      data: {
        leadId: clock.leadId,
        occurredAt: iso(atMs),
        clockId: clock.clockId,
        level,
        toRole,
        atTs: iso(atMs),
        ...nextLevel(clock, policies, level),
      },
    },
  ];
}

function nextLevel(clock: SlaClock, policies: PolicyBook, raised: number): { nextLevelAt?: string } {
  const next = escalationsOf(clock, policies).find(({ level }) => level > raised);
  return next === undefined ? {} : { nextLevelAt: iso(next.atMs) };
}

/** The clock's escalations by level, each with its instant (spec §6.5). */
function escalationsOf(clock: SlaClock, policies: PolicyBook): { level: number; toRole: string; atMs: number }[] {
  const { calendar, rule } = policyOf(clock, policies);
  return rule.escalations
    .map(({ afterDueOpenS, level, toRole }) => ({ level, toRole, atMs: calendar.dueAt(clock.dueAtMs, afterDueOpenS) }))
    .sort((a, b) => a.level - b.level);
}

/**
 * The fact that ends a clock. In time (≤ dueAt, inclusive) and within the grace: met, an earlier breach is retracted. In time but
 * recorded after the grace: `evidence_too_late`, the breach stands. After dueAt: late. A clock that an in-time fact finds already
 * stopped late is corrected likewise, so that the order of logging does not matter. An overdue clock nobody settled is settled
 * first. No event when the clock is over.
 * @param stop.atMs when the fact occurred; a time ahead of the server's clock counts as now
 */
export function stopClock(stop: ClockAndNow & { readonly atMs: number; readonly byEventId: string }): LeadEvent[] {
  const { byEventId, nowMs, policies } = stop;
  const atMs = Math.min(stop.atMs, nowMs);
  const events = settleOne(stop, 'settle_on_write', atMs);
  const clock = folded(stop.clock, events);
  if (clock.status === 'cancelled') return [];

  const timely = clock.status === 'paused' || atMs <= clock.dueAtMs;
  const clears = inTime(clock, policies, atMs, nowMs);
  const breachStands = clock.breachedAtMs !== undefined && !clock.breachRetracted;
  if (clock.status === 'stopped' && !(breachStands && clears)) return [];

  if (breachStands && clears) {
    events.push({
      type: 'SlaBreachRetracted',
      data: {
        leadId: clock.leadId,
        // At the breach's own time: at no moment of business time does the retracted breach stand.
        occurredAt: iso(clock.dueAtMs),
        clockId: clock.clockId,
        evidenceEventId: byEventId,
        reason: 'late_evidence',
      },
    });
  }
  const stoppedAtMs = Math.max(atMs, clock.startedAtMs);
  events.push({
    type: 'SlaClockStopped',
    data: {
      leadId: clock.leadId,
      occurredAt: iso(stoppedAtMs),
      clockId: clock.clockId,
      stoppedAt: iso(stoppedAtMs),
      byEventId,
      outcome: !timely ? 'late' : breachStands && !clears ? 'evidence_too_late' : 'met',
      elapsedOpenS: elapsedOpenS(clock, policies, stoppedAtMs),
      elapsedWallS: wholeSeconds(stoppedAtMs - clock.startedAtMs),
      overdueWallS: timely ? 0 : wholeSeconds(stoppedAtMs - clock.dueAtMs),
    },
  });
  return events;
}

/**
 * The time of the fact that stopped a clock was corrected (spec §9.5): it is stopped anew, and met or late by that time.
 * A breach once retracted cannot stand again: a clock breaches at most once.
 */
export function restopClock(
  restop: ClockAndNow & { readonly atMs: number; readonly byEventId: string; readonly approvedBy: string },
): LeadEvent[] {
  const { approvedBy, byEventId, clock, nowMs, policies } = restop;
  if (clock.status !== 'stopped' || clock.stoppedBy !== byEventId) return [];
  const stoppedAtMs = Math.max(Math.min(restop.atMs, nowMs), clock.startedAtMs);
  const timely = stoppedAtMs <= clock.dueAtMs;
  const breachStands = clock.breachedAtMs !== undefined && !clock.breachRetracted;
  // What was in time and told too late is so still: that is not what was corrected.
  const toldTooLate = timely && breachStands && clock.outcome === 'evidence_too_late';
  const events: LeadEvent[] = [];
  if (timely && breachStands && !toldTooLate) {
    events.push({
      type: 'SlaBreachRetracted',
      data: {
        leadId: clock.leadId,
        occurredAt: iso(clock.dueAtMs),
        clockId: clock.clockId,
        evidenceEventId: byEventId,
        reason: 'late_evidence',
        approvedBy,
      },
    });
  }
  if (!timely && clock.breachedAtMs === undefined) events.push(breach(clock, policies, nowMs, 'settle_on_write'));
  events.push({
    type: 'SlaClockStopped',
    data: {
      leadId: clock.leadId,
      occurredAt: iso(stoppedAtMs),
      clockId: clock.clockId,
      stoppedAt: iso(stoppedAtMs),
      byEventId,
      outcome: !timely ? 'late' : toldTooLate ? 'evidence_too_late' : 'met',
      elapsedOpenS: elapsedOpenS(clock, policies, stoppedAtMs),
      elapsedWallS: wholeSeconds(stoppedAtMs - clock.startedAtMs),
      overdueWallS: timely ? 0 : wholeSeconds(stoppedAtMs - clock.dueAtMs),
    },
  });
  return events;
}

/**
 * Freezes a pausable clock (spec §6.4). Recorded at or after dueAt it is too late: the breach is recorded instead. Pausing a
 * paused clock moves the end of its pause. No event for a clock that is not pausable, breached or over.
 * @param pause.untilMs when it resumes by itself; absent: only by `resumeClock`
 */
export function pauseClock(
  pause: ClockAndNow & { readonly atMs: number; readonly reason: string; readonly untilMs?: number },
): LeadEvent[] {
  const { nowMs, policies, reason, untilMs } = pause;
  const events = settleOne(pause, 'settle_on_write');
  const clock = folded(pause.clock, events);
  if (!policyOf(clock, policies).rule.pausable) return events;
  if (clock.status !== 'running' && clock.status !== 'paused') return events;
  const runningSinceMs = Math.max(clock.startedAtMs, clock.pauses.at(-1)?.toMs ?? clock.startedAtMs);
  const atMs = clock.pausedAtMs ?? Math.min(Math.max(pause.atMs, runningSinceMs), nowMs);
  events.push({
    type: 'SlaClockPaused',
    data: {
      leadId: clock.leadId,
      occurredAt: iso(atMs),
      clockId: clock.clockId,
      reason,
      consumedOpenS: elapsedOpenS(clock, policies, atMs),
      ...(untilMs === undefined ? {} : { until: iso(untilMs) }),
    },
  });
  return events;
}

/** Lets a paused clock run on with what is left of its target, counted from `atMs`. No event when it is not paused. */
export function resumeClock(resume: ClockAndNow & { readonly atMs: number }): LeadEvent[] {
  const { nowMs, policies } = resume;
  const events = settleOne(resume, 'settle_on_write');
  const clock = folded(resume.clock, events);
  if (clock.status !== 'paused') return events;
  return [...events, resumption(clock, policies, Math.min(resume.atMs, nowMs))];
}

function resumption(clock: SlaClock, policies: PolicyBook, resumeMs: number): ClockEvent {
  const { calendar } = policyOf(clock, policies);
  const pausedAtMs = clock.pausedAtMs ?? clock.startedAtMs;
  const atMs = Math.max(resumeMs, pausedAtMs);
  // What was left of target and warning when the pause began, exact to the millisecond: their instants then said it.
  const after = (instantMs: number) => iso(calendar.dueAfterMs(atMs, calendar.openMsBetween(pausedAtMs, instantMs)));
  return {
    type: 'SlaClockResumed',
    data: {
      leadId: clock.leadId,
      occurredAt: iso(atMs),
      clockId: clock.clockId,
      newDueAt: after(clock.dueAtMs),
      ...(clock.warnAtMs === undefined || clock.levelsRaised.length > 0 ? {} : { newWarnAt: after(clock.warnAtMs) }),
    },
  };
}

/**
 * Moves the deadline of a running or paused clock (spec §6.2): what the terms make of its start and pauses; one that is then
 * overdue is settled at once. `terms`: those it has, or the team's of `nowMs`. No event for a breached clock or one that is over.
 */
export function rebaseClock(
  rebase: ClockAndNow & {
    readonly atMs: number;
    readonly terms: 'own' | 'in_force';
    readonly startMs?: number;
    readonly approvedBy: string;
    readonly reason?: string;
  },
): LeadEvent[] {
  const { approvedBy, atMs, clock, nowMs, policies, reason } = rebase;
  if (clock.status !== 'running' && clock.status !== 'paused') return [];
  const inForce = rebase.terms === 'own' ? null : policies.clockPolicy(clock.teamId ?? '', clock.clockType, nowMs);
  const { agreement, calendar, rule } = inForce ?? policyOf(clock, policies);
  const startMs = rebase.startMs ?? clock.startedAtMs;
  const targetOpenS = inForce === null ? clock.targetOpenS : rule.targetOpenS;
  const { warnOpenS } = rule;
  const due = (openS: number) => iso(dueAfterPauses(clock, calendar, startMs, openS));
  const rebased: ClockEvent = {
    type: 'SlaClockRebased',
    data: {
      leadId: clock.leadId,
      occurredAt: iso(atMs),
      clockId: clock.clockId,
      oldDueAt: iso(clock.dueAtMs),
      newDueAt: due(targetOpenS),
      ...(warnOpenS === undefined || clock.levelsRaised.length > 0 ? {} : { newWarnAt: due(warnOpenS) }),
      ...(startMs === clock.startedAtMs ? {} : { newStartedAt: iso(startMs) }),
      targetOpenS,
      agreementId: agreement.agreementId,
      agreementVersion: agreement.version,
      calendarId: calendar.id,
      calendarVersion: calendar.version,
      approvedBy,
      ...(reason === undefined ? {} : { reason }),
    },
  };
  return [rebased, ...settleOne({ clock: evolveOne(clock, rebased), policies, nowMs }, 'settle_on_write')];
}

function dueAfterPauses(clock: SlaClock, calendar: BusinessCalendar, startMs: number, openS: number): number {
  let leftMs = openS * 1000;
  let fromMs = startMs;
  for (const pause of clock.pauses) {
    const openMs = calendar.openMsBetween(fromMs, pause.fromMs);
    if (openMs >= leftMs) break;
    leftMs -= openMs;
    fromMs = Math.max(fromMs, pause.toMs);
  }
  return calendar.dueAfterMs(fromMs, leftMs);
}

/** Ends an open clock without an outcome; one overdue by then breaches first, and that breach stays counted. */
export function cancelClock(
  cancel: ClockAndNow & { readonly atMs: number; readonly reason: CancelReason },
): LeadEvent[] {
  const { atMs, clock, nowMs, reason } = cancel;
  if (!isOpenClock(clock)) return [];
  return [...settleOne(cancel, 'settle_on_write'), cancellation(clock, Math.min(atMs, nowMs), reason)];
}

/** Ends a clock that a voided transition had started: the promise never was, so neither its breach stands. */
export function voidClock(voided: {
  readonly clock: SlaClock;
  readonly atMs: number;
  readonly voidEventId: string;
  readonly approvedBy?: string;
}): LeadEvent[] {
  const { approvedBy, atMs, clock, voidEventId } = voided;
  if (clock.status === 'cancelled') return [];
  const events: LeadEvent[] = [];
  if (clock.breachedAtMs !== undefined && !clock.breachRetracted) {
    events.push({
      type: 'SlaBreachRetracted',
      data: {
        leadId: clock.leadId,
        occurredAt: iso(Math.max(atMs, clock.breachedAtMs)),
        clockId: clock.clockId,
        evidenceEventId: voidEventId,
        reason: 'voided_transition',
        ...(approvedBy === undefined ? {} : { approvedBy }),
      },
    });
  }
  return [...events, cancellation(clock, atMs, 'voided')];
}

const cancellation = ({ clockId, leadId }: SlaClock, atMs: number, reason: CancelReason): LeadEvent => ({
  type: 'SlaClockCancelled',
  data: { leadId, occurredAt: iso(atMs), clockId, reason },
});

/**
 * The name, in the namespace of the clock (or of the lead whose silence it is), from which the id of a once-only event is made:
 * `uuidv5(name, namespace)`. Null for events that take the ordinary id of their command.
 */
export function clockEventIdName(event: LeadEvent): { readonly namespace: string; readonly name: string } | null {
  switch (event.type) {
    case 'SlaBreached':
      return { namespace: event.data.clockId, name: 'breach' };
    case 'SlaWarningRaised':
    case 'SlaEscalated':
      return { namespace: event.data.clockId, name: `level-${event.data.level}` };
    case 'LeadWentStale':
      return { namespace: event.data.leadId, name: `stale-${event.data.since}` };
    default:
      return null;
  }
}

// ---- shared

function policyOf(
  clock: SlaClock,
  policies: PolicyBook,
): { readonly agreement: Agreement; readonly rule: ClockRule; readonly calendar: BusinessCalendar } {
  const agreement = policies.agreement(clock.agreementId, clock.agreementVersion);
  const rule = agreement?.clocks.find(({ clockType }) => clockType === clock.clockType);
  const calendar = policies.calendar(clock.calendarId, clock.calendarVersion);
  if (agreement === null || rule === undefined || calendar === null) {
    throw new PolicyError(
      'NOT_READY',
      `clock ${clock.clockId} runs under agreement ${clock.agreementId} v${clock.agreementVersion} and calendar ` +
        `${clock.calendarId} v${clock.calendarVersion}, which are not loaded`,
    );
  }
  return { agreement, rule, calendar };
}

/** Open time from the start to `atMs` without the pauses, in whole seconds. */
function elapsedOpenS(clock: SlaClock, policies: PolicyBook, atMs: number): number {
  const { calendar } = policyOf(clock, policies);
  let openMs = calendar.openMsBetween(clock.startedAtMs, atMs);
  for (const { fromMs, toMs } of clock.pauses) openMs -= calendar.openMsBetween(fromMs, Math.min(toMs, atMs));
  if (clock.pausedAtMs !== undefined) openMs -= calendar.openMsBetween(clock.pausedAtMs, atMs);
  return wholeSeconds(openMs);
}

const folded = (clock: SlaClock, events: readonly LeadEvent[]): SlaClock =>
  events.reduce(evolveClock, new Map([[clock.clockId, clock]]) as SlaClocks).get(clock.clockId)!;
const iso = (instantMs: number): string => new Date(instantMs).toISOString();
const wholeSeconds = (ms: number): number => Math.max(0, Math.floor(ms / 1000));
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
