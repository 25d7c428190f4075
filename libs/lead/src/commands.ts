import { z } from 'zod';
import { TRACK_KINDS } from '#libs/policy/src/engagement.js';
import { LeadError, type FieldError } from './errors.js';
import {
  captureMethod,
  code,
  contactChannel,
  date,
  externalId,
  id,
  journeyStage,
  linkBasis,
  location,
  person,
  role,
  sourceChannel,
  text,
  ts,
  yesNoUnknown,
  zeroToThree,
} from './events.js';

/**
 * The commands of a lead: body schemas (spec §4.4), their URL action (contract) and who may give them (spec §3.3, §3.8).
 * Schemas are strict: an unknown field, a wrong type and a lone surrogate are refused with the field's path. What needs the
 * lead or the configuration to judge (reason codes, e-mail shape, amounts) is refused by `decide` with a code of its own.
 */

/** RFC 3339 with any offset and precision; comes out as UTC with milliseconds. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value).toISOString())
  .pipe(ts);
const requiredText = text.min(1);
const otherLead = id.toLowerCase();
const amount = z.strictObject({ amountMinor: z.int(), currency: z.string().max(8) });
const fullAnswer = z.strictObject({ value: yesNoUnknown, evidenceEventId: id.optional(), note: text.optional() });
const answer = z
  .union([yesNoUnknown.transform((value): z.infer<typeof fullAnswer> => ({ value })), fullAnswer])
  .describe('"yes", "no", "unknown", or {value, evidenceEventId?, note?}');
const answers = z.strictObject({
  interest: answer.optional(),
  need: answer.optional(),
  budget: answer.optional(),
  authority: answer.optional(),
  timing: answer.optional(),
});
const newValue = z.union([text, z.int(), z.null()]);
const meetingKind = z.enum(['discovery', 'demo', 'proposal', 'other']);
/** Who overrides is who commands; a name here is for the sender's own reading. */
const override = z.strictObject({ reason: text, by: id.optional() });
const captureSource = z.strictObject({
  channel: sourceChannel.optional(),
  code: code.optional(),
  campaignId: id.optional(),
  formId: id.optional(),
  utm: z.record(z.string().max(64), z.string().max(256)).optional(),
  referrerLeadId: id.optional(),
});

/** Fields of every command beside its own. */
const common = {
  /** When it happened in the business; default: now. */
  occurredAt: instant.optional(),
  /** Revision of the lead's last event that the sender saw; another one is answered CONFLICT. */
  expectedRevision: z.int().min(0).optional(),
  /** The person an ops user acts for. */
  onBehalfOf: id.optional(),
};

function refuseLoneSurrogates(value: unknown, context: z.RefinementCtx, path: (string | number)[] = []): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) context.addIssue({ code: 'custom', path, message: 'lone surrogate' });
  } else if (value !== null && typeof value === 'object') {
    for (const [key, child] of Object.entries(value)) {
      if (!key.isWellFormed()) context.addIssue({ code: 'custom', path, message: 'lone surrogate in a name' });
      refuseLoneSurrogates(child, context, [...path, key]);
    }
  }
}

