import { z } from 'zod';
import { contactCap, engagementPolicies, nurtureTrack } from './engagement.js';
import { code, id, money, text, ts, version } from './fields.js';
import { personaDocument } from './persona.js';
import { routingDocument } from './routing.js';
import { benchmarkDocument, targetDocument } from './target.js';

/**
 * Configuration documents and the events that carry them (spec §2.4, §3.6, §4.3, §6.1). Versions are integers ≥ 1,
 * immutable once activated; the version in force at t is the one with the greatest `effectiveFrom` ≤ t.
 */

const days = z.number().positive().max(3650);
const share = z.number().min(0).max(1);
/** At most ten years: a target beyond that is a typing error, and the year tables are built up to the due instant. */
const openSeconds = z.int().min(0).max(315_360_000);

/** Local wall time `HH:mm`, 00:00–23:59. */
const wallTime = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/);
/** As `wallTime`, and `24:00` for the end of the day. */
const wallTimeEnd = z.string().regex(/^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/);

export const dayInterval = z.strictObject({ from: wallTime, to: wallTimeEnd });
export const weeklyInterval = z.strictObject({
  /** ISO: 1 = Monday … 7 = Sunday. */
  weekday: z.int().min(1).max(7),
  from: wallTime,
  to: wallTimeEnd,
});
export const calendarDocument = z.strictObject({
  /** IANA name. */
  timeZone: z.string().min(1).max(64),
  weekly: z.array(weeklyInterval).max(700),
  /** Local dates, closed all day. */
  holidays: z.array(z.iso.date()).max(5000).default([]),
  /** Dated hours that replace that day's, a holiday's too; no intervals = closed. */
  exceptions: z
    .array(z.strictObject({ date: z.iso.date(), intervals: z.array(dayInterval).max(100) }))
    .max(5000)
    .default([]),
});
export type CalendarDocument = z.infer<typeof calendarDocument>;
export type DayInterval = z.infer<typeof dayInterval>;

export const CLOCK_TYPES = [
  'handoff_response',
  'first_contact',
  'contact_cadence',
  'recycle_reengagement',
  'post_sale_followup',
] as const;
export const contactOutcome = z.enum(['no_answer', 'voicemail', 'sent', 'bounced', 'connected', 'wrong_person']);
const contactChannel = z.enum(['phone', 'email', 'message', 'social', 'meeting', 'post']);

export const clockEscalation = z.strictObject({
  /** 3 and above: 1 is the warning, 2 the breach (spec §6.5). */
  level: z.int().min(3).max(9),
  /** Open seconds after dueAt, in the clock's own calendar. */
  afterDueOpenS: openSeconds,
  toRole: code,
  /** Told beside `toRole`. */
  alsoTo: z.array(code).optional(),
});
export const clockRule = z.strictObject({
  clockType: z.enum(CLOCK_TYPES),
  targetOpenS: openSeconds.min(1),
  /** Level 1 after this much open time; before the target. */
  warnOpenS: openSeconds.optional(),
  calendarId: id,
  /** A hold or a deferral asked for by the lead pauses it (spec §6.4). */
  pausable: z.boolean(),
  escalations: z.array(clockEscalation).default([]),
});
export type ClockRule = z.infer<typeof clockRule>;

/** Which attempts count as contact (spec §6.8). */
export const contactAttemptDefinition = z.strictObject({
  channels: z.array(contactChannel).min(1),
  /** true: an attempt must be one-to-one to qualify. */
  oneToOne: z.boolean(),
  /** Whether automated attempts may qualify. */
  automated: z.boolean(),
  excludedOutcomes: z.array(contactOutcome),
});

export const contactSequence = z.strictObject({
  sequenceId: code,
  attempts: z.int().min(1).max(100),
  overWorkingDays: z.int().min(1).max(365),
  minByChannel: z.partialRecord(contactChannel, z.int().min(0)),
  maxGapOpenS: openSeconds,
});

export const agreementDocument = z.strictObject({
  definitions: z.array(z.strictObject({ term: z.string().min(1).max(128), text, criteria: text.optional() })),
  goals: z.array(z.strictObject({ metric: code, target: z.number() })),
  protocols: z.array(text).default([]),
  otherSections: z.array(z.strictObject({ title: z.string().max(256), text })).default([]),
  clocks: z.array(clockRule).min(1),
  contactAttemptDefinition,
  sequences: z.array(contactSequence).default([]),
  /** Elapsed (not open) seconds after dueAt in which evidence of a timely act still clears a breach (spec §6.7). */
  lateEvidenceGraceS: z.int().min(0).max(31_536_000),
  acceptanceTarget: share,
});
export type AgreementDocument = z.infer<typeof agreementDocument>;

