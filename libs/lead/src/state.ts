import { Behaviours } from '#libs/scoring/src/behaviours.js';
import type { Facts } from '#libs/scoring/src/facts.js';
import { FitMemo } from '#libs/scoring/src/fit-memo.js';
import type { LeadEventData, LeadEventType } from './events.js';
import type { Silence } from './silence.js';
import type { SlaClock } from './sla-clocks.js';
import { CYCLE_ENDING, type LeadStateName } from './states.js';

/** The fold of one lead's stream: what guards and clocks need, nothing for reports. Immutable; times are epoch ms. */

/** When something happened to a lead: by its time, and at the same time by the order of the log. */
export interface Moment {
  readonly atMs: number;
  /** Of the event that records it. */
  readonly revision: number;
}

/** One stay in one state. The visit number is its place in `visits`, from 1. */
export interface Visit {
  readonly state: LeadStateName;
  readonly cycleNo: number;
  /** The transition that opened it. */
  readonly eventId: string;
  readonly revision: number;
  readonly enteredAtMs: number;
  readonly exitedAtMs: number | null;
}

export interface Hold {
  readonly reasonCode: string;
  readonly sinceMs: number;
  readonly untilMs: number | null;
}

export interface Handoff extends Moment {
  readonly handoffId: string;
  readonly teamId: string;
  readonly ownerId: string | null;
}

export type Money = LeadEventData<'DealAmountChanged'>['new'];

export interface Deal {
  readonly dealId: string;
  /** `requalifying`: returned from OPPORTUNITY to SQL (T13). */
  readonly status: 'open' | 'requalifying';
  readonly stage: string;
  readonly amount: Money | null;
  readonly verified: boolean;
  readonly expectedCloseDate: string | null;
  /** When it was last returned to qualification. */
  readonly returned: Moment | null;
  readonly openObjections: ReadonlySet<string>;
  readonly proposals: number;
  /** Challenges that the latest proposal addresses. */
  readonly challengesAddressed: readonly string[];
  /** The latest change of who decides on the customer's side. */
  readonly decisionMaker: DecisionMaker | null;
}

export interface DecisionMaker extends Moment {
  readonly kind: 'left' | 'replaced';
  readonly previousLeadId: string | null;
  readonly newLeadId: string | null;
}

export type IcpFitOfLead = Pick<
  LeadEventData<'IcpFitAssessed'>,
  'icpId' | 'icpVersion' | 'result' | 'failures' | 'criteria' | 'firmographics'
>;
export type BuyingQuestions = Omit<LeadEventData<'BuyingQuestionsAnswered'>, 'leadId' | 'occurredAt'>;
export type JourneyStage = LeadEventData<'JourneyStageObserved'>['stage'];

export const QUALIFICATION_QUESTIONS = ['interest', 'need', 'budget', 'authority', 'timing'] as const;
export type QualificationQuestion = (typeof QUALIFICATION_QUESTIONS)[number];
export interface QualificationAnswer extends Moment {
  readonly value: 'yes' | 'no' | 'unknown';
  /** Names an event of the lead or says in a note why. */
  readonly evidenced: boolean;
}

export interface ContactFact extends Moment {
  readonly eventId: string;
}
export interface Attempt extends ContactFact {
  readonly channel: LeadEventData<'ContactAttempted'>['channel'];
  /** By the contact-attempt definition of the agreement in force then. */
  readonly qualifies: boolean;
  readonly connected: boolean;
}
export interface Meeting {
  readonly meetingId: string;
  readonly kind: NonNullable<LeadEventData<'MeetingHeld'>['kind']>;
  readonly held: (Moment & { readonly successful: boolean }) | null;
}

export interface StartedSequence extends Moment {
  readonly sequenceId: string;
  readonly attemptsPlanned: number;
}
export interface Nurture {
  readonly trackId: string;
  readonly trackKind: LeadEventData<'EnrolledInNurture'>['trackKind'];
  readonly sinceMs: number;
  /** Touches sent on it. */
  readonly touches: number;
}