/** Every command passes here, hardly one is refused: the places are only looked for then. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  return Object.keys(value).every(
    (key) => key.isWellFormed() && isWellFormed((value as Readonly<Record<string, unknown>>)[key]),
  );
}

const body = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject({ ...common, ...shape }).superRefine((value, context) => {
    if (!isWellFormed(value)) refuseLoneSurrogates(value, context);
  });

export const leadCommandSchemas = {
  // Capture and profile
  CaptureLead: body({
    /** Any uuid, whatever version and variant its bits claim. */
    leadId: z.guid().optional(),
    onDuplicate: z.enum(['attach', 'reject']).default('attach'),
    /** Default: subscriber when no interest was shown (`interest.kind` none), else lead. */
    initialStage: z.enum(['subscriber', 'lead']).optional(),
    person: z.strictObject(person.shape).optional(),
    jobTitle: text.optional(),
    role: role.default('unknown'),
    location: z.strictObject({ ...location.shape, country: z.string().max(64).optional() }).optional(),
    timeZone: z.string().max(64).optional(),
    companyName: z.string().max(256).optional(),
    accountId: id.optional(),
    leadType: code.default('new_business'),
    captureMethod: captureMethod.default('api'),
    interest: z
      .strictObject({
        kind: z.enum(['passive', 'active', 'none']),
        request: z.enum(['demo', 'pricing', 'contact', 'other']).optional(),
        productLine: code.optional(),
        message: text.optional(),
      })
      .default({ kind: 'passive' }),
    source: captureSource.optional(),
    consents: z
      .array(
        z.strictObject({
          purpose: code,
          basis: code,
          textVersion: z.string().max(64).optional(),
          at: instant.optional(),
          doubleOptIn: z.boolean().optional(),
        }),
      )
      .max(50)
      .default([]),
    externalIds: z.array(z.strictObject(externalId.shape)).max(20).optional(),
    ownerId: id.optional(),
    teamId: id.optional(),
  }),
  UpdateLeadDetails: body({
    /** New value by field name, or as the event tells it: `[{field, new}]`; null clears the field. */
    changes: z
      .union([
        z.record(code, newValue),
        z
          .array(z.strictObject({ field: code, old: newValue.optional(), new: newValue }))
          .max(100)
          .transform((changes) => Object.fromEntries(changes.map((change) => [change.field, change.new]))),
      ])
      .refine((changes) => Object.keys(changes).length > 0, 'at least one field'),
    kind: z.enum(['enrichment', 'self_service', 'manual', 'correction']).default('manual'),
    provider: code.optional(),
    verified: z.boolean().default(false),
  }),
  IdentifyRole: body({
    role,
    jobTitle: text.optional(),
    provider: code.optional(),
    confidence: z.number().min(0).max(1).default(1),
  }),
  AssignOwner: body({
    ownerId: id,
    teamId: id.optional(),
    reason: z.enum(['routing', 'manual', 'owner_left', 'capacity']).default('manual'),
  }),

  VerifyContactPerson: body({
    isDecisionMaker: z.boolean(),
    /** How it is known, e.g. `asked`, `org_chart`. */
    evidence: code,
    /** Who decides instead, when a lead of ours does. */
    decisionMakerLeadId: id.optional(),
  }),
  AssignPersona: body({
    personaId: id,
    /** Default: the version in force. */
    personaVersion: z.int().min(1).optional(),
    confidence: z.number().min(0).max(1).default(1),
  }),
  ChangeLeadType: body({ to: code, reason: requiredText }),
  LinkAccount: body({ accountId: id, basis: linkBasis.default('manual') }),
  UnlinkAccount: body({ basis: linkBasis.default('manual') }),
  AssessIcpFit: body({
    /** Default: the ICP in force. */
    icpId: id.optional(),
  }),
  IdentifyGoal: body({
    goal: requiredText,
    challengeCode: code,
    interestedInBuying: yesNoUnknown.default('unknown'),
  }),
  AssessIntent: body({
    level: z.enum(['none', 'low', 'medium', 'high']),
    channel: code,
    evidenceEventId: id.optional(),
  }),
  AnswerBuyingQuestions: body({
    productKnowledge: zeroToThree,
    ourKnowledgeOfBusiness: zeroToThree,
    visitFrequencyPer30d: z.int().min(0).max(10_000),
    understandsValue: zeroToThree,
    hasBudget: yesNoUnknown.default('unknown'),
    wantsProposal: yesNoUnknown.default('unknown'),
  }),
  ObserveJourneyStage: body({
    stage: journeyStage,
    basis: z.enum(['behaviour', 'conversation', 'manual']).default('manual'),
  }),
  CheckDataQuality: body({
    /** Fields found to be out of date. */
    staleFields: z.array(code).max(100).default([]),
    /** When the rest was last made sure of; default: when the command happened. */
    verifiedAt: instant.optional(),
  }),

  // Behaviour, consent, contact
  RecordBehaviour: body({
    kind: code,
    /** The same id again changes nothing; default: the command's id. */
    behaviourId: id.optional(),
    contentId: id.optional(),
    topicCode: code.optional(),
    campaignId: id.optional(),
    url: text.optional(),
    sessionId: text.optional(),
    count: z.int().min(1).max(1000).default(1),
  }),
  RecordConsent: body({
    purpose: code,
    basis: code,
    channel: code.optional(),
    textVersion: z.string().max(64).optional(),
  }),
  WithdrawConsent: body({ purpose: code, channel: code.optional() }),
  LogContactAttempt: body({
    channel: contactChannel,
    outcome: z.enum(['no_answer', 'voicemail', 'sent', 'bounced', 'connected', 'wrong_person']),
    /** The same id again changes nothing; default: the command's id. */
    attemptId: id.optional(),
    oneToOne: z.boolean().default(true),
    automated: z.boolean().default(false),
    /** false: no contact in the agreement's sense, whatever its channel; true adds nothing, the agreement decides. */
    qualifies: z.boolean().optional(),
    intent: z.enum(['discover', 'educate', 'pitch', 'follow_up']).default('follow_up'),
    sequenceStep: z.int().min(1).optional(),
    durationS: z.int().min(0).optional(),
    note: text.optional(),
  }),
  LogResponse: body({
    channel: code,
    inReplyTo: id.optional(),
    sentiment: z.enum(['positive', 'neutral', 'negative', 'opt_out']).default('neutral'),
    note: text.optional(),
  }),
  EnrolInNurture: body({
    /** Default: the track that the lead was recycled to. */
    trackId: id.optional(),
    /** Of a track that the pipeline does not list; default by the lead's state. */
    trackKind: z.enum(TRACK_KINDS).optional(),
    personaId: id.optional(),
    segmentId: id.optional(),
    journeyStage: journeyStage.optional(),
    /** What the nurture is to reach; default: the track's name. */
    goal: requiredText.optional(),
  }),
  ExitNurture: body({
    /** Default: the track it is on. */
    trackId: id.optional(),
    /** Default: completed; a lead that was lost or recycled leaves its track for a reason (EP-11). */
    reason: z.enum(['replied', 'qualified', 'completed', 'withdrawn']).optional(),
  }),
  LogNurtureTouch: body({
    /** Default: the track it is on, or was recycled to. */
    trackId: id.optional(),
    /** Default: the one after the last. */
    step: z.int().min(1).max(100_000).optional(),
    channel: code.default('email'),
    contentId: id.optional(),
    /** One message to many people. */
    oneToMany: z.boolean().default(true),
  }),
  StartContactSequence: body({
    /** Default: the first of the agreement. */
    sequenceId: code.optional(),
  }),
  BookMeeting: body({ at: instant, kind: meetingKind.default('discovery'), meetingId: id.optional() }),
  LogMeeting: body({
    outcome: z.enum(['successful', 'unsuccessful', 'no_show']),
    kind: meetingKind.optional(),
    /** Default: the meeting booked last and not yet held. */
    meetingId: id.optional(),
    note: text.optional(),
  }),
  DeferContact: body({ until: instant, requestedBy: z.enum(['lead', 'sales']).default('lead') }),

  // Promotion by a person, where a policy has no occasion any more
  PromoteLead: body({}),
  MarkProspect: body({
    /** By which the person answered. */
    channel: code.default('email'),
  }),

  // Qualification and handoff
  MarkMQL: body({
    reason: text.optional(),
    /** For the handoff that follows when the pipeline hands off at once; default: the pipeline's team. */
    teamId: id.optional(),
    ownerId: id.optional(),
    summary: text.default(''),
  }),
  MarkPQL: body({
    trialId: id.optional(),
    keyActions: z.array(code).max(100).default([]),
    reason: text.optional(),
    teamId: id.optional(),
    ownerId: id.optional(),
    summary: text.default(''),
  }),
  MarkServiceQualified: body({
    serviceCaseId: id.optional(),
    offer: z.enum(['upgrade', 'cross_sell']).default('upgrade'),
    note: text.optional(),
    teamId: id.optional(),
    ownerId: id.optional(),
    summary: text.default(''),
  }),
  HandOffToSales: body({ teamId: id.optional(), ownerId: id.optional(), summary: text.default('') }),
  AcceptLead: body({
    handoffId: id.optional(),
    /** Default: the lead's owner when of the assigned team, else who accepts. */
    ownerId: id.optional(),
  }),
  RejectLead: body({
    reasonCode: code,
    handoffId: id.optional(),
    failedCriteria: z.array(code).max(100).default([]),
    note: text.optional(),
    suggestion: text.optional(),
    // The spec's name; a string, so no one can await it.
    // oxlint-disable-next-line unicorn/no-thenable
    then: z.enum(['disqualify', 'junk']).optional(),
    /** Reason of the `then` step, from its own list; default: the rejection's reason. */
    thenReasonCode: code.optional(),
  }),
  WithdrawQualification: body({
    reason: z.enum(['error', 'score_decay', 'consent', 'manual']).default('manual'),
    note: text.optional(),
  }),
  AnswerQualification: body({ answers, timingHorizonDays: z.int().min(0).max(36_500).optional() }),
  MarkSQL: body({
    /** Recorded before it is judged, together with the answers already given. */
    qualification: answers.optional(),
    timingHorizonDays: z.int().min(0).max(36_500).optional(),
    skipRule: code.optional(),
    override: override.optional(),
  }),

  // Deal
  OpenOpportunity: body({
    amount,
    expectedCloseDate: date,
    /** Default: the pipeline's first. */
    dealStage: code.optional(),
    productLine: code.optional(),
    horizon: z.enum(['short', 'long']).default('short'),
    /** From SAL: the lead becomes SQL in the same step. */
    qualification: answers.optional(),
    timingHorizonDays: z.int().min(0).max(36_500).optional(),
    override: override.optional(),
  }),
  ChangeDealStage: body({
    to: code,
    dealId: id.optional(),
    /** Entry criteria of the stage that are met, by field name. */
    fields: z.record(code, z.union([text, z.number(), z.boolean()])).optional(),
    reason: text.optional(),
  }),
  ChangeDealAmount: body({ amount, reason: requiredText, dealId: id.optional() }),
  VerifyDealValue: body({
    evidence: code,
    amount: amount.optional(),
    verifiedBy: id.optional(),
    dealId: id.optional(),
  }),
  ChangeCloseDate: body({ expectedCloseDate: date, reason: requiredText, dealId: id.optional() }),
  SendProposal: body({
    dealId: id.optional(),
    proposalId: id.optional(),
    /** Default: the deal's amount. */
    amount: amount.optional(),
    challengesAddressed: z.array(code).max(100).default([]),
    costIncluded: z.boolean().default(false),
    implementationSteps: z.boolean().default(false),
    expectedRoi: z.number().optional(),
  }),
  ChangeDecisionMaker: body({
    kind: z.enum(['left', 'replaced']),
    dealId: id.optional(),
    previousLeadId: id.optional(),
    newLeadId: id.optional(),
  }),
  RaiseObjection: body({ code, note: text.optional(), dealId: id.optional(), objectionId: id.optional() }),
  ResolveObjection: body({ objectionId: id, how: requiredText, dealId: id.optional() }),
  ReturnToQualification: body({ reasonCode: code, dealId: id.optional() }),
  ResumeOpportunity: body({
    /** Default: the stage the deal was returned from. */
    dealStage: code.optional(),
    dealId: id.optional(),
  }),
  PutOnHold: body({ reasonCode: code, until: instant.optional(), note: text.optional() }),
  ResumeFromHold: body({}),
  WinDeal: body({
    /** Default: the deal's amount, if verified. */
    amount: amount.optional(),
    dealId: id.optional(),
    /** The same as `occurredAt`: a deal is closed when it is won. */
    closedAt: instant.optional(),
    fxRateToReporting: z
      .union([z.string(), z.number().transform(String)])
      .pipe(z.string().regex(/^\d{1,9}(\.\d{1,12})?$/))
      .default('1'),
  }),
  LoseDeal: body({
    reasonCode: code.optional(),
    dealId: id.optional(),
    competitor: z.string().max(256).optional(),
    note: text.optional(),
  }),

  // Leaving, coming back, after the sale
  RecycleLead: body({
    reasonCode: code,
    nurtureTrackId: id.optional(),
    revisitOn: date.optional(),
    note: text.optional(),
    override: override.optional(),
  }),
  DisqualifyLead: body({ reasonCode: code, failedCriteria: z.array(code).max(100).default([]), note: text.optional() }),
  MarkJunk: body({ reasonCode: code, origin: z.enum(['outbound', 'inbound']).default('inbound') }),
  ReopenLead: body({ reasonCode: code, newFactEventId: id.optional() }),
  LogPostSaleFollowUp: body({
    channel: code,
    satisfaction: z.int().min(0).max(10).optional(),
    issue: code.optional(),
    resolved: z.boolean().optional(),
    note: text.optional(),
  }),
  RecordFeedback: body({
    about: z.enum(['product', 'service', 'sales_process']),
    rating: z.int().min(0).max(10),
    note: text.optional(),
  }),

  // Corrections and clocks
  VoidTransition: body({ eventId: id, reason: requiredText, approvedBy: id.optional() }),
  CorrectOccurredAt: body({ eventId: id, new: instant, reason: requiredText, approvedBy: id }),
  RetractBreach: body({
    clockId: id,
    /** Default: the fact that stopped the clock too late. */
    evidenceEventId: id.optional(),
    reason: z.enum(['late_evidence', 'calendar_correction']).default('late_evidence'),
    approvedBy: id,
  }),
  RebaseClock: body({ clockId: id, reason: requiredText, approvedBy: id }),
  SuspectDuplicate: body({
    candidateLeadId: id,
    score: z.number().min(0).max(1).default(1),
    basis: z.array(code).min(1),
  }),

  // Merge: given to the survivor; the last two are its echo on the duplicate
  MergeLeads: body({
    duplicateLeadId: otherLead,
    /** The lead in the path, if named at all. */
    survivorLeadId: otherLead.optional(),
  }),
  UnmergeLeads: body({
    /** May be left out while one lead only is merged into this one. */
    duplicateLeadId: otherLead.optional(),
    mergeId: id.optional(),
    survivorLeadId: otherLead.optional(),
    reason: text.optional(),
  }),
  DismissDuplicate: body({ candidateLeadId: otherLead, survivorLeadId: otherLead.optional() }),
  CompleteMerge: body({ mergeId: id, survivorLeadId: id }),
  RevertMerge: body({ mergeId: id, reason: text.optional() }),
  /** After another model came into force: the score under it, and what follows (spec §5.4). */
  RescoreLead: body({}),
  SettleClocks: body({}),
} as const;

