import { type Behaviour, type Behaviours, wholeSeconds } from '#libs/scoring/src/behaviours.js';
import type { FactValue, Facts } from '#libs/scoring/src/facts.js';
import { FitMemo } from '#libs/scoring/src/fit-memo.js';
import type { LeadEvent, LeadEventData, LeadEventType } from './events.js';
import { QUALIFICATION_QUESTIONS, type LeadState } from './state.js';

/**
 * What scoring reads of a lead, kept as it is folded. Only fields that are stored in plain text: an erased lead keeps its score, and
 * a replay needs no key. `availableAt`, else `occurredAt`, says from when on a fact counts (spec §5.4).
 */

/** Facts that may change a score or whether it may have an effect: a live one is followed by an evaluation (spec §5.4). */
export const SCORED_FACTS: ReadonlySet<LeadEventType> = new Set<LeadEventType>([
  'LeadCaptured',
  'CaptureRepeated',
  'LeadDetailsUpdated',
  'RoleIdentified',
  'PersonaAssigned',
  'LeadTypeChanged',
  'JourneyStageObserved',
  'GoalIdentified',
  'BuyingIntentAssessed',
  'IcpFitAssessed',
  'LinkedToAccount',
  'UnlinkedFromAccount',
  'BehaviourRecorded',
  'LeadResponded',
  'ConsentGranted',
  'ConsentWithdrawn',
  'QualificationAnswered',
  'DuplicateAbsorbed',
  'MergeReverted',
  'OccurredAtCorrected',
]);

type Data<T extends LeadEventType> = LeadEventData<T>;

const occurredAtS = (data: { readonly occurredAt: string }): number => wholeSeconds(Date.parse(data.occurredAt));
const availableAtS = (data: { readonly occurredAt: string; readonly availableAt?: string | undefined }): number =>
  wholeSeconds(Date.parse(data.availableAt ?? data.occurredAt));

/** The lead's behaviours after an event. `before`: the lead without it. */
export function evolveBehaviours(before: LeadState, event: LeadEvent, eventId: string): Behaviours {
  const { behaviours } = before;
  switch (event.type) {
    case 'BehaviourRecorded':
      return behaviours.with(behaviourOf(eventId, event.data));
    case 'LeadResponded': {
      const { data } = event;
      const { channel, sentiment } = data;
      return behaviours.with({
        eventId,
        kind: 'reply',
        occurredAtS: occurredAtS(data),
        availableAtS: availableAtS(data),
        count: 1,
        more: { channel, sentiment },
      });
    }
    case 'RecycledNotReady':
    case 'RejectedBySales':
      return behaviours.with({ eventId, kind: 'returned' });
    case 'TransitionVoided':
      return behaviours.without(event.data.voidedEventId);
    case 'OccurredAtCorrected':
      return behaviours.corrected(event.data.correctedEventId, wholeSeconds(Date.parse(event.data.new)));
    case 'DuplicateAbsorbed': {
      const again = before.absorbed.find(({ mergeId }) => mergeId === event.data.mergeId);
      const since = availableAtS(event.data);
      let union = withoutAll(behaviours, again?.behaviours ?? []);
      for (const one of event.data.behaviours) union = union.with(absorbedBehaviour(one, since));
      return union;
    }
    case 'MergeReverted': {
      const absorbed = before.absorbed.find(({ mergeId }) => mergeId === event.data.mergeId);
      return absorbed === undefined ? behaviours : withoutAll(behaviours, absorbed.behaviours);
    }
    default:
      return behaviours;
  }
}

function behaviourOf(eventId: string, data: Data<'BehaviourRecorded'>): Behaviour {
  const { campaignId, contentId, count, kind, topicCode } = data;
  const plain = { eventId, kind, occurredAtS: occurredAtS(data), availableAtS: availableAtS(data), count };
  if (campaignId === undefined && contentId === undefined && topicCode === undefined) return plain;
  return { ...plain, more: known({ topicCode, contentId, campaignId }) };
}

