import { absorbedOf, grantedAnew, HAND_RAISES } from './absorption.js';
import type { LeadEvent, LeadEventData } from './events.js';
import { evolveBehaviours, evolveFitMemo, evolveScoredFields } from './scored-facts.js';
import { evolveSilence } from './silence.js';
import { evolveClock } from './sla-clocks.js';
import {
  cycleSince,
  QUALIFICATION_QUESTIONS,
  type Deal,
  type LeadEnvelope,
  type LeadState,
  type Meeting,
  type Moment,
  type Transition,
  type Visit,
} from './state.js';
import type { LeadStateName } from './states.js';

/** States a hold may lie on (T21). */
export const HOLDABLE: ReadonlySet<LeadStateName> = new Set(['SAL', 'SQL', 'OPPORTUNITY']);

/** An event that records a transition as spec §3.5 asks ("+T"). */
type TransitionEvent = Extract<LeadEvent, { readonly data: { readonly stageVisitNo: number } }>;
type StepEvent = Exclude<TransitionEvent, { readonly type: 'TransitionVoided' }>;

/** Folds one event. Never throws and ignores types it does not know: the log is the truth, also a later version's. */
export function evolve(lead: LeadState, event: LeadEvent, envelope: LeadEnvelope): LeadState {
  const atMs = Date.parse(event.data.occurredAt);
  const next: LeadState = {
    ...lead,
    revision: envelope.revision,
    behaviours: evolveBehaviours(lead, event, envelope.eventId),
    scoredFields: evolveScoredFields(lead.scoredFields, event),
    fitMemo: evolveFitMemo(lead.fitMemo, event),
    silence: evolveSilence(lead.silence, event, lead.state, envelope.imported === true),
    history: {
      eventId: envelope.eventId,
      type: event.type,
      atMs,
      key: factKey(event),
      previous: lead.history,
    },
  };
  return fold(next, event, envelope, atMs);
}

function factKey(event: LeadEvent): string | null {
  if (event.type === 'BehaviourRecorded') return event.data.behaviourId;
  return event.type === 'ContactAttempted' ? event.data.attemptId : null;
}