/** What a void gives back (T23). */
export type BeforeTransition = Pick<
  LeadState,
  | 'state'
  | 'cycleNo'
  | 'onHold'
  | 'openHandoff'
  | 'deal'
  | 'ownerId'
  | 'teamId'
  | 'twoWaySinceMs'
  | 'contactSince'
  | 'lastTransitionAtMs'
>;

/** A transition that still stands, with all before it: the latest can be voided. */
export interface Transition {
  readonly eventId: string;
  readonly type: LeadEventType;
  readonly toState: LeadStateName;
  readonly occurredAt: string;
  readonly before: BeforeTransition;
  readonly ownerId: string | null;
  readonly teamId: string | null;
  /** Every clock started since, by this transition or by what followed in its state. */
  readonly clocksStarted: readonly string[];
  /** Clocks that this transition itself stopped or cancelled. */
  readonly clocksEnded: readonly string[];
  readonly previous: Transition | null;
}

/** Every event, latest first; a list that shares its tail, so that a long stream folds in linear time. */
export interface HistoryEntry {
  readonly eventId: string;
  readonly type: string;
  readonly atMs: number;
  /** behaviourId or attemptId: the same again is no new fact. */
  readonly key: string | null;
  readonly previous: HistoryEntry | null;
}

/** What was recorded of the score last. */
export interface LeadScore {
  readonly modelId: string;
  readonly modelVersion: number;
  /** Milli-points. */
  readonly total: number;
  readonly grade: LeadEventData<'LeadScored'>['grade'];
  readonly band: LeadEventData<'LeadScored'>['band'];
  readonly atMs: number;
}

/** One duplicate that a lead has absorbed and not given back. */
export interface Absorbed extends Pick<
  LeadEventData<'DuplicateAbsorbed'>,
  'behaviours' | 'contact' | 'duplicateLeadId' | 'duplicateRevision' | 'identityKeys' | 'mergeId' | 'touches'
> {
  readonly atMs: number;
  /** When the merge was written down first; the 30 days to take it back run from here. */
  readonly recordedAtMs: number;
  /** The duplicate's capture, or the earlier one of what it had absorbed itself. */
  readonly capturedAtMs: number;
  readonly handRaises: readonly ContactFact[];
  /** Not granted anew since. */
  readonly withdrawnConsents: readonly LeadEventData<'ConsentWithdrawn'>['purpose'][];
}

export interface MergedInto {
  readonly mergeId: string;
  readonly survivorLeadId: string;
  readonly atMs: number;
}

