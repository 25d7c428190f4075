import { standardAgreement } from '#libs/policy/src/defaults.js';
import type { Agreement } from '#libs/policy/src/documents.js';
import { noteTwoWay, promoteSubscriber, showsInterest } from './automatic-transitions.js';
import { requireCampaign } from './campaign-reference.js';
import type { CommandBody } from './commands.js';
import { knownPurpose } from './decide-capture.js';
import type { Decision } from './decision.js';
import { LeadError } from './errors.js';
import { behaviourKind } from './events.js';
import type { Rules } from './rule.js';
import type { SlaClock } from './sla-clocks.js';
import { cycleSince, hasFact, isSince, since, type LeadState } from './state.js';

/** What the person does and what is done to reach it. Nurture will stand beside this file; scoring reads these facts. */

const isCustomer = ({ state }: LeadState): boolean => state === 'CUSTOMER';

export const contactRules: Rules<
  | 'RecordBehaviour'
  | 'RecordConsent'
  | 'WithdrawConsent'
  | 'LogContactAttempt'
  | 'LogResponse'
  | 'BookMeeting'
  | 'LogMeeting'
  | 'DeferContact'
  | 'LogPostSaleFollowUp'
  | 'RecordFeedback'
> = {
  RecordBehaviour: {
    decide(decision, body) {
      const kind = behaviourKind.safeParse(body.kind);
      if (!kind.success) {
        throw new LeadError(
          'UNKNOWN_BEHAVIOUR',
          `${body.kind} is no behaviour; there are ${behaviourKind.options.join(', ')}`,
          { field: 'kind' },
        );
      }
      const behaviourId = body.behaviourId ?? decision.context.commandId;
      if (hasFact(decision.lead, 'BehaviourRecorded', behaviourId)) return;
      const { contentId, topicCode, campaignId, url, sessionId, count } = body;
      requireCampaign(decision, campaignId, 'campaignId');
      const eventId = decision.record('BehaviourRecorded', {
        behaviourId,
        kind: kind.data,
        contentId,
        topicCode,
        campaignId,
        url,
        sessionId,
        count,
      });
      if (kind.data === 'unsubscribe') withdraw(decision, 'email_marketing');
      if (showsInterest(kind.data)) promoteSubscriber(decision, eventId);
    },
  },

  RecordConsent: {
    decide(decision, { purpose, basis, channel, textVersion }) {
      decision.record('ConsentGranted', { purpose: knownPurpose(purpose, 'purpose'), basis, channel, textVersion });
    },
  },

  WithdrawConsent: {
    decide(decision, { purpose, channel }) {
      decision.record('ConsentWithdrawn', { purpose: knownPurpose(purpose, 'purpose'), channel });
    },
  },

  LogContactAttempt: {
    stops: (decision, body) => {
      const attemptId = body.attemptId ?? decision.context.commandId;
      return hasFact(decision.lead, 'ContactAttempted', attemptId) ? [] : [clockThatStops(decision, body)];
    },
    decide(decision, body) {
      const attemptId = body.attemptId ?? decision.context.commandId;
      if (hasFact(decision.lead, 'ContactAttempted', attemptId)) return;
      const refused =
        (body.channel === 'phone' && isWithdrawn(decision, 'phone')) ||
        (body.channel === 'email' && !body.oneToOne && isWithdrawn(decision, 'email_marketing'));
      decision.guard(!refused, 'NO_CONSENT', `consent to be contacted by ${body.channel} was withdrawn`, {
        field: 'channel',
      });
      const { channel, oneToOne, automated, intent, outcome, sequenceStep, durationS, note } = body;
      const stopped = clockThatStops(decision, body);
      const eventId = decision.record('ContactAttempted', {
        attemptId,
        channel,
        oneToOne,
        automated,
        qualifies: qualifies(decision, body),
        intent,
        outcome,
        sequenceStep,
        durationS,
        note,
      });
      decision.recordAll(decision.stop(stopped, eventId));
      exhaustSequence(decision);
    },
  },

  LogResponse: {
    decide(decision, { channel, inReplyTo, sentiment, note }) {
      const eventId = decision.record('LeadResponded', { channel, inReplyTo, sentiment, note });
      if (sentiment === 'opt_out') withdraw(decision, channel === 'phone' ? 'phone' : 'email_marketing');
      noteTwoWay(decision, eventId, channel);
    },
  },

  BookMeeting: {
    decide(decision, { at, kind, meetingId = decision.context.commandId }) {
      decision.guard(Date.parse(at) >= decision.atMs, 'MEETING_TIME_INVALID', 'a meeting is booked ahead', {
        field: 'at',
      });
      decision.record('MeetingBooked', { meetingId, kind, at });
    },
  },

  LogMeeting: {
    decide(decision, { outcome, kind, meetingId, note }) {
      const booked = decision.lead.meetings.findLast((meeting) => meeting.held === null);
      const id = meetingId ?? booked?.meetingId ?? decision.context.commandId;
      const eventId = decision.record('MeetingHeld', { meetingId: id, kind, outcome, note });
      if (outcome !== 'no_show') noteTwoWay(decision, eventId, 'meeting');
    },
  },

  DeferContact: {
    decide(decision, { until, requestedBy }) {
      const untilMs = Date.parse(until);
      decision.guard(untilMs > decision.atMs, 'MEETING_TIME_INVALID', 'contact is put off to a later time', {
        field: 'until',
      });
      decision.record('ContactDeferred', { until, requestedBy });
      // Only the lead's own wish stops the promise, and a hold has stopped it already (spec §6.4).
      if (requestedBy !== 'lead' || decision.lead.onHold !== null || untilMs <= decision.context.nowMs) return;
      for (const clock of decision.lead.clocks.values()) {
        decision.recordAll(decision.pause(clock, decision.atMs, 'deferred_by_lead', untilMs));
      }
    },
  },

  LogPostSaleFollowUp: {
    offered: isCustomer,
    stops: (decision) => [decision.clock('post_sale_followup')],
    decide(decision, { channel, satisfaction, issue, resolved, note }) {
      requireCustomer(decision);
      const eventId = decision.record('PostSaleFollowUpLogged', { channel, satisfaction, issue, resolved, note });
      decision.recordAll(decision.stop(decision.clock('post_sale_followup'), eventId));
    },
  },

  RecordFeedback: {
    offered: isCustomer,
    decide(decision, { about, rating, note }) {
      requireCustomer(decision);
      decision.record('CustomerFeedbackRecorded', { about, rating, note });
    },
  },
};