export const dealStage = z.strictObject({
  code,
  order: z.int().min(1),
  journeyStage: z.enum(['awareness', 'consideration', 'decision']),
  winProbability: share,
  typicalDays: days.optional(),
  staleDays: days.optional(),
  /** Facts that must be filled before a deal may enter (`STAGE_CRITERIA_MISSING`). */
  requiredFields: z.array(code).default([]),
  /** The same for people; not enforced. */
  entryCriteria: text.optional(),
});
export type DealStage = z.infer<typeof dealStage>;

export const REASON_KINDS = ['reject', 'recycle', 'loss', 'disqualify', 'junk', 'return', 'hold'] as const;
export type ReasonKind = (typeof REASON_KINDS)[number];
export const reasonCode = z.strictObject({ code, needsNote: z.boolean().default(false) });
export const skipRule = z.enum(['inbound_hand_raise', 'auto_sql_score']);

export const pipelineDocument = z.strictObject({
  /** Lead types this pipeline serves; the pipeline `default` serves every type no other one names (spec §3.6). */
  leadTypes: z.array(code).default([]),
  autoHandoff: z.boolean(),
  requireSAL: z.boolean(),
  skipRules: z.array(skipRule),
  opportunityRule: z.enum(['deal_opened', 'discovery_success']),
  autoSql: z.boolean(),
  /** T8 by P:decay: takes a mark of the score back, before acceptance, once the total lies so many points below the threshold. */
  decayWithdrawal: z
    .strictObject({ enabled: z.boolean(), hysteresis: z.number().min(0).max(1000) })
    .default({ enabled: false, hysteresis: 20 }),
  recycleCooldownDays: z.number().min(0).max(3650),
  /** The stage whose first entries the velocity rate counts. */
  qualifiedStage: z.enum(['MQL', 'SAL', 'SQL']),
  /** What stops first_contact: any qualifying attempt, or only one that connected. */
  firstContactStop: z.enum(['attempt', 'connected']),
  /** Team of a handoff that names none. */
  defaultTeamId: id,
  allowForwardStageSkip: z.boolean(),
  maxHoldDays: days,
  handRaiseDays: days,
  /** Open stages in order; won and lost are not stages here but ends. */
  dealStages: z.array(dealStage).min(1),
  reasonCodes: z.strictObject({
    reject: z.array(reasonCode).min(1),
    recycle: z.array(reasonCode).min(1),
    loss: z.array(reasonCode).min(1),
    disqualify: z.array(reasonCode).min(1),
    junk: z.array(reasonCode).min(1),
    return: z.array(reasonCode).min(1),
    hold: z.array(reasonCode).min(1),
  }),
  /** State → days without qualifying activity after which a lead is stale. */
  staleDays: z.record(code, days),
  /** What failing a hard criterion of the ICP does to a lead below OPPORTUNITY: nothing at once, or T18 by P:icp. */
  icpFailure: z.enum(['keep', 'disqualify']).default('keep'),
  /** The decision maker of an open deal left (EP-12): a fact for people to act on, or T13 at once. */
  decisionMakerLeft: z.enum(['propose', 'return']).default('propose'),
  /** Spec §3.9. */
  engagementPolicies: engagementPolicies.default({}),
  contactCap: contactCap.default({ attempts: 3, days: 7, attemptsPerCycle: 8 }),
  /** None: any track is taken as it is named; with one here, any other is UNKNOWN_TRACK. */
  tracks: z.array(nurtureTrack).max(500).default([]),
});
export type PipelineDocument = z.infer<typeof pipelineDocument>;

export const teamDocument = z.strictObject({
  name: z.string().min(1).max(256),
  function: z.enum(['marketing', 'sdr', 'sales', 'service']),
  agreementId: id,
  calendarId: id,
  timeZone: z.string().min(1).max(64),
  /** Where this team's hours differ from the calendar its agreement names (spec §6.2). */
  clockCalendars: z.partialRecord(z.enum(CLOCK_TYPES), id).optional(),
});
export type TeamDocument = z.infer<typeof teamDocument>;