/** Counted from the merge on, as old as it is. */
function absorbedBehaviour(one: Data<'DuplicateAbsorbed'>['behaviours'][number], since: number): Behaviour {
  const { campaignId, contentId, count, eventId, kind, topicCode } = one;
  // How the duplicate's replies sounded stays with the duplicate.
  const more = known({ topicCode, contentId, campaignId, sentiment: kind === 'reply' ? 'neutral' : undefined });
  return { eventId, kind, occurredAtS: occurredAtS(one), availableAtS: since, count, more };
}

const withoutAll = (behaviours: Behaviours, some: readonly { readonly eventId: string }[]): Behaviours =>
  some.reduce((left, { eventId }) => left.without(eventId), behaviours);

/** The fit fields that no other part of the state holds, after an event. */
export function evolveScoredFields(fields: Facts, event: LeadEvent): Facts {
  switch (event.type) {
    case 'LeadCaptured': {
      const { captureMethod, emailKind, interest, location, source } = event.data;
      return known({
        country: location?.country,
        region: location?.region,
        emailKind,
        captureMethod,
        'source.channel': source.channel,
        'source.code': source.code,
        'source.campaignId': source.campaignId,
        'interest.kind': interest.kind,
        'interest.request': interest.request,
        'interest.productLine': interest.productLine,
      });
    }
    case 'CaptureRepeated':
    case 'LeadDetailsUpdated':
      return event.data.scoredFields === undefined ? fields : known({ ...fields, ...event.data.scoredFields });
    default:
      return fields;
  }
}

/** Events that change no fit field. Every other one may, so that a type nobody thought of here costs time but never a wrong score. */
const NO_FIT_FIELD: ReadonlySet<LeadEventType> = new Set<LeadEventType>([
  'BehaviourRecorded',
  'LeadResponded',
  'LeadScored',
  'ContactAttempted',
  'HandedOffToSales',
  'SlaClockStarted',
  'SlaClockStopped',
]);

/** What was made of the facts stays good while the event changes none of them. */
export const evolveFitMemo = (memo: FitMemo, { type }: LeadEvent): FitMemo =>
  NO_FIT_FIELD.has(type) ? memo : new FitMemo();

/** All that is known of the lead for the fit rules of a model. */
export function factsOf(lead: LeadState): Facts {
  const { accountId, buyingIntent, goal, icpFit, journeyStage, leadType, personaId, qualification, role } = lead;
  const facts: Record<string, FactValue> = { ...lead.scoredFields, leadType };
  if (role !== 'unknown') facts.role = role;
  if (accountId !== null) facts.accountId = accountId;
  if (personaId !== null) {
    facts.personaId = personaId;
    facts.personaMatched = true;
  }
  if (journeyStage !== null) facts.journeyStage = journeyStage;
  if (goal !== null) facts.challengeCode = goal.challengeCode;
  if (buyingIntent !== null) facts.buyingIntent = buyingIntent;
  for (const question of QUALIFICATION_QUESTIONS) {
    const answer = qualification[question];
    if (answer !== undefined) facts[`qualification.${question}`] = answer.value;
  }
  if (icpFit !== null) addCompany(facts, icpFit);
  return facts;
}

function addCompany(
  facts: Record<string, FactValue>,
  { criteria, firmographics, result }: NonNullable<LeadState['icpFit']>,
): void {
  if (result !== 'unknown') facts['icp.result'] = result;
  for (const [criterion, judged] of Object.entries(criteria)) {
    if (judged !== 'unknown') facts[`icp.${criterion}`] = judged;
  }
  const { annualRevenue, employees, industry } = firmographics;
  if (industry !== undefined) facts['firmographics.industry'] = industry;
  if (employees !== undefined) facts['firmographics.employees'] = employees;
  if (annualRevenue !== undefined) {
    facts['firmographics.annualRevenueMinor'] = annualRevenue.amountMinor;
    facts['firmographics.annualRevenueCurrency'] = annualRevenue.currency;
  }
}

/** Without what is not known. */
function known<V extends FactValue>(fields: Readonly<Record<string, V | null | undefined>>): Record<string, V> {
  const kept: Record<string, V> = {};
  for (const [field, value] of Object.entries(fields)) if (value !== null && value !== undefined) kept[field] = value;
  return kept;
}
