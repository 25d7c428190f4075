import { z } from 'zod';
import { TRACK_KINDS } from '#libs/policy/src/engagement.js';
import { LEAD_STATES } from './states.js';

/**
 * The events of a lead's stream, one schema per type and version (spec §4.2). Personal fields (†) are marked with
 * `personal()`: they reach the log only sealed (libs/privacy). Readers ignore unknown fields.
 */

/** Fields marked † in the spec: sealed under the lead's data key before they reach the log. */
export const personalFields = z.registry<{ personal: true }>();
export function personal<T extends z.ZodType>(schema: T): T {
  personalFields.add(schema, { personal: true });
  return schema;
}

export const id = z.string().min(1).max(128);
/** RFC 3339 UTC with milliseconds. */
export const ts = z.iso.datetime({ offset: false, precision: 3 });
export const date = z.iso.date();
export const code = z.string().min(1).max(64);
export const text = z.string().max(2000);
export const seconds = z.int();
export const milliPoints = z.int();
export const money = z.object({ amountMinor: z.int(), currency: z.string().regex(/^[A-Z]{3}$/) });
export const leadStateName = z.enum(LEAD_STATES);
export const yesNoUnknown = z.enum(['yes', 'no', 'unknown']);
export const role = z.enum(['decision_maker', 'influencer', 'user', 'gatekeeper', 'unknown']);
export const sourceChannel = z.enum([
  'search', 'social', 'email', 'integrated', 'event', 'referral', 'direct', 'outbound', 'partner',
]); // prettier-ignore
export const contactChannel = z.enum(['phone', 'email', 'message', 'social', 'meeting', 'post']);
export const behaviourKind = z.enum([
  'page_view', 'pricing_page', 'newsletter_subscribed', 'email_open', 'email_click', 'whitepaper', 'guide',
  'webinar_registered', 'webinar_attended', 'case_study', 'product_demo_attended', 'demo_request', 'pricing_request',
  'contact_sales_request', 'trial_started', 'product_action', 'upgrade_enquiry', 'social_engagement', 'referral_made',
  'unsubscribe', 'complaint', 'bounce',
]); // prettier-ignore
export const clockType = z.enum([
  'handoff_response',
  'first_contact',
  'contact_cadence',
  'recycle_reengagement',
  'post_sale_followup',
]);
export type ClockType = z.infer<typeof clockType>;

const base = { leadId: id, occurredAt: ts };
/** A fact that scores: from when on it counts, where that is not `occurredAt` to the second because it was recorded late (spec §5.4). */
const scoring = { ...base, availableAt: ts.optional() };

/** What every transition records beside its own fields (spec §3.5, "+T" in §4.2). */
const transition = {
  fromState: leadStateName.nullable(),
  toState: leadStateName,
  cycleNo: z.int().min(1),
  /** Ordinal of the visit this transition opens among all visits of the lead, 1 for the capture. */
  stageVisitNo: z.int().min(1),
  ownerId: id.optional(),
  teamId: id.optional(),
  skippedStages: z.array(leadStateName).optional(),
  skipRule: code.optional(),
  /** Imports only: guards of §3.3 that the row would not have passed and was not asked for (spec §9.3). */
  guardsWaived: z.array(code).optional(),
  /** Imports with `outOfOrder: "clamp"`: the time the source claimed; `occurredAt` is the adjusted one. */
  claimedOccurredAt: ts.optional(),
  clocks: z
    .object({
      started: z.array(id).optional(),
      stopped: z.array(id).optional(),
      paused: z.array(id).optional(),
      resumed: z.array(id).optional(),
      cancelled: z.array(id).optional(),
    })
    .optional(),
  policyWarnings: z.array(code).optional(),
};