// One case an event type, in the order of events.ts: long, but the place to look.
function fold(lead: LeadState, event: LeadEvent, envelope: LeadEnvelope, atMs: number): LeadState {
  const { eventId } = envelope;
  const moment: Moment = { atMs, revision: envelope.revision };
  switch (event.type) {
    case 'LeadCaptured': {
      const { data } = event;
      const consents = new Map(data.consents.map(({ purpose }) => [purpose, 'granted'] as const));
      const details = withoutEmpty({
        ...data.person,
        jobTitle: data.jobTitle,
        ...data.location,
        timeZone: data.timeZone,
        companyName: data.companyName,
      });
      const { leadType, role, accountId = null } = data;
      return enter({ ...lead, leadType, role, accountId, consents, details }, event, eventId, atMs);
    }
    case 'CaptureRepeated':
      return { ...lead, details: { ...lead.details, ...withoutEmpty(event.data.newFields ?? {}) } };
    case 'LeadDetailsUpdated': {
      const changed = Object.fromEntries(event.data.changes.map((change) => [change.field, change.new]));
      return { ...lead, details: withoutEmpty({ ...lead.details, ...changed }) };
    }
    case 'OwnerAssigned':
      return {
        ...lead,
        ownerId: event.data.ownerId,
        teamId: event.data.teamId,
        clocks: evolveClock(lead.clocks, event),
        latestTransition: routedTransition(lead, event.data),
      };

    case 'RoleIdentified': {
      const { role, jobTitle } = event.data;
      return { ...lead, role, details: jobTitle === undefined ? lead.details : { ...lead.details, jobTitle } };
    }
    case 'ContactPersonVerified': {
      const { isDecisionMaker, decisionMakerLeadId = null } = event.data;
      return { ...lead, contactPerson: { isDecisionMaker, decisionMakerLeadId } };
    }
    case 'PersonaAssigned':
      return { ...lead, personaId: event.data.personaId };
    case 'LeadTypeChanged':
      return { ...lead, leadType: event.data.to };
    case 'JourneyStageObserved':
      return { ...lead, journeyStage: event.data.stage };
    case 'GoalIdentified': {
      const { goal = null, challengeCode, interestedInBuying } = event.data;
      return { ...lead, goal: { text: goal, challengeCode, interestedInBuying } };
    }
    case 'BuyingIntentAssessed':
      return { ...lead, buyingIntent: event.data.level };
    case 'BuyingQuestionsAnswered': {
      const { leadId: _, occurredAt: __, ...buyingQuestions } = event.data;
      return { ...lead, buyingQuestions };
    }
    case 'IcpFitAssessed': {
      const { icpId, icpVersion, result, failures, criteria, firmographics } = event.data;
      return { ...lead, icpFit: { icpId, icpVersion, result, failures, criteria, firmographics } };
    }
    case 'LinkedToAccount':
      // Another company: what was said of the former one does not hold of it.
      return { ...lead, accountId: event.data.accountId, icpFit: null };
    case 'UnlinkedFromAccount':
      return { ...lead, accountId: null, icpFit: null };
    case 'DataQualityChecked': {
      const { completeness, staleFields, verifiedAt } = event.data;
      return { ...lead, dataQuality: { completeness, staleFields, verifiedAtMs: Date.parse(verifiedAt) } };
    }

    case 'BehaviourRecorded':
      if (!HAND_RAISES.has(event.data.kind)) return lead;
      return { ...lead, handRaises: [...lead.handRaises, { eventId, ...moment }] };
    case 'ConsentGranted':
      return {
        ...lead,
        consents: new Map(lead.consents).set(event.data.purpose, 'granted'),
        absorbed: grantedAnew(lead.absorbed, event.data.purpose),
      };
    case 'ConsentWithdrawn':
      return { ...lead, consents: new Map(lead.consents).set(event.data.purpose, 'withdrawn') };
    case 'EnrolledInNurture': {
      const { trackId, trackKind } = event.data;
      return { ...lead, nurture: { trackId, trackKind, sinceMs: atMs, touches: 0 } };
    }
    case 'NurtureExited':
      return lead.nurture?.trackId === event.data.trackId ? { ...lead, nurture: null } : lead;
    case 'NurtureTouchSent': {
      const { nurture } = lead;
      const isOfTrack = nurture !== null && nurture.trackId === event.data.trackId;
      return {
        ...lead,
        nurtureTouches: lead.nurtureTouches + 1,
        nurture: isOfTrack ? { ...nurture, touches: nurture.touches + 1 } : nurture,
      };
    }
    case 'ContactSequenceStarted': {
      const { sequenceId, attemptsPlanned } = event.data;
      return { ...lead, sequence: { sequenceId, attemptsPlanned, ...moment } };
    }
    case 'ContactSequenceExhausted':
      return { ...lead, sequenceExhausted: moment };
    case 'ContactAttempted': {
      const { channel, qualifies, outcome } = event.data;
      const attempt = { eventId, ...moment, channel, qualifies, connected: outcome === 'connected' };
      return { ...lead, attempts: [...lead.attempts, attempt] };
    }
    case 'LeadResponded':
      return { ...lead, responses: [...lead.responses, { eventId, ...moment }] };
    case 'BecameProspect':
      return enter({ ...lead, twoWaySinceMs: atMs }, event, eventId, atMs, lead);
    case 'MeetingBooked': {
      const { meetingId, kind } = event.data;
      return { ...lead, meetings: [...without(lead.meetings, meetingId), { meetingId, kind, held: null }] };
    }
    case 'MeetingHeld': {
      const { meetingId, kind, outcome } = event.data;
      const booked = lead.meetings.find((meeting) => meeting.meetingId === meetingId);
      const meeting: Meeting = {
        meetingId,
        kind: kind ?? booked?.kind ?? 'other',
        held: { ...moment, successful: outcome === 'successful' },
      };
      const responses = outcome === 'no_show' ? lead.responses : [...lead.responses, { eventId, ...moment }];
      return { ...lead, meetings: [...without(lead.meetings, meetingId), meeting], responses };
    }
    case 'ContactDeferred':
      if (event.data.requestedBy !== 'lead') return lead;
      return { ...lead, deferredUntilMs: Date.parse(event.data.until) };

    case 'HandedOffToSales': {
      const { handoffId, teamId, ownerId } = event.data;
      const owner = {
        teamId,
        ownerId: ownerId ?? (lead.teamId === null || lead.teamId === teamId ? lead.ownerId : null),
      };
      return {
        ...lead,
        ...owner,
        openHandoff: { handoffId, teamId, ownerId: ownerId ?? null, ...moment },
        lastTransitionAtMs: atMs,
        // The offer is part of what its mark brought about: a void of the mark takes it back too.
        latestTransition: lead.latestTransition === null ? null : { ...lead.latestTransition, ...owner },
      };
    }
    case 'QualificationAnswered': {
      const qualification = { ...lead.qualification };
      for (const question of QUALIFICATION_QUESTIONS) {
        const answer = event.data.answers[question];
        if (answer === undefined) continue;
        const evidenced = answer.evidenceEventId !== undefined || (answer.note ?? '') !== '';
        qualification[question] = { value: answer.value, evidenced, ...moment };
      }
      return { ...lead, qualification };
    }

    case 'LeadScored': {
      const { band, grade, modelId, modelVersion, total } = event.data;
      return { ...lead, score: { modelId, modelVersion, total, grade, band, atMs } };
    }
    case 'MarkedMQL':
    case 'MarkedPQL': {
      const autoMarkEventId = event.data.mode === 'auto' ? eventId : lead.autoMarkEventId;
      return enter({ ...lead, autoMarkEventId }, event, eventId, atMs);
    }
    case 'PromotedToLead':
    case 'MarkedServiceQualified':
    case 'QualificationWithdrawn':
    case 'Disqualified':
    case 'MarkedJunk':
    case 'LeadReopened':
    case 'RejectedBySales':
      return enter(lead, event, eventId, atMs);
    case 'AcceptedBySales':
      // A contact made after the offer and before the acceptance keeps the first_contact promise (spec §6.1).
      return enter({ ...lead, contactSince: lead.openHandoff ?? moment }, event, eventId, atMs, lead);
    case 'MarkedSQL': {
      // Who skips SAL promises the first contact from there on, unless the cycle has one (T10).
      const skipped = event.data.fromState !== 'SAL';
      const started = enter({ ...lead, sequence: null }, event, eventId, atMs, lead);
      return skipped ? { ...started, contactSince: cycleSince(started) } : started;
    }

    case 'OpportunityOpened': {
      const { dealId, dealStage, amount, expectedCloseDate } = event.data;
      const deal: Deal = {
        dealId,
        status: 'open',
        stage: dealStage,
        amount,
        verified: false,
        expectedCloseDate,
        returned: null,
        openObjections: new Set(),
        proposals: 0,
        challengesAddressed: [],
        decisionMaker: null,
      };
      return enter({ ...lead, deal }, event, eventId, atMs, lead);
    }
    case 'DealStageChanged':
      return { ...withDeal(lead, { stage: event.data.to }), lastTransitionAtMs: atMs };
    case 'DealAmountChanged':
      return withDeal(lead, { amount: event.data.new, verified: false });
    case 'DealValueVerified':
      return withDeal(lead, { amount: event.data.amount, verified: true });
    case 'DealCloseDateChanged':
      return withDeal(lead, { expectedCloseDate: event.data.new });
    case 'DecisionMakerChanged': {
      const { kind, previousLeadId = null, newLeadId = null } = event.data;
      return withDeal(lead, { decisionMaker: { kind, previousLeadId, newLeadId, ...moment } });
    }
    case 'ProposalSent':
      return withDeal(lead, {
        proposals: (lead.deal?.proposals ?? 0) + 1,
        challengesAddressed: event.data.challengesAddressed,
      });
    case 'ObjectionRaised': {
      const open = new Set(lead.deal?.openObjections).add(event.data.objectionId);
      return withDeal(lead, { openObjections: open });
    }
    case 'ObjectionResolved': {
      const open = new Set(lead.deal?.openObjections);
      open.delete(event.data.objectionId);
      return withDeal(lead, { openObjections: open });
    }
    case 'OpportunityReturnedToQualification':
      return enter(withDeal(lead, { status: 'requalifying', returned: moment }), event, eventId, atMs, lead);
    case 'OpportunityResumed':
      return enter(withDeal(lead, { status: 'open', stage: event.data.dealStage }), event, eventId, atMs, lead);
    case 'PutOnHold': {
      const { reasonCode, until } = event.data;
      const onHold = { reasonCode, sinceMs: atMs, untilMs: until === undefined ? null : Date.parse(until) };
      return { ...lead, onHold, lastTransitionAtMs: atMs };
    }
    case 'ResumedFromHold':
      return { ...lead, onHold: null, lastTransitionAtMs: atMs };
    case 'RecycledNotReady': {
      const { nurtureTrackId } = event.data;
      return enter({ ...lead, deal: null, nurtureDestination: nurtureTrackId }, event, eventId, atMs, lead);
    }
    case 'DealWon':
    case 'DealLost':
      return enter({ ...lead, deal: null }, event, eventId, atMs, lead);

    case 'SlaClockStarted': {
      const latest = lead.latestTransition;
      const clocks = evolveClock(lead.clocks, event);
      if (latest === null) return { ...lead, clocks };
      const clocksStarted = [...latest.clocksStarted, event.data.clockId];
      return { ...lead, clocks, latestTransition: { ...latest, clocksStarted } };
    }
    case 'SlaWarningRaised':
    case 'SlaBreached':
    case 'SlaEscalated':
    case 'SlaClockPaused':
    case 'SlaClockResumed':
    case 'SlaClockStopped':
    case 'SlaClockCancelled':
    case 'SlaBreachRetracted':
    case 'SlaClockRebased':
      return { ...lead, clocks: evolveClock(lead.clocks, event) };

    case 'TransitionVoided':
      return undo({ ...lead, clocks: evolveClock(lead.clocks, event) }, event.data);
    case 'OccurredAtCorrected':
      return correct(lead, event.data);

    case 'DuplicateSuspected':
    case 'DuplicateDismissed': {
      const verdict = event.type === 'DuplicateDismissed' ? 'dismissed' : 'suspected';
      return { ...lead, duplicates: new Map(lead.duplicates).set(event.data.candidateLeadId, verdict) };
    }
    case 'DuplicateAbsorbed': {
      const standing = lead.absorbed.find(({ mergeId }) => mergeId === event.data.mergeId);
      const others = lead.absorbed.filter((one) => one !== standing);
      const recordedAtMs = standing?.recordedAtMs ?? envelope.recordedAtMs;
      return { ...lead, absorbed: [...others, absorbedOf(event.data, moment, recordedAtMs)] };
    }
    case 'MergedInto': {
      const { mergeId, survivorLeadId } = event.data;
      return enter({ ...lead, deal: null, mergedInto: { mergeId, survivorLeadId, atMs } }, event, eventId, atMs, lead);
    }
    case 'MergeReverted':
      return unmerge(lead, event);

    case 'PostSaleFollowUpLogged':
    case 'CustomerFeedbackRecorded':
    case 'LeadWentStale':
      return lead;
    default:
      // A type of a later version, read by this one: kept in the history, without effect.
      event satisfies never;
      return lead;
  }
}