export type CommandName = keyof typeof leadCommandSchemas;
export type CommandBody<N extends CommandName> = z.output<(typeof leadCommandSchemas)[N]>;
export type LeadCommand = {
  [N in CommandName]: { readonly name: N; readonly leadId: string; readonly body: CommandBody<N> };
}[CommandName];
export const isCommandName = (name: string): name is CommandName => Object.hasOwn(leadCommandSchemas, name);

export const ROLES = [
  'marketing',
  'sdr',
  'sales',
  'sales_manager',
  'ops',
  'analyst',
  'dpo',
  'integration',
  'admin',
] as const;
export type Role = (typeof ROLES)[number];

/** Who gives a command. `system` is the ledger itself (sweeper, policies); admin is in every team and may do everything. */
export interface Actor {
  readonly type: 'user' | 'system' | 'integration';
  readonly id: string;
  readonly role: Role | 'system';
  readonly teams: readonly string[];
  readonly onBehalfOf?: string;
}

export interface CommandAction {
  /** Last part of `POST /v1/leads/{leadId}/<action>`; null for CaptureLead (`POST /v1/leads`) and what only the system gives. */
  readonly action: string | null;
  /** Besides admin and system. Some commands ask more of the role by the lead's state (see `decide`). */
  readonly roles: readonly Role[];
  /** After a lost race it may simply be decided anew (spec §2.7); a decision is answered CONFLICT instead. */
  readonly commutes: boolean;
  readonly systemOnly?: true;
}