export interface LeadState {
  readonly leadId: string;
  /** Of the last event folded; -1 before the capture. */
  readonly revision: number;
  /** Null before the capture. */
  readonly state: LeadStateName | null;
  readonly cycleNo: number;
  readonly visits: readonly Visit[];
  readonly latestTransition: Transition | null;
  /** No later transition may have happened before it (spec §4.4 OUT_OF_ORDER). */
  readonly lastTransitionAtMs: number;
  readonly leadType: string;
  /** In the buying decision; a title is no proof of it (EP-2). */
  readonly role: LeadEventData<'RoleIdentified'>['role'];
  /** Whether somebody has made sure that this is the person who decides; null: nobody has. */
  readonly contactPerson: { readonly isDecisionMaker: boolean; readonly decisionMakerLeadId: string | null } | null;
  readonly accountId: string | null;
  /** The latest assessment against an ICP; null before the first and after the account is unlinked. */
  readonly icpFit: IcpFitOfLead | null;
  readonly personaId: string | null;
  /** As observed; null: by the state (`journeyStageOf`). */
  readonly journeyStage: JourneyStage | null;
  /** `text` is null once the person is erased. */
  readonly goal: {
    readonly text: string | null;
    readonly challengeCode: string;
    readonly interestedInBuying: 'yes' | 'no' | 'unknown';
  } | null;
  readonly buyingIntent: LeadEventData<'BuyingIntentAssessed'>['level'] | null;
  readonly buyingQuestions: BuyingQuestions | null;
  readonly dataQuality: {
    readonly completeness: number;
    readonly staleFields: readonly string[];
    readonly verifiedAtMs: number;
  } | null;
  readonly ownerId: string | null;
  readonly teamId: string | null;
  /** By field name: personal and company details, for old values and repeat captures. */
  readonly details: Readonly<Record<string, string | number>>;
  /** Since when two-way communication exists: "is a prospect" (spec §3.2). */
  readonly twoWaySinceMs: number | null;
  readonly onHold: Hold | null;
  readonly openHandoff: Handoff | null;
  /** From when on a contact counts for the running first_contact promise: the handoff, or the cycle of a skipped one. */
  readonly contactSince: Moment | null;
  readonly deal: Deal | null;
  readonly qualification: Readonly<Partial<Record<QualificationQuestion, QualificationAnswer>>>;
  readonly attempts: readonly Attempt[];
  /** Replies of the person and meetings held with it. */
  readonly responses: readonly ContactFact[];
  readonly handRaises: readonly ContactFact[];
  readonly meetings: readonly Meeting[];
  /** Started by somebody and not ended by SQL; the agreement's first sequence runs by itself in SAL (spec §6.8). */
  readonly sequence: StartedSequence | null;
  readonly sequenceExhausted: Moment | null;
  /** The track the lead is on now. */
  readonly nurture: Nurture | null;
  /** Of all tracks, ever. */
  readonly nurtureTouches: number;
  /** The track it was last recycled to: where it is to be enrolled. */
  readonly nurtureDestination: string | null;
  /** Since when nothing has happened that keeps it from going stale (`silence.ts`); null: nothing ever did here. */
  readonly silence: Silence | null;
  readonly deferredUntilMs: number | null;
  readonly consents: ReadonlyMap<string, 'granted' | 'withdrawn'>;
  /** In the order of the log, with those of absorbed duplicates: what the score counts. */
  readonly behaviours: Behaviours;
  /** Fit fields that stand nowhere else in the state (`scored-facts.ts`). */
  readonly scoredFields: Facts;
  readonly fitMemo: FitMemo;
  /** Null: never scored, or never anything but U and cold. */
  readonly score: LeadScore | null;
  /** The latest mark that scoring made; decay may take back none but that (T8). */
  readonly autoMarkEventId: string | null;
  readonly clocks: ReadonlyMap<string, SlaClock>;
  /** By the other lead's id: whether the two are held for one person (spec §2.5). */
  readonly duplicates: ReadonlyMap<string, 'suspected' | 'dismissed'>;
  /** Duplicates merged into this lead; `absorption.ts` unites them with its own facts. */
  readonly absorbed: readonly Absorbed[];
  /** In MERGED only. */
  readonly mergedInto: MergedInto | null;
  readonly history: HistoryEntry | null;
}

/** What a fold sees of an event beside its data. `recordedAtMs` is the effective one (test clock). */
export interface LeadEnvelope {
  readonly eventId: string;
  readonly revision: number;
  readonly recordedAtMs: number;
  readonly commandId?: string;
  readonly commandHash?: string;
  readonly actor?: { readonly type: string; readonly id: string; readonly role: string };
  /** Written by an import: nobody here is awaited to act on it (spec §9.3). */
  readonly imported?: boolean;
}