export const person = z.object({
  givenName: text.optional(),
  familyName: text.optional(),
  email: text.optional(),
  phone: text.optional(),
  postalAddress: text.optional(),
  birthYear: z.int().optional(),
  gender: text.optional(),
});
export const interest = z.object({
  kind: z.enum(['passive', 'active', 'none']),
  request: z.enum(['demo', 'pricing', 'contact', 'other']).optional(),
  productLine: code.optional(),
  message: personal(text.optional()),
});
export const source = z.object({
  /** Class of the source; absent only in imported rows whose source gives none. */
  channel: sourceChannel.optional(),
  /** The organisation's own source code (Olist's `origin`); the report dimension `source`. Defaults to the channel. */
  code: code.optional(),
  campaignId: id.optional(),
  formId: id.optional(),
  utm: z.record(z.string().max(64), z.string().max(256)).optional(),
  referrerLeadId: id.optional(),
});
export const captureMethod = z.enum([
  'form', 'landing_page', 'trial_signup', 'service_desk', 'event', 'referral', 'cold_outreach', 'manual', 'api', 'import',
]); // prettier-ignore
export const consent = z.object({
  purpose: z.enum(['email_marketing', 'phone', 'profiling', 'sharing']),
  basis: code,
  textVersion: z.string().max(64).optional(),
  at: ts.optional(),
  doubleOptIn: z.boolean().optional(),
});
export const location = z.object({
  country: z.string().regex(/^[A-Z]{2}$/).optional(),
  region: z.string().max(128).optional(),
  city: personal(text.optional()),
}); // prettier-ignore
/** The lead's name in another system. */
export const externalId = z.object({ system: code, id: z.string().min(1).max(128) });
export const identityKind = z.enum(['email', 'phone', 'external']);
export const qualificationAnswer = z.object({
  value: yesNoUnknown,
  evidenceEventId: id.optional(),
  note: personal(text.optional()),
});
export const qualificationAnswers = z.object({
  interest: qualificationAnswer.optional(),
  need: qualificationAnswer.optional(),
  budget: qualificationAnswer.optional(),
  authority: qualificationAnswer.optional(),
  timing: qualificationAnswer.optional(),
});
export const journeyStage = z.enum(['awareness', 'consideration', 'decision']);
/** Not at all … fully. */
export const zeroToThree = z.int().min(0).max(3);
export const linkBasis = z.enum(['domain', 'manual', 'enrichment']);
const criterionResult = z.enum(['pass', 'fail', 'unknown']);
const note = personal(text.optional());
const trackKind = z.enum(TRACK_KINDS);
/** Engagement policies that only warned (spec §3.9): the policy, then the code it refuses with where it blocks. */
const policyWarnings = z.array(code).optional();
const emailKind = z.enum(['free', 'company']);
/** New values of details that scoring reads, in plain text; null: no longer known. None of them names a person. */
const scoredFields = z
  .object({
    country: z.string().nullable().optional(),
    region: z.string().nullable().optional(),
    segment: z.string().nullable().optional(),
    emailKind: emailKind.nullable().optional(),
  })
  .optional();
const grade = z.enum(['A', 'B', 'C', 'D', 'U']);
const contribution = z.object({ ruleId: code, mp: milliPoints });
/** When the next escalation level of a breached clock falls due, unless it stops before; absent: no level is left. */
const nextLevelAt = ts.optional();