const facts: readonly Role[] = ['marketing', 'sdr', 'sales', 'sales_manager', 'ops', 'integration'];
const sellers: readonly Role[] = ['sales', 'sales_manager'];
const workers: readonly Role[] = ['sdr', ...sellers];
const fact = (action: string): CommandAction => ({ action, roles: facts, commutes: true });
const decision = (action: string, roles: readonly Role[]): CommandAction => ({ action, roles, commutes: false });

export const commandActions: Readonly<Record<CommandName, CommandAction>> = {
  CaptureLead: { action: null, roles: ['marketing', 'sdr', 'ops', 'integration'], commutes: true },
  UpdateLeadDetails: decision('update-lead-details', facts),
  IdentifyRole: decision('identify-role', facts),
  AssignOwner: decision('assign-owner', facts),
  VerifyContactPerson: fact('verify-contact-person'),
  AssignPersona: decision('assign-persona', facts),
  ChangeLeadType: decision('change-lead-type', ['marketing', 'sdr', 'sales', 'sales_manager', 'ops']),
  LinkAccount: decision('link-account', facts),
  UnlinkAccount: decision('unlink-account', facts),
  AssessIcpFit: fact('assess-icp-fit'),
  IdentifyGoal: fact('identify-goal'),
  AssessIntent: fact('assess-intent'),
  AnswerBuyingQuestions: fact('answer-buying-questions'),
  ObserveJourneyStage: fact('observe-journey-stage'),
  CheckDataQuality: fact('check-data-quality'),
  RecordBehaviour: fact('behaviours'),
  RecordConsent: { action: 'record-consent', roles: [...facts, 'dpo'], commutes: true },
  WithdrawConsent: { action: 'withdraw-consent', roles: [...facts, 'dpo'], commutes: true },
  LogContactAttempt: fact('contact-attempts'),
  LogResponse: fact('responses'),
  EnrolInNurture: decision('enrol-in-nurture', facts),
  ExitNurture: decision('exit-nurture', facts),
  LogNurtureTouch: fact('log-nurture-touch'),
  StartContactSequence: decision('start-contact-sequence', facts),
  BookMeeting: fact('book-meeting'),
  LogMeeting: fact('log-meeting'),
  DeferContact: fact('defer-contact'),
  PromoteLead: decision('promote', ['marketing']),
  MarkProspect: decision('mark-prospect', workers),
  MarkMQL: decision('mark-mql', ['marketing']),
  MarkPQL: decision('mark-pql', ['marketing']),
  MarkServiceQualified: decision('mark-service-qualified', ['marketing', 'sdr']),
  HandOffToSales: decision('hand-off', ['marketing']),
  // Ops only on behalf of a person of sales (spec §3.8).
  AcceptLead: decision('accept', [...workers, 'ops']),
  RejectLead: decision('reject', [...workers, 'ops']),
  WithdrawQualification: decision('withdraw-qualification', ['marketing', 'ops']),
  AnswerQualification: decision('answer-qualification', workers),
  MarkSQL: decision('mark-sql', sellers),
  OpenOpportunity: decision('open-opportunity', sellers),
  ChangeDealStage: decision('change-deal-stage', sellers),
  ChangeDealAmount: decision('change-deal-amount', sellers),
  VerifyDealValue: decision('verify-deal-value', sellers),
  ChangeCloseDate: decision('change-close-date', sellers),
  SendProposal: decision('send-proposal', sellers),
  ChangeDecisionMaker: decision('change-decision-maker', [...sellers, 'ops']),
  RaiseObjection: decision('raise-objection', sellers),
  ResolveObjection: decision('resolve-objection', sellers),
  ReturnToQualification: decision('return-to-qualification', [...sellers, 'ops']),
  ResumeOpportunity: decision('resume-opportunity', sellers),
  PutOnHold: decision('hold', [...sellers, 'ops']),
  ResumeFromHold: decision('resume', [...sellers, 'ops']),
  WinDeal: decision('win', sellers),
  LoseDeal: decision('lose', sellers),
  // Marketing and ops only from LOST.
  RecycleLead: decision('recycle', [...workers, 'marketing', 'ops']),
  DisqualifyLead: decision('disqualify', ['marketing', 'sdr', 'sales', 'ops']),
  MarkJunk: decision('mark-junk', ['marketing', 'sdr', 'ops']),
  ReopenLead: decision('reopen', ['marketing', 'sales_manager', 'ops']),
  LogPostSaleFollowUp: fact('log-post-sale-follow-up'),
  RecordFeedback: fact('record-feedback'),
  VoidTransition: decision('void-transition', ['ops']),
  CorrectOccurredAt: decision('correct-occurred-at', ['ops']),
  // A manager only within the grace of late evidence (spec §4.4).
  RetractBreach: decision('retract-breach', ['ops', 'sales_manager']),
  RebaseClock: decision('rebase-clock', ['ops']),
  MergeLeads: decision('merge', ['ops']),
  UnmergeLeads: decision('unmerge', ['ops']),
  DismissDuplicate: { action: 'dismiss-duplicate', roles: ['ops'], commutes: true },
  CompleteMerge: { action: null, roles: [], commutes: false, systemOnly: true },
  RevertMerge: { action: null, roles: [], commutes: true, systemOnly: true },
  SuspectDuplicate: { action: null, roles: [], commutes: true, systemOnly: true },
  RescoreLead: { action: null, roles: [], commutes: true, systemOnly: true },
  SettleClocks: { action: null, roles: [], commutes: true, systemOnly: true },
};