/**
 * Opens the visit that a transition leads to. `before` is the lead as it was, when the caller has changed it already.
 * BecameProspect from MQL on is a dated fact: it opens no visit.
 */
function enter(lead: LeadState, { type, data }: StepEvent, eventId: string, atMs: number, before = lead): LeadState {
  if (data.fromState === data.toState) return lead;
  const ownerId = data.ownerId ?? before.ownerId;
  const teamId = data.teamId ?? before.teamId;
  const latestTransition: Transition = {
    eventId,
    type,
    toState: data.toState,
    occurredAt: data.occurredAt,
    before: {
      state: before.state,
      cycleNo: before.cycleNo,
      onHold: before.onHold,
      openHandoff: before.openHandoff,
      deal: before.deal,
      ownerId: before.ownerId,
      teamId: before.teamId,
      twoWaySinceMs: before.twoWaySinceMs,
      contactSince: before.contactSince,
      lastTransitionAtMs: before.lastTransitionAtMs,
    },
    ownerId,
    teamId,
    clocksStarted: [],
    clocksEnded: [...(data.clocks?.stopped ?? []), ...(data.clocks?.cancelled ?? [])],
    previous: lead.latestTransition,
  };
  const visit: Visit = {
    state: data.toState,
    cycleNo: data.cycleNo,
    eventId,
    revision: lead.revision,
    enteredAtMs: atMs,
    exitedAtMs: null,
  };
  return {
    ...lead,
    state: data.toState,
    cycleNo: data.cycleNo,
    visits: [...withExit(lead.visits, atMs), visit],
    latestTransition,
    lastTransitionAtMs: atMs,
    ownerId,
    teamId,
    // Whatever moves a lead ends its hold and its offer (spec §3.2).
    onHold: null,
    openHandoff: null,
  };
}