export function initialLead(leadId: string): LeadState {
  return {
    leadId,
    revision: -1,
    state: null,
    cycleNo: 1,
    visits: [],
    latestTransition: null,
    lastTransitionAtMs: Number.NEGATIVE_INFINITY,
    leadType: '',
    role: 'unknown',
    contactPerson: null,
    accountId: null,
    icpFit: null,
    personaId: null,
    journeyStage: null,
    goal: null,
    buyingIntent: null,
    buyingQuestions: null,
    dataQuality: null,
    ownerId: null,
    teamId: null,
    details: {},
    twoWaySinceMs: null,
    onHold: null,
    openHandoff: null,
    contactSince: null,
    deal: null,
    qualification: {},
    attempts: [],
    responses: [],
    handRaises: [],
    meetings: [],
    sequence: null,
    sequenceExhausted: null,
    nurture: null,
    nurtureTouches: 0,
    nurtureDestination: null,
    silence: null,
    deferredUntilMs: null,
    consents: new Map(),
    behaviours: new Behaviours(),
    scoredFields: {},
    fitMemo: new FitMemo(),
    score: null,
    autoMarkEventId: null,
    clocks: new Map(),
    duplicates: new Map(),
    absorbed: [],
    mergedInto: null,
    history: null,
  };
}

/**
 * From when facts belong to the present cycle: since the lead last left the funnel (RECYCLED, LOST, …), since ever in its
 * first cycle. A lead that is out of the funnel already gathers facts for its next cycle.
 */
export function cycleSince({ visits }: LeadState): Moment {
  let start: Moment = { atMs: Number.NEGATIVE_INFINITY, revision: -1 };
  visits.forEach((visit, i) => {
    const before = visits[i - 1]?.state;
    if (CYCLE_ENDING.has(visit.state) && (before === undefined || !CYCLE_ENDING.has(before))) start = entryOf(visit);
  });
  return start;
}

export const entryOf = ({ enteredAtMs, revision }: Visit): Moment => ({ atMs: enteredAtMs, revision });

export const isSince = (fact: Moment, start: Moment): boolean =>
  fact.atMs > start.atMs || (fact.atMs === start.atMs && fact.revision >= start.revision);

export const since = <F extends Moment>(facts: readonly F[], start: Moment): F[] =>
  facts.filter((fact) => isSince(fact, start));

export function findEvent(state: LeadState, eventId: string): HistoryEntry | null {
  for (let entry = state.history; entry !== null; entry = entry.previous) if (entry.eventId === eventId) return entry;
  return null;
}

/** Whether a behaviour or attempt of this id is recorded already. */
export function hasFact(state: LeadState, type: LeadEventType, key: string): boolean {
  for (let entry = state.history; entry !== null; entry = entry.previous)
    if (entry.key === key && entry.type === type) return true;
  return false;
}

export const LEAD_STATUSES = [
  'merged',
  'junk',
  'disqualified',
  'lost',
  'customer',
  'recycled_not_ready',
  'returned_rejected',
  'on_hold',
  'new',
  'attempting',
  'connected',
  'nurturing',
  'open',
] as const;
export type LeadStatus = (typeof LEAD_STATUSES)[number];

/** Working label, derived and never set (spec §3.2). */
export function leadStatus(lead: LeadState): LeadStatus | null {
  switch (lead.state) {
    case null:
      return null;
    case 'MERGED':
    case 'JUNK':
    case 'DISQUALIFIED':
    case 'LOST':
    case 'CUSTOMER':
      return lead.state.toLowerCase() as Lowercase<typeof lead.state>;
    case 'RECYCLED':
      return lead.latestTransition?.type === 'RejectedBySales' ? 'returned_rejected' : 'recycled_not_ready';
    default:
      return workingStatus(lead);
  }
}

function workingStatus(lead: LeadState): LeadStatus {
  if (lead.onHold) return 'on_hold';
  const start = cycleSince(lead);
  const responded = since(lead.responses, start).length > 0;
  if (lead.state === 'SAL' && since(lead.attempts, start).length === 0) return 'new';
  if (lead.state === 'SAL' && !responded) return 'attempting';
  if (responded || (lead.twoWaySinceMs !== null && lead.twoWaySinceMs >= start.atMs)) return 'connected';
  return lead.nurture === null ? 'open' : 'nurturing';
}