/** What the spec calls a field of these commands in its events or in its list of commands (§4.2, §4.4) → our name. */
const OTHER_NAMES: Readonly<Partial<Record<CommandName, Readonly<Record<string, string>>>>> = {
  ChangeDealStage: { dealStage: 'to' },
  ChangeDealAmount: { new: 'amount' },
  ChangeCloseDate: { new: 'expectedCloseDate' },
  VoidTransition: { approver: 'approvedBy', voidedEventId: 'eventId' },
  // Its own time is of no use to a correction: the time beside the event is the corrected one.
  CorrectOccurredAt: { approver: 'approvedBy', correctedEventId: 'eventId', occurredAt: 'new' },
  RetractBreach: { approver: 'approvedBy' },
  RebaseClock: { approver: 'approvedBy' },
};
/** What a command says by its name already. */
const IMPLIED: Readonly<Partial<Record<CommandName, Readonly<Record<string, string>>>>> = {
  MarkMQL: { basis: 'marketing', mode: 'manual' },
  MarkPQL: { basis: 'product' },
  MarkServiceQualified: { basis: 'service' },
};

/** The body under our names, without what its name and its path say already. What contradicts stays, to be refused. */
function underOurNames(name: CommandName, leadId: string, body: unknown): unknown {
  const otherNames = Object.entries(OTHER_NAMES[name] ?? {});
  const implied: Record<string, string> = { ...IMPLIED[name], ...(name === 'CaptureLead' ? {} : { leadId }) };
  if (typeof body !== 'object' || body === null) return body;
  if (!Object.keys(body).some((key) => Object.hasOwn(implied, key)) && otherNames.length === 0) return body;
  const fields: Record<string, unknown> = { ...body };
  for (const [key, value] of Object.entries(implied)) {
    const said = fields[key];
    if (typeof said === 'string' && said.toLowerCase() === value) delete fields[key];
  }
  for (const [theirs, ours] of otherNames) {
    if (fields[theirs] === undefined || fields[ours] !== undefined) continue;
    fields[ours] = fields[theirs];
    delete fields[theirs];
  }
  return fields;
}