/** The lead as before its latest transition; facts recorded since stay, as far as they make sense there. */
/** Whom an open offer is routed to is part of what its mark brought about, as the offer is: a void takes it back too. */
function routedTransition(
  { latestTransition, openHandoff }: LeadState,
  { ownerId, reason, teamId }: LeadEventData<'OwnerAssigned'>,
): LeadState['latestTransition'] {
  if (latestTransition === null || openHandoff === null || reason !== 'routing') return latestTransition;
  return { ...latestTransition, ownerId, teamId };
}

function undo(lead: LeadState, { voidedEventId }: LeadEventData<'TransitionVoided'>): LeadState {
  const voided = lead.latestTransition;
  if (voided === null || voided.eventId !== voidedEventId) return lead;
  const { before } = voided;
  const sameOwner = lead.ownerId === voided.ownerId && lead.teamId === voided.teamId;
  const onHold = lead.onHold ?? before.onHold;
  const sameDeal = before.deal !== null && before.deal.dealId === lead.deal?.dealId;
  return {
    ...lead,
    ...before,
    visits: withExit(lead.visits.slice(0, -1), null),
    latestTransition: voided.previous,
    // A dated fact of the person, unless it was this very transition.
    twoWaySinceMs: voided.type === 'BecameProspect' ? before.twoWaySinceMs : lead.twoWaySinceMs,
    onHold: before.state !== null && HOLDABLE.has(before.state) ? onHold : null,
    deal: sameDeal
      ? { ...lead.deal, status: before.deal.status, stage: before.deal.stage, returned: before.deal.returned }
      : before.deal,
    ownerId: sameOwner ? before.ownerId : lead.ownerId,
    teamId: sameOwner ? before.teamId : lead.teamId,
    lastTransitionAtMs: Math.max(before.lastTransitionAtMs, onHold?.sinceMs ?? before.lastTransitionAtMs),
  };
}

