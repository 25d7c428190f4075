import { standardAgreement } from '#libs/policy/src/defaults.js';
import { consentsOf } from './absorption.js';
import { noteTwoWay, promoteSubscriber, showsInterest } from './automatic-transitions.js';
import { requireCampaign } from './campaign-reference.js';
import type { CommandBody } from './commands.js';
import {
  agreementOf,
  cadenceOfAttempt,
  cadencesOfResponse,
  exhaustSequence,
  nextCadence,
  startSequence,
} from './contact-sequence.js';
import { knownPurpose } from './decide-capture.js';
import { exitNurture, requireEmailConsent } from './decide-nurture.js';
import type { Decision } from './decision.js';
import { engage, type Approach } from './engagement-policies.js';
import { LeadError } from './errors.js';
import { behaviourKind, type LeadEventData } from './events.js';
import type { Rules } from './rule.js';
import type { SlaClock } from './sla-clocks.js';
import { hasFact, isSince, type LeadState } from './state.js';
import { RANK } from './states.js';

/** What the person does and what is done to reach it; scoring reads these facts. Nurture stands beside this file. */

const isCustomer = ({ state }: LeadState): boolean => state === 'CUSTOMER';

export const contactRules: Rules<
  | 'RecordBehaviour'
  | 'RecordConsent'
  | 'WithdrawConsent'
  | 'StartContactSequence'
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
      consentWithdrawn(decision, knownPurpose(purpose, 'purpose'), channel);
    },
  },

  StartContactSequence: {
    offered: ({ state }) =>
      state === 'RECYCLED' || (state !== null && RANK[state] >= RANK.LEAD && state !== 'CUSTOMER'),
    advances: true,
    decide(decision, { sequenceId }) {
      const agreement = agreementOf(decision);
      const sequences = agreement?.sequences ?? [];
      const sequence = sequences.find((one) => sequenceId === undefined || one.sequenceId === sequenceId);
      if (agreement === null || sequence === undefined) {
        const known = sequences.map((one) => one.sequenceId);
        const detail = `the agreement has no contact sequence ${sequenceId ?? ''}; it has ${known.join(', ')}`;
        throw new LeadError('UNKNOWN_SEQUENCE', detail, { field: 'sequenceId', known });
      }
      startSequence(decision, sequence, () => {
        const policyWarnings = engage(decision, { does: 'sequence' });
        decision.record('ContactSequenceStarted', {
          sequenceId: sequence.sequenceId,
          agreementVersion: agreement.version,
          attemptsPlanned: sequence.attempts,
          policyWarnings,
        });
      });
    },
  },

  LogContactAttempt: {
    stops: (decision, body) => {
      const attemptId = body.attemptId ?? decision.context.commandId;
      return hasFact(decision.lead, 'ContactAttempted', attemptId) ? [] : clocksThatStop(decision, body);
    },
    decide(decision, body) {
      const attemptId = body.attemptId ?? decision.context.commandId;
      if (hasFact(decision.lead, 'ContactAttempted', attemptId)) return;
      const { channel, oneToOne, automated, intent, outcome, sequenceStep, durationS, note } = body;
      requireChannel(decision, body);
      const policyWarnings = engage(decision, approachOf(decision, body));
      const stopped = clocksThatStop(decision, body);
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
        policyWarnings,
      });
      for (const clock of stopped) decision.recordAll(decision.stop(clock, eventId));
      exhaustSequence(decision);
      decision.recordAll(nextCadence(decision, eventId));
    },
  },

  LogResponse: {
    stops: cadencesOfResponse,
    decide(decision, { channel, inReplyTo, sentiment, note }) {
      const answered = cadencesOfResponse(decision);
      const eventId = decision.record('LeadResponded', { channel, inReplyTo, sentiment, note });
      for (const clock of answered) decision.recordAll(decision.stop(clock, eventId));
      if (sentiment === 'opt_out') withdraw(decision, channel === 'phone' ? 'phone' : 'email_marketing');
      exitNurture(decision, 'replied');
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
    stops: (decision, { outcome }) => (outcome === 'no_show' ? [] : cadencesOfResponse(decision)),
    decide(decision, { outcome, kind, meetingId, note }) {
      const booked = decision.lead.meetings.findLast((meeting) => meeting.held === null);
      const id = meetingId ?? booked?.meetingId ?? decision.context.commandId;
      const answered = cadencesOfResponse(decision);
      const eventId = decision.record('MeetingHeld', { meetingId: id, kind, outcome, note });
      if (outcome === 'no_show') return;
      for (const clock of answered) decision.recordAll(decision.stop(clock, eventId));
      exitNurture(decision, 'replied');
      noteTwoWay(decision, eventId, 'meeting');
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
function qualifies(decision: Decision, { channel, oneToOne, automated, outcome, qualifies }: Attempt): boolean {
  const { contactAttemptDefinition: definition } = agreementOf(decision) ?? standardAgreement;
  return (
    qualifies !== false &&
    definition.channels.includes(channel) &&
    (oneToOne || !definition.oneToOne) &&
    (!automated || definition.automated) &&
    !definition.excludedOutcomes.includes(outcome)
  );
}

/** Channels the agreement does not name are not used; consent that was withdrawn is respected, bulk mail needs it given. */
function requireChannel(decision: Decision, { channel, oneToOne }: Attempt): void {
  const { channels } = (agreementOf(decision) ?? standardAgreement).contactAttemptDefinition;
  decision.guard(
    decision.isImport || channels.includes(channel),
    'CHANNEL_NOT_ALLOWED',
    `the agreement contacts by ${channels.join(', ')}`,
    { field: 'channel', allowed: channels },
  );
  decision.guard(
    channel !== 'phone' || !isWithdrawn(decision, 'phone'),
    'NO_CONSENT',
    'consent to be contacted by phone was withdrawn',
    { field: 'channel', purpose: 'phone' },
  );
  if (channel === 'email' && !oneToOne) requireEmailConsent(decision);
}

const approachOf = (decision: Decision, attempt: Attempt): Approach => ({
  does: 'attempt',
  intent: attempt.intent,
  oneToOne: attempt.oneToOne,
  qualifies: qualifies(decision, attempt),
  sequenceStep: attempt.sequenceStep,
  atMs: decision.atMs,
});

/** The first_contact clock, when this attempt is a contact of the promise it measures, and the promise of a next attempt. */
function clocksThatStop(decision: Decision, attempt: Attempt): SlaClock[] {
  if (!qualifies(decision, attempt)) return [];
  const { contactSince, revision } = decision.lead;
  const counts =
    (decision.pipeline.firstContactStop === 'attempt' || attempt.outcome === 'connected') &&
    contactSince !== null &&
    isSince({ atMs: decision.atMs, revision: revision + 1 }, contactSince);
  const clocks = [counts ? decision.clock('first_contact') : undefined, cadenceOfAttempt(decision)];
  return clocks.filter((clock) => clock !== undefined);
}

type Purpose = LeadEventData<'ConsentWithdrawn'>['purpose'];
const isWithdrawn = (decision: Decision, purpose: Purpose): boolean =>
  consentsOf(decision.lead).get(purpose) === 'withdrawn';

function withdraw(decision: Decision, purpose: 'email_marketing' | 'phone'): void {
  // By the lead's own record: what only an absorbed duplicate withdrew would come back with it.
  if (decision.lead.consents.get(purpose) !== 'withdrawn') consentWithdrawn(decision, purpose);
}

/** Stops at once what the person has said no to: nurture, and the promise of a next attempt (spec §9.2). */
function consentWithdrawn(decision: Decision, purpose: Purpose, channel?: string): void {
  decision.record('ConsentWithdrawn', { purpose, channel });
  if (purpose === 'email_marketing') exitNurture(decision, 'withdrawn');
  if (purpose === 'email_marketing' || purpose === 'phone') {
    decision.recordAll(decision.cancel('withdrawn', ['contact_cadence']));
  }
}

function requireCustomer(decision: Decision): void {
  decision.guard(isCustomer(decision.lead), 'NOT_A_CUSTOMER', 'only a customer has an after-sale');
}