type Attempt = CommandBody<'LogContactAttempt'>;

/** By the agreement of the lead's team; without one, by the default definition (spec §6.8). */
function qualifies(decision: Decision, { channel, oneToOne, automated, outcome }: Attempt): boolean {
  const { contactAttemptDefinition: definition } = agreementOf(decision) ?? standardAgreement;
  return (
    definition.channels.includes(channel) &&
    (oneToOne || !definition.oneToOne) &&
    (!automated || definition.automated) &&
    !definition.excludedOutcomes.includes(outcome)
  );
}

const agreementOf = (decision: Decision): Agreement | null =>
  decision.context.policies.agreementForTeam(decision.teamId, decision.policyMs);

/** The first_contact clock, when this attempt is a contact of the promise it measures. */
function clockThatStops(decision: Decision, attempt: Attempt): SlaClock | undefined {
  const { contactSince, revision } = decision.lead;
  const counts =
    qualifies(decision, attempt) &&
    (decision.pipeline.firstContactStop === 'attempt' || attempt.outcome === 'connected') &&
    contactSince !== null &&
    isSince({ atMs: decision.atMs, revision: revision + 1 }, contactSince);
  return counts ? decision.clock('first_contact') : undefined;
}

/** All steps of the agreed sequence made in this cycle and no answer: that permits the recycle reason `unresponsive`. */
function exhaustSequence(decision: Decision): void {
  const { lead } = decision;
  const sequence = agreementOf(decision)?.sequences[0];
  if (sequence === undefined) return;
  const start = cycleSince(lead);
  if (lead.sequenceExhausted !== null && isSince(lead.sequenceExhausted, start)) return;
  const attempts = since(lead.attempts, start).filter((attempt) => attempt.qualifies);
  const responses = since(lead.responses, start).length;
  const byChannel = Object.entries(sequence.minByChannel).every(
    ([channel, least]) => attempts.filter((attempt) => attempt.channel === channel).length >= least,
  );
  if (attempts.length < sequence.attempts || responses > 0 || !byChannel) return;
  decision.record('ContactSequenceExhausted', {
    sequenceId: sequence.sequenceId,
    attemptsMade: attempts.length,
    responses,
  });
}

type Purpose = Parameters<Decision['lead']['consents']['get']>[0];
const isWithdrawn = (decision: Decision, purpose: Purpose): boolean =>
  decision.lead.consents.get(purpose) === 'withdrawn';

function withdraw(decision: Decision, purpose: 'email_marketing' | 'phone'): void {
  if (!isWithdrawn(decision, purpose)) decision.record('ConsentWithdrawn', { purpose });
}

function requireCustomer(decision: Decision): void {
  decision.guard(isCustomer(decision.lead), 'NOT_A_CUSTOMER', 'only a customer has an after-sale');
}