export const ICP_CRITERIA = ['industry', 'annualRevenue', 'employees', 'region'] as const;
export type IcpCriterion = (typeof ICP_CRITERIA)[number];
/** Which companies fit (spec §1 ICP, §4.3). A criterion that is left out or empty is not asked. */
export const icpDocument = z.strictObject({
  /** Codes as the accounts carry them. */
  industries: z.array(code).max(500).default([]),
  minAnnualRevenue: money.optional(),
  employees: z.strictObject({ min: z.int().min(0).optional(), max: z.int().min(0).optional() }).optional(),
  /** Countries (ISO 3166) or regions as the accounts carry them. */
  regions: z.array(z.string().min(1).max(128)).max(500).default([]),
  profitGoal: text.optional(),
  /** Failing one of these keeps a lead from being qualified (T4 `ICP_THRESHOLD_FAILED`); the others only lower its fit. */
  hardCriteria: z.array(z.enum(ICP_CRITERIA)).default([]),
});
export type IcpDocument = z.infer<typeof icpDocument>;

// Stored events drop unknown fields of the document itself: an older reader survives a later one (spec §4.6).
const occurred = z.object({ occurredAt: ts });
const activated = occurred.extend({ version, effectiveFrom: ts });
const approved = occurred.extend({ version, party: z.enum(['marketing', 'sales']), by: id });
/** Without a version: whatever was in force then. A version that was yet to come never does. */
const retired = occurred.extend({ version: version.optional() });

export const configEventSchemas = {
  CalendarDefined: occurred.extend({ version, ...calendarDocument.shape }),
  CalendarActivated: activated,
  CalendarRetired: retired,
  AgreementDrafted: occurred.extend({ version, ...agreementDocument.shape }),
  AgreementApproved: approved,
  AgreementActivated: activated,
  AgreementRetired: retired,
  // The document belongs to libs/scoring, which reads it; here only its versions count.
  ScoringModelDrafted: z.looseObject({ occurredAt: ts, version }),
  ScoringModelValidated: z.object({
    occurredAt: ts,
    version,
    whatIfId: id,
    summary: z.record(z.string(), z.unknown()).optional(),
  }),
  ScoringModelApproved: approved,
  ScoringModelActivated: activated.extend({ rescoreExisting: z.boolean().default(false) }),
  ScoringModelRetired: retired,
  PipelineDefined: occurred.extend({ version, ...pipelineDocument.shape }),
  PipelineActivated: activated.extend({ stageMapping: z.record(code, code).optional() }),
  PipelineRetired: retired,
  IcpDrafted: occurred.extend({ version, ...icpDocument.shape }),
  IcpApproved: approved,
  IcpActivated: activated,
  IcpRetired: retired,
  PersonaDrafted: occurred.extend({ version, ...personaDocument.shape }),
  PersonaApproved: approved,
  PersonaActivated: activated,
  PersonaRetired: retired,
  TeamDefined: occurred.extend(teamDocument.shape),
  RepJoined: occurred.extend({
    repId: id,
    teamId: id,
    weeklyLeadCapacity: z.int().min(0).optional(),
    skills: z.array(code).default([]),
  }),
  RepCapacityChanged: occurred.extend({
    repId: id,
    weeklyLeadCapacity: z.int().min(0),
    /** Out of office and the like: from then on the capacity is what it was before. */
    until: ts.optional(),
  }),
  RepTrained: occurred.extend({ repId: id, topic: code }),
  RepLeft: occurred.extend({ repId: id, successorId: id.optional() }),
  RoutingRuleSet: occurred.extend(routingDocument.shape),
  RevenueTargetSet: occurred.extend({ ...targetDocument.shape, by: id }),
  RevenueTargetChanged: occurred.extend({
    ...targetDocument.omit({ amount: true }).shape,
    old: money,
    new: money,
    reason: text,
    by: id,
  }),
  BenchmarkSet: occurred.extend({ ...benchmarkDocument.shape, by: id }),
} as const;
export type ConfigEventType = keyof typeof configEventSchemas;
export type ConfigEventData<T extends ConfigEventType> = z.infer<(typeof configEventSchemas)[T]>;
export type ConfigEvent = {
  [T in ConfigEventType]: { readonly type: T; readonly data: ConfigEventData<T> };
}[ConfigEventType];
export const isConfigEventType = (type: string): type is ConfigEventType => Object.hasOwn(configEventSchemas, type);

/** A document as the rules read it: with its name and version. */
export type Agreement = Readonly<AgreementDocument> & { readonly agreementId: string; readonly version: number };
export type Pipeline = Readonly<PipelineDocument> & { readonly pipelineId: string; readonly version: number };
export type Team = Readonly<TeamDocument> & { readonly teamId: string };
export type Icp = Readonly<IcpDocument> & { readonly icpId: string; readonly version: number };