/** Each side as without the merge: the survivor lets go of what it had absorbed, the duplicate is what it was. */
function unmerge(lead: LeadState, event: Extract<LeadEvent, { readonly type: 'MergeReverted' }>): LeadState {
  const { mergeId } = event.data;
  const merge = lead.latestTransition;
  if (lead.mergedInto?.mergeId !== mergeId || merge === null) {
    return { ...lead, absorbed: lead.absorbed.filter((one) => one.mergeId !== mergeId) };
  }
  return {
    ...lead,
    ...merge.before,
    visits: withExit(lead.visits.slice(0, -1), null),
    latestTransition: merge.previous,
    mergedInto: null,
    clocks: evolveClock(lead.clocks, event),
  };
}

function correct(lead: LeadState, data: LeadEventData<'OccurredAtCorrected'>): LeadState {
  const { correctedEventId } = data;
  const atMs = Date.parse(data.new);
  const retime = <F extends { readonly eventId: string }>(facts: readonly F[]): F[] =>
    facts.map((fact) => (fact.eventId === correctedEventId ? { ...fact, atMs } : fact));
  const index = lead.visits.findIndex(({ eventId }) => eventId === correctedEventId);
  const visits = lead.visits.map((visit, i) => {
    if (i === index) return { ...visit, enteredAtMs: atMs };
    return i === index - 1 ? { ...visit, exitedAtMs: atMs } : visit;
  });
  const isLatest = index >= 0 && index === lead.visits.length - 1;
  return {
    ...lead,
    visits,
    lastTransitionAtMs: isLatest ? Math.max(atMs, lead.onHold?.sinceMs ?? atMs) : lead.lastTransitionAtMs,
    latestTransition: retimed(lead.latestTransition, correctedEventId, data.new),
    attempts: retime(lead.attempts),
    responses: retime(lead.responses),
    handRaises: retime(lead.handRaises),
    history: retimedHistory(lead.history, correctedEventId, atMs),
  };
}

function retimed(transition: Transition | null, eventId: string, occurredAt: string): Transition | null {
  if (transition === null) return null;
  if (transition.eventId === eventId) return { ...transition, occurredAt };
  const previous = retimed(transition.previous, eventId, occurredAt);
  return previous === transition.previous ? transition : { ...transition, previous };
}

/** Copies the list down to the corrected entry; without recursion, a stream may be long. */
function retimedHistory(history: LeadState['history'], eventId: string, atMs: number): LeadState['history'] {
  const newer = [];
  for (let entry = history; entry !== null; entry = entry.previous) {
    if (entry.eventId !== eventId) {
      newer.push(entry);
      continue;
    }
    let copied: LeadState['history'] = { ...entry, atMs };
    for (const later of newer.reverse()) copied = { ...later, previous: copied };
    return copied;
  }
  return history;
}

const withExit = (visits: readonly Visit[], exitedAtMs: number | null): Visit[] =>
  visits.map((visit, i) => (i === visits.length - 1 ? { ...visit, exitedAtMs } : visit));

const withDeal = (lead: LeadState, change: Partial<Deal>): LeadState =>
  lead.deal === null ? lead : { ...lead, deal: { ...lead.deal, ...change } };

const without = (meetings: readonly Meeting[], meetingId: string): Meeting[] =>
  meetings.filter((meeting) => meeting.meetingId !== meetingId);

function withoutEmpty(fields: Readonly<Record<string, unknown>>): Record<string, string | number> {
  const kept: Record<string, string | number> = {};
  for (const [field, value] of Object.entries(fields))
    if (typeof value === 'string' || typeof value === 'number') kept[field] = value;
  return kept;
}
