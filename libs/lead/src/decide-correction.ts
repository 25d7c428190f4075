import type { Decision } from './decision.js';
import { LeadError } from './errors.js';
import type { Rules } from './rule.js';
import type { ClockType } from './events.js';
import { rebaseClock, restopClock, voidClock, withinGrace, type SlaClock } from './sla-clocks.js';
import { findEvent, type Transition } from './state.js';
import { RANK } from './states.js';

/** Nothing is edited or deleted: a correction is a fact of its own, with a reason and who approved it (spec §9.5). */

const FUTURE_TOLERANCE_MS = 5 * 60_000;
const CORRECTION_LIMIT_MS = 90 * 86_400_000;

/** Facts whose own time starts a clock (spec §6.1); a handoff's is that of its recording, which nobody corrects. */
const STARTED_BY: Readonly<Record<ClockType, ReadonlySet<string>>> = {
  handoff_response: new Set(),
  first_contact: new Set(['AcceptedBySales', 'MarkedSQL']),
  contact_cadence: new Set(['ContactAttempted', 'ContactSequenceStarted']),
  recycle_reengagement: new Set(['RecycledNotReady', 'RejectedBySales']),
  post_sale_followup: new Set(['DealWon']),
};

export const correctionRules: Rules<'VoidTransition' | 'CorrectOccurredAt' | 'RetractBreach' | 'RebaseClock'> = {
  /** T23. */
  VoidTransition: {
    // Never the capture.
    offered: ({ visits }) => visits.length > 1,
    decide(decision, { eventId, reason, approvedBy }) {
      const { lead, context } = decision;
      requireEvent(decision, eventId);
      const voided = lead.latestTransition;
      const restored = voided?.before.state ?? null;
      if (voided === null || voided.eventId !== eventId || restored === null) {
        throw new LeadError('NOT_LATEST_TRANSITION', 'only the latest transition is voided, and never the capture', {
          latestTransitionEventId: restored === null ? undefined : voided?.eventId,
        });
      }
      const fourEyes = Math.max(RANK[voided.toState], RANK[restored]) >= RANK.SQL;
      const second = approvedBy !== undefined && approvedBy !== context.actor.id;
      decision.guard(!fourEyes || second, 'SECOND_APPROVER_REQUIRED', 'from SQL on a second person approves', {
        field: 'approvedBy',
      });

      const voidEventId = decision.nextEventId;
      const clocks = startedSince(decision, voided).flatMap((clock) =>
        voidClock({ clock, atMs: decision.atMs, voidEventId, approvedBy }),
      );
      const cancelled = clocks.flatMap(({ type, data }) => (type === 'SlaClockCancelled' ? data.clockId : []));
      const reopened = voided.clocksEnded.filter((clockId) => !voided.clocksStarted.includes(clockId));
      const sameOwner = lead.ownerId === voided.ownerId && lead.teamId === voided.teamId;
      decision.record('TransitionVoided', {
        fromState: voided.toState,
        toState: restored,
        cycleNo: voided.before.cycleNo,
        // Of the visit that goes on.
        stageVisitNo: lead.visits.length - 1,
        ownerId: (sameOwner ? voided.before.ownerId : lead.ownerId) ?? undefined,
        teamId: (sameOwner ? voided.before.teamId : lead.teamId) ?? undefined,
        clocks: cancelled.length === 0 ? undefined : { cancelled },
        voidedEventId: eventId,
        reason,
        approvedBy,
        restoredState: restored,
        voidedOccurredAt: voided.occurredAt,
        reopenedClockIds: reopened.length === 0 ? undefined : reopened,
      });
      decision.recordAll(clocks);
    },
  },

  CorrectOccurredAt: {
    decide(decision, { eventId, new: corrected, reason, approvedBy }) {
      const { lead, context } = decision;
      const event = requireEvent(decision, eventId);
      const atMs = Date.parse(corrected);
      decision.guard(atMs <= context.nowMs + FUTURE_TOLERANCE_MS, 'OCCURRED_IN_FUTURE', 'it cannot be ahead of now', {
        field: 'new',
      });
      decision.guard(atMs >= context.nowMs - CORRECTION_LIMIT_MS, 'BACKDATE_LIMIT_EXCEEDED', 'too far back', {
        field: 'new',
      });
      const index = lead.visits.findIndex((visit) => visit.eventId === eventId);
      if (index >= 0) {
        const earliest = lead.visits[index - 1]?.enteredAtMs ?? Number.NEGATIVE_INFINITY;
        const latest = lead.visits[index + 1]?.enteredAtMs ?? Number.POSITIVE_INFINITY;
        decision.guard(atMs >= earliest && atMs <= latest, 'OUT_OF_ORDER', 'transitions keep their order', {
          field: 'new',
        });
      }
      const old = new Date(event.atMs).toISOString();
      decision.record('OccurredAtCorrected', { correctedEventId: eventId, old, new: corrected, reason, approvedBy });
      for (const clock of lead.clocks.values()) {
        const about = { clock, policies: context.policies, nowMs: context.nowMs, atMs, approvedBy };
        const begun = clock.startedAtMs === event.atMs && STARTED_BY[clock.clockType].has(event.type);
        decision.recordAll(
          begun
            ? rebaseClock({ ...about, atMs: decision.atMs, terms: 'own', startMs: atMs })
            : restopClock({ ...about, byEventId: eventId }),
        );
      }
    },
  },

  RetractBreach: {
    offered: ({ clocks }) =>
      [...clocks.values()].some(({ breachedAtMs, breachRetracted }) => breachedAtMs !== undefined && !breachRetracted),
    decide(decision, { clockId, evidenceEventId: named, reason, approvedBy }) {
      const clock = decision.lead.clocks.get(clockId);
      const evidenceEventId = named ?? clock?.stoppedBy;
      const { breachedAtMs, breachRetracted = true } = clock ?? {};
      if (breachedAtMs === undefined || breachRetracted) {
        throw new LeadError('UNKNOWN_CLOCK', 'no clock of this lead with a standing breach', { field: 'clockId' });
      }
      if (evidenceEventId === undefined || findEvent(decision.lead, evidenceEventId) === null) {
        throw new LeadError('UNKNOWN_EVIDENCE', 'no such event in this lead', { field: 'evidenceEventId' });
      }
      const { isOps, context } = decision;
      const inGrace = clock !== undefined && withinGrace(clock, context.policies, context.nowMs);
      decision.guard(isOps || inGrace, 'GRACE_EXPIRED', 'so long after the deadline only ops takes a breach back');
      const second = approvedBy !== decision.context.actor.id;
      decision.guard(second, 'SECOND_APPROVER_REQUIRED', 'a second person approves', { field: 'approvedBy' });
      // At the breach's own time, as for late evidence: at no moment of business time does it stand.
      decision.record('SlaBreachRetracted', { clockId, evidenceEventId, reason, approvedBy }, breachedAtMs);
    },
  },

  /** To today's agreement and calendar: a holiday added later moves no promise by itself (spec §6.2). */
  RebaseClock: {
    offered: ({ clocks }) => [...clocks.values()].some(isRebasable),
    decide(decision, { clockId, reason, approvedBy }) {
      const { atMs, context, lead } = decision;
      const { actor, nowMs, policies } = context;
      const clock = lead.clocks.get(clockId);
      if (clock === undefined || !isRebasable(clock)) {
        throw new LeadError('UNKNOWN_CLOCK', 'no running clock of this lead', { field: 'clockId' });
      }
      decision.guard(approvedBy !== actor.id, 'SECOND_APPROVER_REQUIRED', 'a second person approves', {
        field: 'approvedBy',
      });
      decision.recordAll(rebaseClock({ clock, policies, nowMs, atMs, terms: 'in_force', approvedBy, reason }));
    },
  },
};

/** A broken promise is not moved: its breach is retracted, or stands. */
const isRebasable = ({ status }: SlaClock): boolean => status === 'running' || status === 'paused';

function requireEvent(decision: Decision, eventId: string) {
  const event = findEvent(decision.lead, eventId);
  if (event !== null && !event.type.startsWith('Sla')) return event;
  throw new LeadError('UNKNOWN_EVENT', 'no such event in this lead', { field: 'eventId' });
}

const startedSince = ({ lead }: Decision, { clocksStarted }: Transition) =>
  clocksStarted.flatMap((clockId) => lead.clocks.get(clockId) ?? []);