export const leadEventSchemas = {
  // Capture, profile, ownership
  LeadCaptured: z.object({
    ...scoring, ...transition,
    initialStage: z.enum(['subscriber', 'lead']),
    identityKeys: z.array(z.object({ kind: identityKind, keyHash: z.string() })),
    person: personal(person.optional()),
    jobTitle: personal(text.optional()),
    role,
    location: location.optional(),
    timeZone: z.string().max(64).optional(),
    companyName: z.string().max(256).optional(),
    accountId: id.optional(),
    /** Beside the spec, of the person's address, so that scoring need not read it. */
    emailKind: emailKind.optional(),
    leadType: code,
    captureMethod,
    interest,
    source,
    consents: z.array(consent),
    externalIds: z.array(externalId).optional(),
    importJobId: id.optional(),
  }),
  CaptureRepeated: z.object({
    ...scoring, source, captureMethod, interest, formId: id.optional(), newFields: personal(z.record(z.string(), z.unknown()).optional()),
    scoredFields,
  }),
  LeadDetailsUpdated: z.object({
    ...scoring,
    changes: z.array(z.object({ field: code, old: personal(z.unknown().optional()), new: personal(z.unknown().optional()) })),
    kind: z.enum(['enrichment', 'self_service', 'manual', 'correction']),
    provider: code.optional(),
    verified: z.boolean(),
    scoredFields,
  }),
  RoleIdentified: z.object({ ...scoring, role, jobTitle: personal(text.optional()), provider: code.optional(), confidence: z.number().min(0).max(1) }),
  OwnerAssigned: z.object({
    ...base, ownerId: id, previousOwnerId: id.optional(), teamId: id,
    reason: z.enum(['routing', 'manual', 'owner_left', 'capacity']), policyWarnings,
  }),
  DuplicateSuspected: z.object({ ...base, candidateLeadId: id, score: z.number().min(0).max(1), basis: z.array(code) }),
  DuplicateDismissed: z.object({ ...base, candidateLeadId: id }),

  // Merge (spec §2.6)
  DuplicateAbsorbed: z.object({
    ...scoring, mergeId: id, duplicateLeadId: id, duplicateRevision: z.int(),
    /** The earlier of both captures as they were known then; `duplicateCapturedAt` alone is the duplicate's. */
    effectiveCapturedAt: ts,
    duplicateCapturedAt: ts,
    /** What attribution counts: captures, repeated captures and behaviours of a campaign. */
    touches: z.array(z.object({
      kind: z.enum(['capture', 'repeat_capture', 'behaviour']), eventId: id, occurredAt: ts, recordedAt: ts,
      channel: sourceChannel.optional(), sourceCode: code.optional(), campaignId: id.optional(),
    })),
    /** What the score counts, in the order of recording; `reply`: a LeadResponded. Nothing personal. */
    behaviours: z.array(z.object({
      kind: z.enum([...behaviourKind.options, 'reply']), eventId: id, behaviourId: id, occurredAt: ts, recordedAt: ts, count: z.int().min(1),
      topicCode: code.optional(), contentId: id.optional(), campaignId: id.optional(),
    })),
    /** Older touches and behaviours that one event had no room for. */
    omitted: z.int().optional(),
    contact: z.object({ attempts: z.int(), responses: z.int(), lastContactAt: ts.optional() }),
    /** What the person has forbidden on the duplicate is forbidden, until allowed anew. */
    withdrawnConsents: z.array(consent.shape.purpose).optional(),
    identityKeys: z.array(z.object({ kind: identityKind, keyHash: z.string() })),
  }),
  MergedInto: z.object({ ...base, ...transition, mergeId: id, survivorLeadId: id }),
  /** In both streams. */
  MergeReverted: z.object({
    ...scoring, mergeId: id, duplicateLeadId: id, survivorLeadId: id.optional(),
    /** `given_up`: the duplicate was merged elsewhere or moved on before the merge was complete. */
    cause: z.enum(['unmerged', 'given_up']),
    reason: text.optional(),
    /** Of the duplicate. */
    restoredState: leadStateName.optional(),
    /** Clocks that the merge had cancelled and that run again. */
    reopenedClockIds: z.array(id).optional(),
  }),

  // Who it is and what it wants
  ContactPersonVerified: z.object({ ...base, isDecisionMaker: z.boolean(), evidence: code, decisionMakerLeadId: id.optional() }),
  PersonaAssigned: z.object({ ...scoring, personaId: id, personaVersion: z.int().min(1), confidence: z.number().min(0).max(1) }),
  LeadTypeChanged: z.object({ ...scoring, from: code, to: code, reason: text }),
  JourneyStageObserved: z.object({ ...scoring, stage: journeyStage, basis: z.enum(['behaviour', 'conversation', 'manual']) }),
  GoalIdentified: z.object({ ...scoring, goal: personal(text.optional()), challengeCode: code, interestedInBuying: yesNoUnknown }),
  BuyingIntentAssessed: z.object({
    ...scoring, level: z.enum(['none', 'low', 'medium', 'high']), channel: code, evidenceEventId: id.optional(),
  }),
  BuyingQuestionsAnswered: z.object({
    ...base, productKnowledge: zeroToThree, ourKnowledgeOfBusiness: zeroToThree, visitFrequencyPer30d: z.int().min(0),
    understandsValue: zeroToThree, hasBudget: yesNoUnknown, wantsProposal: yesNoUnknown,
  }),
  IcpFitAssessed: z.object({
    ...scoring, icpId: id, icpVersion: z.int().min(1), result: criterionResult,
    failures: z.array(z.object({
      criterion: code, required: text, actual: text,
      /** Fails a criterion that the ICP calls hard: the lead may not be qualified (T4). */
      hard: z.boolean(),
    })),
    /** Beside the spec: each criterion by itself, and what it was judged on, so that scoring reads the lead's own stream only. */
    criteria: z.object({
      industry: criterionResult, annualRevenue: criterionResult, employees: criterionResult, region: criterionResult,
    }),
    firmographics: z.object({
      industry: code.optional(), annualRevenue: money.optional(), employees: z.int().optional(), country: z.string().optional(),
    }),
    accountId: id.optional(),
  }),
  LinkedToAccount: z.object({ ...scoring, accountId: id, basis: linkBasis }),
  UnlinkedFromAccount: z.object({ ...scoring, accountId: id, basis: linkBasis }),
  DataQualityChecked: z.object({ ...base, completeness: z.number().min(0).max(1), staleFields: z.array(code), verifiedAt: ts }),

  // Behaviour and contact
  BehaviourRecorded: z.object({
    ...scoring, behaviourId: id, kind: behaviourKind, contentId: id.optional(), topicCode: code.optional(), campaignId: id.optional(),
    url: personal(text.optional()), sessionId: personal(text.optional()), count: z.int().min(1),
  }),
  ConsentGranted: z.object({
    ...scoring, purpose: consent.shape.purpose, basis: code, channel: code.optional(), textVersion: z.string().max(64).optional(),
  }),
  ConsentWithdrawn: z.object({ ...scoring, purpose: consent.shape.purpose, channel: code.optional() }),
  EnrolledInNurture: z.object({
    ...base, trackId: id, trackKind, personaId: id.optional(), segmentId: id.optional(), journeyStage: journeyStage.optional(),
    /** What the nurture is to reach. */
    goal: text, policyWarnings,
  }),
  NurtureExited: z.object({
    ...base, trackId: id, reason: z.enum(['replied', 'qualified', 'completed', 'withdrawn']), policyWarnings,
  }),
  NurtureTouchSent: z.object({
    ...base, trackId: id, step: z.int().min(1), channel: code, contentId: id.optional(), oneToMany: z.boolean(), policyWarnings,
  }),
  ContactSequenceStarted: z.object({
    ...base, sequenceId: code, agreementVersion: z.int(), attemptsPlanned: z.int(), policyWarnings,
  }),
  ContactSequenceExhausted: z.object({ ...base, sequenceId: code, attemptsMade: z.int(), responses: z.int() }),
  ContactAttempted: z.object({
    ...base, attemptId: id, channel: contactChannel, oneToOne: z.boolean(), automated: z.boolean(), qualifies: z.boolean(),
    intent: z.enum(['discover', 'educate', 'pitch', 'follow_up']),
    outcome: z.enum(['no_answer', 'voicemail', 'sent', 'bounced', 'connected', 'wrong_person']),
    sequenceStep: z.int().optional(), durationS: seconds.optional(), note, policyWarnings,
  }),
  LeadResponded: z.object({
    ...scoring, channel: code, inReplyTo: id.optional(), sentiment: z.enum(['positive', 'neutral', 'negative', 'opt_out']), note,
  }),
  BecameProspect: z.object({ ...base, ...transition, evidenceEventId: id, channel: code }),
  MeetingBooked: z.object({ ...base, meetingId: id, kind: z.enum(['discovery', 'demo', 'proposal', 'other']), at: ts }),
  MeetingHeld: z.object({
    ...base, meetingId: id, kind: z.enum(['discovery', 'demo', 'proposal', 'other']).optional(),
    outcome: z.enum(['successful', 'unsuccessful', 'no_show']), note,
  }),
  ContactDeferred: z.object({ ...base, until: ts, requestedBy: z.enum(['lead', 'sales']) }),

  // Scoring and qualification
  /** `occurredAt` is the instant of the evaluation, whichever fact caused it. */
  LeadScored: z.object({
    ...base, modelId: id, modelVersion: z.int(), fit: milliPoints, engagement: milliPoints, penalties: milliPoints, total: milliPoints,
    grade, band: z.enum(['cold', 'warm', 'hot']), cause: z.enum(['event', 'model_activated', 'merge']), causeEventId: id.optional(),
  }),
  PromotedToLead: z.object({ ...base, ...transition, evidenceEventId: id }),
  MarkedMQL: z.object({
    ...base, ...transition, basis: z.literal('marketing'), mode: z.enum(['auto', 'manual']), modelVersion: z.int().optional(),
    total: milliPoints.optional(), grade: grade.optional(),
    topContributions: z.array(contribution).optional(), reason: text.optional(),
  }),
  MarkedPQL: z.object({
    ...base, ...transition, basis: z.literal('product'), trialId: id.optional(), keyActions: z.array(code),
    mode: z.enum(['auto', 'manual']).optional(), modelVersion: z.int().optional(), total: milliPoints.optional(), grade: grade.optional(),
    topContributions: z.array(contribution).optional(), reason: text.optional(),
  }),
  MarkedServiceQualified: z.object({
    ...base, ...transition, basis: z.literal('service'), serviceCaseId: id.optional(), offer: z.enum(['upgrade', 'cross_sell']), note,
    modelVersion: z.int().optional(), total: milliPoints.optional(), grade: grade.optional(),
  }),
  HandedOffToSales: z.object({
    ...base, handoffId: id, teamId: id, ownerId: id.optional(), agreementId: id, agreementVersion: z.int(), summary: text,
  }),
  AcceptedBySales: z.object({ ...base, ...transition, handoffId: id, acceptedBy: id }),
  RejectedBySales: z.object({
    ...base, ...transition, handoffId: id, recycleKind: z.literal('rejected'), reasonCode: code,
    failedCriteria: z.array(code), note, suggestion: text.optional(),
  }),
  QualificationWithdrawn: z.object({
    ...base, ...transition, reason: z.enum(['error', 'score_decay', 'consent', 'manual']), handoffId: id.optional(), note,
  }),
  QualificationAnswered: z.object({ ...scoring, answers: qualificationAnswers, timingHorizonDays: z.int().optional() }),
  MarkedSQL: z.object({
    ...base, ...transition,
    qualification: z.object({
      interest: yesNoUnknown, need: yesNoUnknown, budget: yesNoUnknown, authority: yesNoUnknown, timing: yesNoUnknown,
    }),
    mode: z.enum(['manual', 'auto']),
    modelVersion: z.int().optional(), total: milliPoints.optional(), grade: grade.optional(),
    override: z.object({ by: id, reason: text }).optional(),
    implicitAcceptance: z.boolean(),
    /** The open handoff closed by this skip: accepted implicitly or cancelled (spec T10). */
    handoffId: id.optional(),
  }),

  // Deal
  OpportunityOpened: z.object({
    ...base, ...transition, dealId: id, pipelineId: id, pipelineVersion: z.int(), dealStage: code, amount: money,
    expectedCloseDate: date, productLine: code.optional(), horizon: z.enum(['short', 'long']),
  }),
  DealStageChanged: z.object({
    ...base, dealId: id, from: code, to: code, direction: z.enum(['forward', 'backward']), skipped: z.array(code),
    /** Entry criteria that were said to be met, by field name. */
    criteria: z.array(code).optional(),
    reason: text.optional(),
  }),
  DealAmountChanged: z.object({ ...base, dealId: id, old: money, new: money, reason: text }),
  DealValueVerified: z.object({ ...base, dealId: id, amount: money, verifiedBy: id, evidence: code }),
  DealCloseDateChanged: z.object({ ...base, dealId: id, old: date, new: date, reason: text }),
  DecisionMakerChanged: z.object({
    ...base, dealId: id, previousLeadId: id.optional(), newLeadId: id.optional(), kind: z.enum(['left', 'replaced']),
  }),
  ProposalSent: z.object({
    ...base, dealId: id, proposalId: id, amount: money, challengesAddressed: z.array(code), costIncluded: z.boolean(),
    implementationSteps: z.boolean(), expectedRoi: z.number().optional(), policyWarnings,
  }),
  ObjectionRaised: z.object({ ...base, dealId: id, objectionId: id, code, note }),
  ObjectionResolved: z.object({ ...base, dealId: id, objectionId: id, how: text }),
  OpportunityReturnedToQualification: z.object({ ...base, ...transition, dealId: id, reasonCode: code, fromDealStage: code }),
  OpportunityResumed: z.object({ ...base, ...transition, dealId: id, dealStage: code }),
  PutOnHold: z.object({ ...base, reasonCode: code, until: ts.optional(), note }),
  ResumedFromHold: z.object({ ...base, heldForS: seconds }),
  DealWon: z.object({
    ...base, ...transition, dealId: id,
    /** Null only in imported rows whose source gives no amount. */
    amount: money.nullable(),
    closedAt: ts, fxRateToReporting: z.string(),
  }),
  DealLost: z.object({
    ...base, ...transition, dealId: id, amount: money.nullable(), reasonCode: code, competitor: z.string().max(256).optional(),
    lostFromDealStage: code.optional(), nurtureTouches: z.int(), note,
  }),

  // Leaving and coming back
  RecycledNotReady: z.object({
    ...base, ...transition, reasonCode: code, nurtureTrackId: id, revisitOn: date.optional(), recycleKind: z.literal('not_ready'),
    closedDealId: id.optional(), note,
  }),
  Disqualified: z.object({ ...base, ...transition, reasonCode: code, failedCriteria: z.array(code), note }),
  MarkedJunk: z.object({ ...base, ...transition, reasonCode: code, origin: z.enum(['outbound', 'inbound']) }),
  LeadReopened: z.object({ ...base, ...transition, reasonCode: code, newFactEventId: id.optional() }),
  PostSaleFollowUpLogged: z.object({
    ...base, channel: code, satisfaction: z.int().min(0).max(10).optional(), issue: code.optional(), resolved: z.boolean().optional(), note,
  }),
  CustomerFeedbackRecorded: z.object({
    ...base, about: z.enum(['product', 'service', 'sales_process']), rating: z.int().min(0).max(10), note,
  }),

  // SLA clocks (spec §6)
  SlaClockStarted: z.object({
    ...base, clockId: id, clockType, agreementId: id, agreementVersion: z.int(), calendarId: id, calendarVersion: z.int(),
    startedAt: ts, targetOpenS: seconds, warnOpenS: seconds.optional(), dueAt: ts, warnAt: ts.optional(), stepNo: z.int().optional(),
    ownerId: id.optional(), teamId: id.optional(),
  }),
  SlaWarningRaised: z.object({ ...base, clockId: id, level: z.int(), atTs: ts, remainingOpenS: seconds }),
  SlaBreached: z.object({
    ...base, clockId: id, clockType, dueAt: ts, ownerId: id.optional(), teamId: id.optional(),
    detectedBy: z.enum(['sweeper', 'settle_on_write']), detectionLagS: seconds, nextLevelAt,
  }),
  SlaEscalated: z.object({ ...base, clockId: id, level: z.int(), toRole: code, atTs: ts, nextLevelAt }),
  SlaClockPaused: z.object({
    ...base, clockId: id, reason: code, consumedOpenS: seconds,
    /** The clock resumes by itself then (a deferral's end); absent: only when told. */
    until: ts.optional(),
  }),
  SlaClockResumed: z.object({ ...base, clockId: id, newDueAt: ts, newWarnAt: ts.optional() }),
  SlaClockStopped: z.object({
    ...base, clockId: id, stoppedAt: ts, byEventId: id, outcome: z.enum(['met', 'late', 'evidence_too_late']),
    elapsedOpenS: seconds, elapsedWallS: seconds, overdueWallS: seconds,
  }),
  SlaClockCancelled: z.object({
    ...base, clockId: id,
    reason: z.enum(['recycled', 'disqualified', 'junk', 'lost', 'merged', 'erased', 'withdrawn', 'voided']),
  }),
  SlaBreachRetracted: z.object({
    ...base, clockId: id, evidenceEventId: id, reason: z.enum(['late_evidence', 'voided_transition', 'calendar_correction']),
    approvedBy: id.optional(),
  }),

  /** With what the spec leaves open: the terms it runs under from now on, and since when where that was corrected too. */
  SlaClockRebased: z.object({
    ...base, clockId: id, oldDueAt: ts, newDueAt: ts, newWarnAt: ts.optional(), newStartedAt: ts.optional(),
    targetOpenS: seconds, agreementId: id, agreementVersion: z.int(), calendarId: id, calendarVersion: z.int(), approvedBy: id,
    reason: text.optional(),
  }),
  /** A derived timer, no clock: once per silence, at the instant its limit passed (spec §6.1 stagnation, §7.19). */
  LeadWentStale: z.object({ ...base, state: leadStateName, dealStage: code.optional(), since: ts, limitS: seconds }),

  // Corrections (spec §9.5)
  TransitionVoided: z.object({
    ...base, ...transition, voidedEventId: id, reason: text, approvedBy: id.optional(), restoredState: leadStateName,
    /** The voided transition's own time, so that a reader finds its figures. */
    voidedOccurredAt: ts,
    /** Clocks the voided transition had stopped or cancelled and that run again. */
    reopenedClockIds: z.array(id).optional(),
  }),
  OccurredAtCorrected: z.object({ ...scoring, correctedEventId: id, old: ts, new: ts, reason: text, approvedBy: id }),
} as const; // prettier-ignore

export type LeadEventType = keyof typeof leadEventSchemas;
export type LeadEventData<T extends LeadEventType> = z.infer<(typeof leadEventSchemas)[T]>;
/** An event of a lead as `decide` makes it and `evolve` reads it: in plain text, without envelope. */
export type LeadEvent = {
  [T in LeadEventType]: {
    readonly type: T;
    readonly data: LeadEventData<T>;
    /** The policy of the ledger that did it, `system:scoring` …, where that is not who gave the command; metadata, not payload. */
    readonly by?: string;
  };
}[LeadEventType];