/**
 * Body as it came → command, defaults filled and times in UTC.
 * @throws LeadError VALIDATION_FAILED with `fields[]` naming each wrong field
 */
export function parseLeadCommand(name: CommandName, leadId: string, body: unknown): LeadCommand {
  const parsed = leadCommandSchemas[name].safeParse(underOurNames(name, leadId, body));
  if (parsed.success) return { name, leadId, body: parsed.data } as LeadCommand;
  const fields = parsed.error.issues.flatMap(fieldErrors);
  throw new LeadError('VALIDATION_FAILED', `${name}: ${fields.map((f) => `${f.field} ${f.rule}`).join('; ')}`, {
    fields,
  });
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: [...path, key].join('.'), rule: 'unknown field' }));
  }
  const isMissing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return [{ field: path.join('.'), rule: isMissing ? 'is missing' : issue.message }];
}

/** Spec §3.8. @throws LeadError FORBIDDEN_ROLE{required[]} */
export function requireRole(name: CommandName, actor: Actor): void {
  const { roles, systemOnly } = commandActions[name];
  if (actor.role === 'system' || actor.role === 'admin') return;
  if (systemOnly !== true && roles.includes(actor.role)) return;
  throw new LeadError('FORBIDDEN_ROLE', `${name} is not for role ${actor.role}`, { required: roles });
}
