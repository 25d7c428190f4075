import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import type { ClockType, LeadEventData, LeadEventType } from '#libs/lead/src/events.js';
import type { Silence } from '#libs/lead/src/silence.js';
import { LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import { emptyProfile, evolveProfile, type LeadProfile, loadProfile, packProfile } from './lead-profile.js';
import {
  type Activities,
  actKind,
  loadActivities,
  noActivities,
  packActivities,
  recordAct,
  retimeAct,
} from './activity.js';
import { type CallBack, callBackAfter, loadCallBack, packCallBack, type PackedCallBack } from './call-back.js';
import {
  type ContactTimes,
  hasContacts,
  loadContacts,
  noContacts,
  packContacts,
  recordContact,
  retimeContact,
} from './contact-times.js';
import {
  type DealHistory,
  emptyHistory,
  eventTag,
  lastOf,
  loadHistory,
  openedHistory,
  packHistory,
  ppmOf,
  recordChange,
  resumedIn,
  retime,
  voidVisit,
} from './deal-history.js';

import {
  enteredMsOf,
  firstEnteredMs,
  hasMerges,
  loadMerges,
  MERGE_TYPES,
  type Merges,
  noMerges,
  packMerges,
  recordMerge,
} from './merges.js';
import { type LeadNote, loadNotes, packNotes, recordNote, STANDING_TYPES } from './lead-notes.js';
import { loadSilence, packSilence, silenceAfter } from './silence-row.js';

/**
 * What the reports know about one lead: its standing visits, handoffs, clocks and deals, folded from the open fields of
 * its stream. Visits are contiguous: one ends where the next begins, the last is still open. Whatever a voided
 * transition brought about is found by the number of its visit and taken back with it (spec T23).
 */
export interface LeadRow {
  readonly leadId: string;
  /** Of the last event; -1 before the first. */
  revision: number;
  source: string | null;
  channel: string | null;
  campaign: string | null;
  leadType: string | null;
  country: string | null;
  captureMethod: string | null;
  team: string | null;
  owner: string | null;
  profile: LeadProfile;
  /** Interactions that happened before the capture did: a page view before the form, say (7.8 `interaction`). */
  early: [eventId: string, atMs: number][];
  /** Earliest other interaction; matters once the capture's own time is corrected to a later one. */
  firstInteractionMs: number | null;
  lastActivityMs: number;
  /** Latest instant at which a transition happened or was voided or corrected; orders the lead list and its partition. */
  lastChangeMs: number;
  attempts: number;
  /** Replies of the person and meetings held with it. */
  responses: number;
  twoWaySinceMs: number | null;
  actors: ActorTuple[];
  visits: Visit[];
  voided: VoidedVisit[];
  holds: Hold[];
  handoffs: Handoff[];
  clocks: Clock[];
  deals: Deal[];
  activities: Activities;
  contacts: ContactTimes;
  notes: LeadNote[];
  /** As the lead itself has it: when LeadWentStale falls due. */
  silence: Silence | null;
  callBack: CallBack | null;
  merges: Merges;
  /** Derived and never packed: facts and their shared text, dropped by whatever event changes them. */
  memo: { dims?: string; standing?: Map<number | null, string>; facts?: readonly unknown[] };
}

/** type, id, role, onBehalfOf, source system. */
export type ActorTuple = [type: string, id: string, role: string, onBehalfOf: string | null, system: string];

export interface Visit {
  state: LeadStateName;
  cycle: number;
  enteredMs: number;
  /** The transition that opened the visit. */
  type: TransitionType;
  eventId: string;
  recordedMs: number;
  /** Index into `LeadRow.actors`. */
  actor: number;
  /** Version of the pipeline it was decided under; 0: not told. */
  pipeline: number;
  more: VisitDetails | null;
}

/** What only some transitions record (spec §3.5). */
export interface VisitDetails {
  reason?: string;
  auto?: true;
  skipped?: readonly LeadStateName[];
  skipRule?: string;
  override?: { by: string; reason: string };
  /** The time an import claimed, when it was clamped. */
  claimedMs?: number;
  /** The time before its latest correction. */
  correctedFromMs?: number;
  correctionReason?: string;
  /** Of a lost deal, as its closing recorded them; none is left out. */
  nurtureTouches?: number;
  /** The surviving lead of a merge. */
  mergedInto?: string;
  /** When a recycled lead is to be looked at again: the beginning of that day, UTC. */
  revisitMs?: number;
  /** Owner and team before and after, once they change: what a void gives back. */
  ownership?: [Ownership, Ownership];
}
type Ownership = [owner: string | null, team: string | null];

export interface VoidedVisit extends Visit {
  fromState: LeadStateName | null;
  visitNo: number;
  voidEventId: string;
  voidedAtMs: number;
  voidActor: number;
  voidReason: string;
  approvedBy: string | null;
}

export interface Hold {
  sinceMs: number;
  /** Set by ResumedFromHold; else the hold lasts, or ended with the visit `endedBy`. */
  endMs: number | null;
  /** Index of the visit whose transition ended it; -1: none. */
  endedBy: number;
  /** Index of the visit it began in. */
  startedIn: number;
  /** PutOnHold and ResumedFromHold, so that their corrections are found. */
  eventIds: [since: string, end: string | null];
}

export const HANDOFF_OUTCOMES = ['open', 'accepted', 'implicit', 'rejected', 'cancelled'] as const;
export type HandoffOutcome = (typeof HANDOFF_OUTCOMES)[number];

export interface Handoff {
  handoffId: string;
  eventId: string;
  offeredMs: number;
  /** Index of the MQL visit it was made in. */
  offeredIn: number;
  team: string | null;
  /** Who it was offered to by name; null: to the team. */
  owner: string | null;
  /** Who accepted it. */
  decider: string | null;
  outcome: HandoffOutcome;
  decidedMs: number | null;
  /** Index of the visit whose transition decided it; -1: open. */
  decidedBy: number;
  reason: string | null;
  failedCriteria: readonly string[];
}

export const CLOCK_TYPE_NAMES = [
  'handoff_response',
  'first_contact',
  'contact_cadence',
  'recycle_reengagement',
  'post_sale_followup',
] as const satisfies readonly ClockType[];
export const CLOCK_STATUSES = ['running', 'paused', 'breached', 'stopped', 'cancelled'] as const;
export type ClockStatus = (typeof CLOCK_STATUSES)[number];
export const CLOCK_OUTCOMES = ['met', 'late', 'evidence_too_late'] as const;

export interface Clock {
  clockId: string;
  type: ClockType;
  status: ClockStatus;
  startedMs: number;
  dueMs: number;
  warnMs: number | null;
  /** Between a pause and its resume, also when something ended the clock meanwhile. */
  paused: boolean;
  /** When a paused clock resumes by itself. */
  pausedUntilMs: number | null;
  /** Highest level raised (1 warning, 2 breach, 3… escalations); 0: none. */
  level: number;
  /** After a breach: when its next escalation level falls due; null: none is left. */
  nextLevelMs: number | null;
  /** Responsible at the breach; before one, at the moment. */
  owner: string | null;
  team: string | null;
  breach: { detectedBy: string; lagS: number } | null;
  retraction: { atMs: number; reason: string; approvedBy: string | null } | null;
  stop: {
    atMs: number;
    outcome: (typeof CLOCK_OUTCOMES)[number];
    openS: number;
    wallS: number;
    overdueS: number;
  } | null;
}

export const DEAL_CLOSINGS = ['won', 'lost', 'recycled'] as const;
export type DealClosing = (typeof DEAL_CLOSINGS)[number];

export interface Money {
  amountMinor: number;
  currency: string;
}

export interface Deal {
  dealId: string;
  /** Index of the visit whose transition opened it (or closed it, when no opening was recorded). */
  openedIn: number;
  stage: string | null;
  amount: Money | null;
  expectedCloseDate: string | null;
  history: DealHistory;
  closed: {
    kind: DealClosing;
    /** Index of the closing visit; its entry is the closing instant unless the sale names its own `closedAt`. */
    in: number;
    closedAtMs: number | null;
    amount: Money | null;
    reason: string | null;
    team: string | null;
    owner: string | null;
  } | null;
}

export const TRANSITION_TYPES = [
  'LeadCaptured',
  'PromotedToLead',
  'BecameProspect',
  'MarkedMQL',
  'MarkedPQL',
  'MarkedServiceQualified',
  'AcceptedBySales',
  'RejectedBySales',
  'QualificationWithdrawn',
  'MarkedSQL',
  'OpportunityOpened',
  'OpportunityReturnedToQualification',
  'OpportunityResumed',
  'DealWon',
  'DealLost',
  'RecycledNotReady',
  'Disqualified',
  'MarkedJunk',
  'LeadReopened',
  'MergedInto',
] as const satisfies readonly LeadEventType[];
export type TransitionType = (typeof TRANSITION_TYPES)[number];

const TRANSITION_INDEX = new Map<string, number>(TRANSITION_TYPES.map((type, index) => [type, index]));
const STATE_INDEX = new Map<string, number>(LEAD_STATES.map((state, index) => [state, index]));
/** States a hold may lie on (spec §3.2). */
const HOLDABLE: ReadonlySet<string> = new Set(['SAL', 'SQL', 'OPPORTUNITY']);

export const stateIndex = (state: LeadStateName): number => STATE_INDEX.get(state) as number;

export function emptyRow(leadId: string): LeadRow {
  return {
    leadId,
    revision: -1,
    source: null,
    channel: null,
    campaign: null,
    leadType: null,
    country: null,
    captureMethod: null,
    team: null,
    owner: null,
    profile: emptyProfile(),
    early: [],
    firstInteractionMs: null,
    lastActivityMs: 0,
    lastChangeMs: 0,
    attempts: 0,
    responses: 0,
    twoWaySinceMs: null,
    actors: [],
    visits: [],
    voided: [],
    holds: [],
    handoffs: [],
    clocks: [],
    deals: [],
    activities: noActivities(),
    contacts: noContacts(),
    notes: [],
    silence: null,
    callBack: null,
    merges: noMerges(),
    memo: {},
  };
}

/** The visit's end; null while it is open. */
export const exitedMs = (row: LeadRow, index: number): number | null => row.visits[index + 1]?.enteredMs ?? null;

/** When a hold ended; null while it lasts. */
export const holdEndMs = (row: LeadRow, hold: Hold): number | null =>
  hold.endedBy >= 0 ? (row.visits[hold.endedBy]?.enteredMs ?? null) : hold.endMs;

export const isOnHold = (row: LeadRow): boolean => row.holds.some((hold) => holdEndMs(row, hold) === null);

/** Time on hold inside a completed visit (7.4 `active` = gross minus this). */
export function holdMsOf(row: LeadRow, index: number): number {
  if (row.holds.length === 0) return 0;
  const from = enteredMsOf(row, index);
  const to = exitedMs(row, index);
  if (to === null) return 0;
  let sum = 0;
  // A void can leave an older hold and a newer one open at once: count their union.
  let covered = from;
  for (const hold of row.holds) {
    const end = Math.min(holdEndMs(row, hold) ?? Infinity, to);
    const start = Math.max(hold.sinceMs, covered);
    if (end > start) {
      sum += end - start;
      covered = end;
    }
  }
  return sum;
}

/** When the deal closed: the sale's own `closedAt`, unless its transition was clamped or corrected since. */
export function closedMsOf(row: LeadRow, deal: Deal): number | null {
  if (deal.closed === null) return null;
  const visit = row.visits[deal.closed.in] as Visit;
  const moved = visit.more?.claimedMs !== undefined || visit.more?.correctedFromMs !== undefined;
  return moved ? visit.enteredMs : (deal.closed.closedAtMs ?? visit.enteredMs);
}

/** What qualified the lead the last time: the spec's dimension `basis`. */
export function basisOf(row: LeadRow, upTo: number = row.visits.length - 1): string | null {
  for (let index = upTo; index >= 0; index -= 1) {
    switch ((row.visits[index] as Visit).type) {
      case 'MarkedMQL':
        return 'marketing';
      case 'MarkedPQL':
        return 'product';
      case 'MarkedServiceQualified':
        return 'service';
      default:
    }
  }
  return null;
}

/** 7.8 `interaction`: the earliest interaction recorded, as a rule the capture. */
export function firstInteractionMsOf(row: LeadRow): number {
  let first = Math.min(firstEnteredMs(row), row.firstInteractionMs ?? Infinity);
  for (const [, atMs] of row.early) first = Math.min(first, atMs);
  return first;
}

/** Next instant at which settling this clock would record something (spec §6.5), as libs/lead's `nextDueMs` has it. */
export function nextDueMs(clock: Clock): number | null {
  switch (clock.status) {
    case 'running':
      return clock.level < 1 && clock.warnMs !== null && clock.warnMs < clock.dueMs ? clock.warnMs : clock.dueMs;
    case 'paused':
      return clock.pausedUntilMs;
    case 'breached':
      return clock.nextLevelMs;
    case 'stopped':
    case 'cancelled':
      return null;
  }
}

function instant(iso: string): number {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) throw new Error(`not an instant: ${iso}`);
  return ms;
}

const later = (a: number, b: number): number => (a > b ? a : b);

/**
 * Folds one event of the lead into its row, in place. Events of other types only move the revision on.
 * Throws on an event that cannot follow what was folded before (the runtime parks the lead).
 */
export function evolveRow(row: LeadRow, event: RecordedEvent): LeadRow {
  row.revision = event.revision;
  const silence = silenceAfter(row.silence, event, row.visits[row.visits.length - 1]?.state ?? null);
  if (silence !== row.silence) row.memo.facts = undefined;
  row.silence = silence;
  const callBack = callBackAfter(row.callBack, event);
  if (callBack !== row.callBack) row.memo.facts = undefined;
  row.callBack = callBack;
  if (MERGE_TYPES.has(event.type)) {
    row.memo = {};
    if (recordMerge(row.merges, event)) unmerge(row, event);
  }
  if (evolveProfile(row.profile, event)) row.memo = {};
  if (TRANSITION_INDEX.has(event.type)) {
    row.memo = {};
    transition(row, event);
    return row;
  }
  if (
    (actKind(event.type) !== undefined || event.type === 'ContactDeferred') &&
    recordAct(row.activities, event, occurredMs(event))
  ) {
    row.memo.facts = undefined;
  }
  if (recordContact(row.contacts, event)) row.memo.facts = undefined;
  if (recordNote(row.notes, event)) {
    row.memo.facts = undefined;
    if (STANDING_TYPES.has(event.type)) row.memo.standing = undefined;
  }
  switch (event.type) {
    case 'CaptureRepeated':
    case 'BehaviourRecorded':
      interaction(row, event);
      return row;
    case 'ContactAttempted':
      row.attempts += 1;
      interaction(row, event);
      return row;
    case 'LeadResponded':
      row.responses += 1;
      interaction(row, event);
      return row;
    case 'MeetingHeld':
      if ((event.data as LeadEventData<'MeetingHeld'>).outcome !== 'no_show') row.responses += 1;
      interaction(row, event);
      return row;
    case 'MeetingBooked':
    case 'ProposalSent':
      row.lastActivityMs = later(row.lastActivityMs, occurredMs(event));
      return row;
    case 'LeadTypeChanged':
      row.memo = {};
      row.leadType = (event.data as LeadEventData<'LeadTypeChanged'>).to;
      return row;
    case 'OwnerAssigned':
      row.memo = {};
      ownerAssigned(row, event.data as LeadEventData<'OwnerAssigned'>);
      return row;
    case 'HandedOffToSales':
      row.memo = {};
      handedOff(row, event);
      return row;
    case 'DealStageChanged':
    case 'DealAmountChanged':
    case 'DealValueVerified':
    case 'DealCloseDateChanged':
      dealChanged(row, event);
      return row;
    case 'PutOnHold':
      row.memo = {};
      row.holds.push({
        sinceMs: occurredMs(event),
        endMs: null,
        endedBy: -1,
        startedIn: row.visits.length - 1,
        eventIds: [event.id, null],
      });
      return row;
    case 'ResumedFromHold': {
      row.memo = {};
      const atMs = occurredMs(event);
      for (const hold of row.holds) {
        if (holdEndMs(row, hold) !== null) continue;
        hold.endMs = atMs;
        hold.eventIds[1] = event.id;
      }
      return row;
    }
    case 'TransitionVoided':
      row.memo = {};
      voidTransition(row, event);
      return row;
    case 'OccurredAtCorrected':
      row.memo = {};
      correctOccurredAt(row, event.data as LeadEventData<'OccurredAtCorrected'>);
      return row;
    default:
      if (event.type.startsWith('Sla')) {
        row.memo.facts = undefined;
        clockEvent(row, event);
      }
      return row;
  }
}

const occurredMs = (event: RecordedEvent): number => instant((event.data as { occurredAt: string }).occurredAt);

function interaction(row: LeadRow, event: RecordedEvent): void {
  const atMs = occurredMs(event);
  row.lastActivityMs = later(row.lastActivityMs, atMs);
  const captured = row.visits[0];
  if (captured !== undefined && atMs < captured.enteredMs) {
    row.early.push([event.id, atMs]);
    // Only a closing's fact names the first interaction.
    if (row.deals.length > 0) row.memo.facts = undefined;
  } else if (row.firstInteractionMs === null || atMs < row.firstInteractionMs) row.firstInteractionMs = atMs;
}

function actorIndex(row: LeadRow, event: RecordedEvent): number {
  const { actor, source } = event.metadata as {
    actor?: { type: string; id: string; role: string; onBehalfOf?: string };
    source?: { system: string };
  };
  const type = actor?.type ?? 'system';
  const id = actor?.id ?? '';
  const role = actor?.role ?? '';
  const onBehalfOf = actor?.onBehalfOf ?? null;
  const system = source?.system ?? '';
  const { actors } = row;
  for (let index = 0; index < actors.length; index += 1) {
    const one = actors[index] as ActorTuple;
    if (one[1] === id && one[0] === type && one[2] === role && one[3] === onBehalfOf && one[4] === system) return index;
  }
  actors.push([type, id, role, onBehalfOf, system]);
  return actors.length - 1;
}

const pipelineOf = ({ metadata }: RecordedEvent): number =>
  (metadata as Partial<EventMetadata>).policyRefs?.pipelineVersion ?? 0;

type AnyTransition = {
  readonly occurredAt: string;
  readonly fromState: LeadStateName | null;
  readonly toState: LeadStateName;
  readonly cycleNo: number;
  readonly ownerId?: string;
  readonly teamId?: string;
  readonly skippedStages?: readonly LeadStateName[];
  readonly skipRule?: string;
  readonly claimedOccurredAt?: string;
  readonly reasonCode?: string;
  readonly reason?: string;
  readonly mode?: 'auto' | 'manual';
  readonly override?: { by: string; reason: string };
  readonly survivorLeadId?: string;
  readonly nurtureTouches?: number;
  readonly revisitOn?: string;
};

function transition(row: LeadRow, event: RecordedEvent): void {
  const data = event.data as AnyTransition;
  const atMs = instant(data.occurredAt);
  const type = event.type as TransitionType;
  // A merge is nobody's work on the lead.
  if (type !== 'MergedInto') row.lastActivityMs = later(row.lastActivityMs, atMs);
  if (type === 'BecameProspect') {
    const first = row.twoWaySinceMs === null;
    row.twoWaySinceMs ??= atMs;
    // From MQL on it is a dated fact only, no change of state (spec T3).
    if (data.fromState === data.toState) {
      if (first) row.contacts.twoWayTag = eventTag(event.id);
      return;
    }
  }
  row.lastChangeMs = later(row.lastChangeMs, atMs);
  const index = row.visits.length;
  const actor = actorIndex(row, event);
  const more = details(data, row.actors[actor] as ActorTuple);
  const ownership = changeOwner(row, data.ownerId ?? row.owner, data.teamId ?? row.team);
  row.visits.push({
    state: data.toState,
    cycle: data.cycleNo,
    enteredMs: atMs,
    type,
    eventId: event.id,
    recordedMs: effectiveRecordedAtMs(event),
    actor,
    pipeline: pipelineOf(event),
    more: ownership === null ? more : { ...more, ownership },
  });
  // Whatever moves a lead ends its hold and its offer (spec §3.2).
  for (const hold of row.holds) if (hold.endMs === null && hold.endedBy < 0) hold.endedBy = index;
  if (!ANSWERS_HANDOFF.has(type)) decideHandoff(row, undefined, 'cancelled', index, atMs, null);
  switch (type) {
    case 'LeadCaptured':
      captured(row, event.data as LeadEventData<'LeadCaptured'>);
      return;
    case 'AcceptedBySales': {
      const { handoffId, acceptedBy } = event.data as LeadEventData<'AcceptedBySales'>;
      decideHandoff(row, handoffId, 'accepted', index, atMs, acceptedBy);
      return;
    }
    case 'RejectedBySales': {
      const { handoffId, reasonCode, failedCriteria } = event.data as LeadEventData<'RejectedBySales'>;
      const handoff = decideHandoff(row, handoffId, 'rejected', index, atMs, null);
      if (handoff !== undefined) {
        handoff.reason = reasonCode;
        handoff.failedCriteria = failedCriteria;
      }
      return;
    }
    case 'MarkedSQL': {
      const { handoffId, implicitAcceptance } = event.data as LeadEventData<'MarkedSQL'>;
      const decider = implicitAcceptance ? (data.ownerId ?? null) : null;
      decideHandoff(row, handoffId, implicitAcceptance ? 'implicit' : 'cancelled', index, atMs, decider);
      return;
    }
    case 'OpportunityOpened':
      openDeal(row, event.data as LeadEventData<'OpportunityOpened'>, index);
      return;
    case 'OpportunityResumed': {
      const { dealId, dealStage } = event.data as LeadEventData<'OpportunityResumed'>;
      const deal = row.deals.findLast((one) => one.dealId === dealId);
      if (deal === undefined) return;
      resumedIn(deal.history, dealStage, index);
      deal.stage = dealStage;
      return;
    }
    case 'DealWon': {
      const won = event.data as LeadEventData<'DealWon'>;
      const deal = closeDeal(row, won.dealId, 'won', index, instant(won.closedAt), won.amount, null);
      deal.history.fxPpm = ppmOf(won.fxRateToReporting);
      return;
    }
    case 'DealLost': {
      const lost = event.data as LeadEventData<'DealLost'>;
      const deal = closeDeal(row, lost.dealId, 'lost', index, null, lost.amount, lost.reasonCode);
      deal.stage ??= lost.lostFromDealStage ?? null;
      return;
    }
    case 'RecycledNotReady': {
      const { closedDealId, reasonCode } = event.data as LeadEventData<'RecycledNotReady'>;
      if (closedDealId !== undefined) closeDeal(row, closedDealId, 'recycled', index, null, null, reasonCode);
      return;
    }
    default:
  }
}

/** Transitions that answer a handoff; any other cancels it: withdrawal, disqualification, junk. */
const ANSWERS_HANDOFF: ReadonlySet<string> = new Set(['AcceptedBySales', 'RejectedBySales', 'MarkedSQL']);

function details(data: AnyTransition, actor: ActorTuple): VisitDetails | null {
  const more: VisitDetails = {};
  const reason = data.reasonCode ?? data.reason;
  if (reason !== undefined) more.reason = reason;
  if (data.mode === undefined ? actor[0] === 'system' : data.mode === 'auto') more.auto = true;
  if (data.skippedStages !== undefined && data.skippedStages.length > 0) more.skipped = data.skippedStages;
  if (data.skipRule !== undefined) more.skipRule = data.skipRule;
  if (data.override !== undefined) more.override = data.override;
  if (data.survivorLeadId !== undefined) more.mergedInto = data.survivorLeadId;
  if (data.nurtureTouches !== undefined && data.nurtureTouches > 0) more.nurtureTouches = data.nurtureTouches;
  if (data.revisitOn !== undefined) more.revisitMs = instant(data.revisitOn);
  if (data.claimedOccurredAt !== undefined) more.claimedMs = instant(data.claimedOccurredAt);
  for (const _ in more) return more;
  return null;
}

/** Null when nothing changes. */
function changeOwner(row: LeadRow, owner: string | null, team: string | null): [Ownership, Ownership] | null {
  if (owner === row.owner && team === row.team) return null;
  const change: [Ownership, Ownership] = [
    [row.owner, row.team],
    [owner, team],
  ];
  row.owner = owner;
  row.team = team;
  return change;
}

function captured(row: LeadRow, data: LeadEventData<'LeadCaptured'>): void {
  row.channel = data.source.channel ?? null;
  row.source = data.source.code ?? row.channel;
  row.campaign = data.source.campaignId ?? null;
  row.leadType = data.leadType;
  row.country = data.location?.country ?? null;
  row.captureMethod = data.captureMethod;
}

/** Owner and team around the latest transition, written down before something else changes them. */
function ownershipOf(row: LeadRow): [Ownership, Ownership] | null {
  const visit = row.visits[row.visits.length - 1];
  if (visit === undefined) return null;
  const unchanged: Ownership = [row.owner, row.team];
  const ownership = visit.more?.ownership ?? [unchanged, unchanged];
  visit.more = { ...visit.more, ownership };
  return ownership;
}

function ownerAssigned(row: LeadRow, data: LeadEventData<'OwnerAssigned'>): void {
  const ownership = ownershipOf(row);
  // Part of what the mark brought about, as the open offer is.
  const isRouted = data.reason === 'routing' && row.handoffs.some(({ outcome }) => outcome === 'open');
  if (ownership !== null && isRouted) ownership[1] = [data.ownerId, data.teamId];
  row.owner = data.ownerId;
  row.team = data.teamId;
  for (const clock of row.clocks) {
    if (clock.status !== 'running' && clock.status !== 'paused') continue;
    clock.owner = data.ownerId;
    clock.team = data.teamId;
  }
}

function handedOff(row: LeadRow, event: RecordedEvent): void {
  const data = event.data as LeadEventData<'HandedOffToSales'>;
  // Another team's rep does not stay the owner.
  const kept = row.team === null || row.team === data.teamId ? row.owner : null;
  const ownership = ownershipOf(row);
  row.team = data.teamId;
  row.owner = data.ownerId ?? kept;
  // The offer is part of what its mark brought about: a void of the mark takes it back too.
  if (ownership !== null) ownership[1] = [row.owner, row.team];
  row.handoffs.push({
    handoffId: data.handoffId,
    eventId: event.id,
    offeredMs: instant(data.occurredAt),
    offeredIn: row.visits.length - 1,
    team: data.teamId,
    owner: data.ownerId ?? null,
    decider: null,
    outcome: 'open',
    decidedMs: null,
    decidedBy: -1,
    reason: null,
    failedCriteria: [],
  });
}

function decideHandoff(
  row: LeadRow,
  handoffId: string | undefined,
  outcome: HandoffOutcome,
  visit: number,
  atMs: number,
  decider: string | null,
): Handoff | undefined {
  const handoff = row.handoffs.findLast(
    (one) => one.outcome === 'open' && (handoffId === undefined || one.handoffId === handoffId),
  );
  if (handoff === undefined) return undefined;
  handoff.outcome = outcome;
  handoff.decidedBy = visit;
  handoff.decidedMs = atMs;
  handoff.decider = decider;
  return handoff;
}

function openDeal(row: LeadRow, data: LeadEventData<'OpportunityOpened'>, visit: number): void {
  row.deals.push({
    dealId: data.dealId,
    openedIn: visit,
    stage: data.dealStage,
    amount: data.amount,
    expectedCloseDate: data.expectedCloseDate,
    history: openedHistory(data, visit),
    closed: null,
  });
}

function closeDeal(
  row: LeadRow,
  dealId: string,
  kind: DealClosing,
  visit: number,
  closedAtMs: number | null,
  amount: Money | null,
  reason: string | null,
): Deal {
  let deal = row.deals.findLast((one) => one.dealId === dealId);
  if (deal === undefined) {
    // Imported history need not have recorded the opening.
    deal = {
      dealId,
      openedIn: visit,
      stage: null,
      amount,
      expectedCloseDate: null,
      history: emptyHistory(),
      closed: null,
    };
    row.deals.push(deal);
  }
  deal.closed = {
    kind,
    in: visit,
    closedAtMs,
    amount: amount ?? deal.amount,
    reason,
    team: row.team,
    owner: row.owner,
  };
  return deal;
}

function dealChanged(row: LeadRow, event: RecordedEvent): void {
  row.lastActivityMs = later(row.lastActivityMs, occurredMs(event));
  const { dealId } = event.data as { dealId: string };
  const deal = row.deals.findLast((one) => one.dealId === dealId);
  if (deal === undefined) return;
  row.memo.facts = undefined;
  recordChange(deal.history, event, occurredMs(event), row.visits.length - 1);
  if (event.type === 'DealStageChanged') deal.stage = (event.data as LeadEventData<'DealStageChanged'>).to;
  if (event.type === 'DealAmountChanged') deal.amount = (event.data as LeadEventData<'DealAmountChanged'>).new;
  if (event.type === 'DealValueVerified') deal.amount = (event.data as LeadEventData<'DealValueVerified'>).amount;
  if (event.type === 'DealCloseDateChanged') {
    deal.expectedCloseDate = (event.data as LeadEventData<'DealCloseDateChanged'>).new;
  }
}

type Voided = Pick<
  LeadEventData<'TransitionVoided'>,
  'approvedBy' | 'occurredAt' | 'reason' | 'reopenedClockIds' | 'voidedEventId'
>;

/** The duplicate is what it was: its merge is taken back as a voided transition is, its promises go on as they stood. */
function unmerge(row: LeadRow, event: RecordedEvent): void {
  const { occurredAt, reason = 'unmerged', reopenedClockIds = [] } = event.data as LeadEventData<'MergeReverted'>;
  const { lastActivityMs } = row;
  const voidedEventId = row.visits[row.visits.length - 1]?.eventId ?? '';
  voidTransition(row, event, { occurredAt, reason, voidedEventId });
  row.lastActivityMs = lastActivityMs;
  for (const clockId of reopenedClockIds) {
    const clock = clockOf(row, clockId);
    clock.status = clock.breach !== null ? 'breached' : clock.paused ? 'paused' : 'running';
  }
}

function voidTransition(
  row: LeadRow,
  event: RecordedEvent,
  data: Voided = event.data as LeadEventData<'TransitionVoided'>,
): void {
  const index = row.visits.length - 1;
  const visit = row.visits[index];
  if (visit === undefined || visit.eventId !== data.voidedEventId) {
    throw new Error(`${data.voidedEventId} is not the latest transition of lead ${row.leadId}`);
  }
  const previous = row.visits[index - 1];
  if (previous === undefined) throw new Error(`the capture of lead ${row.leadId} cannot be voided`);
  const atMs = instant(data.occurredAt);
  row.visits.pop();
  if (visit.type === 'BecameProspect') row.twoWaySinceMs = null;
  row.voided.push({
    ...visit,
    fromState: previous.state,
    visitNo: index + 1,
    voidEventId: event.id,
    voidedAtMs: atMs,
    voidActor: actorIndex(row, event),
    voidReason: data.reason,
    approvedBy: data.approvedBy ?? null,
  });
  row.lastChangeMs = later(row.lastChangeMs, atMs);
  row.lastActivityMs = later(row.lastActivityMs, atMs);
  if (visit.more?.ownership !== undefined) {
    const [before, after] = visit.more.ownership;
    // Unless somebody changed it since.
    if (row.owner === after[0] && row.team === after[1]) [row.owner, row.team] = before;
  }
  const holdable = HOLDABLE.has(previous.state);
  row.holds = row.holds.filter((hold) => holdable || hold.startedIn !== index);
  for (const hold of row.holds) {
    if (hold.endedBy === index) hold.endedBy = -1;
    if (hold.startedIn === index) hold.startedIn = index - 1;
  }
  row.handoffs = row.handoffs.filter((handoff) => handoff.offeredIn !== index);
  for (const handoff of row.handoffs) {
    if (handoff.decidedBy !== index) continue;
    handoff.outcome = 'open';
    handoff.decider = null;
    handoff.decidedBy = -1;
    handoff.decidedMs = null;
    handoff.reason = null;
    handoff.failedCriteria = [];
  }
  row.deals = row.deals.filter((deal) => deal.openedIn !== index);
  for (const deal of row.deals) {
    if (deal.closed?.in === index) deal.closed = null;
    voidVisit(deal.history, index);
    deal.stage = lastOf(deal.history, 'stage') as string | null;
  }
  for (const clockId of data.reopenedClockIds ?? []) {
    const clock = clockOf(row, clockId);
    // As libs/lead has it: a breach retracted because of the voided fact stands again, without a second event.
    clock.status = clock.breach !== null ? 'breached' : clock.paused ? 'paused' : 'running';
    clock.retraction = null;
    clock.stop = null;
  }
}

function correctOccurredAt(row: LeadRow, data: LeadEventData<'OccurredAtCorrected'>): void {
  const newMs = instant(data.new);
  row.lastChangeMs = later(row.lastChangeMs, later(newMs, instant(data.occurredAt)));
  const visit = row.visits.find((one) => one.eventId === data.correctedEventId);
  if (visit !== undefined) {
    const index = row.visits.indexOf(visit);
    visit.more = {
      ...visit.more,
      correctedFromMs: visit.enteredMs,
      correctionReason: data.reason,
    };
    visit.enteredMs = newMs;
    if (visit.type === 'BecameProspect') row.twoWaySinceMs = newMs;
    for (const handoff of row.handoffs) if (handoff.decidedBy === index) handoff.decidedMs = newMs;
    return;
  }
  const handoff = row.handoffs.find((one) => one.eventId === data.correctedEventId);
  if (handoff !== undefined) handoff.offeredMs = newMs;
  for (const hold of row.holds) {
    if (hold.eventIds[0] === data.correctedEventId) hold.sinceMs = newMs;
    if (hold.eventIds[1] === data.correctedEventId) hold.endMs = newMs;
  }
  const ofDeals = row.deals.filter((deal) => retime(deal.history, data.correctedEventId, newMs));
  const isAct = retimeAct(row.activities, instant(data.old), newMs);
  const contact = retimeContact(row.contacts, data.correctedEventId, newMs);
  if (contact === 'twoWay') row.twoWaySinceMs = newMs;
  // Neither is an interaction of its own: a mailing is none, an answer tells of one.
  if (contact === 'twoWay' || contact === 'nurture') return;
  const early = row.early.find(([eventId]) => eventId === data.correctedEventId);
  if (early !== undefined) early[1] = newMs;
  // What was told of the person meanwhile, its role or its owner, is no interaction either.
  else if (isAct && ofDeals.length === 0 && newMs < (row.visits[0]?.enteredMs ?? -Infinity))
    row.early.push([data.correctedEventId, newMs]);
}

function clockOf(row: LeadRow, clockId: string): Clock {
  const clock = row.clocks.findLast((one) => one.clockId === clockId);
  if (clock === undefined) throw new Error(`lead ${row.leadId} has no clock ${clockId}`);
  return clock;
}

function clockEvent(row: LeadRow, event: RecordedEvent): void {
  switch (event.type) {
    case 'SlaClockStarted': {
      const data = event.data as LeadEventData<'SlaClockStarted'>;
      row.clocks.push({
        clockId: data.clockId,
        type: data.clockType,
        status: 'running',
        startedMs: instant(data.startedAt),
        dueMs: instant(data.dueAt),
        warnMs: data.warnAt === undefined ? null : instant(data.warnAt),
        paused: false,
        pausedUntilMs: null,
        level: 0,
        nextLevelMs: null,
        owner: data.ownerId ?? row.owner,
        team: data.teamId ?? row.team,
        breach: null,
        retraction: null,
        stop: null,
      });
      return;
    }
    case 'SlaWarningRaised': {
      const data = event.data as LeadEventData<'SlaWarningRaised'>;
      const clock = clockOf(row, data.clockId);
      clock.level = later(clock.level, data.level);
      return;
    }
    case 'SlaBreached': {
      const data = event.data as LeadEventData<'SlaBreached'>;
      const clock = clockOf(row, data.clockId);
      clock.status = 'breached';
      clock.level = later(clock.level, 2);
      clock.dueMs = instant(data.dueAt);
      clock.nextLevelMs = data.nextLevelAt === undefined ? null : instant(data.nextLevelAt);
      clock.owner = data.ownerId ?? clock.owner;
      clock.team = data.teamId ?? clock.team;
      clock.breach = { detectedBy: data.detectedBy, lagS: data.detectionLagS };
      return;
    }
    case 'SlaEscalated': {
      const data = event.data as LeadEventData<'SlaEscalated'>;
      const clock = clockOf(row, data.clockId);
      clock.level = later(clock.level, data.level);
      clock.nextLevelMs = data.nextLevelAt === undefined ? null : instant(data.nextLevelAt);
      return;
    }
    case 'SlaClockPaused': {
      const data = event.data as LeadEventData<'SlaClockPaused'>;
      const clock = clockOf(row, data.clockId);
      clock.status = 'paused';
      clock.paused = true;
      clock.pausedUntilMs = data.until === undefined ? null : instant(data.until);
      return;
    }
    case 'SlaClockResumed': {
      const data = event.data as LeadEventData<'SlaClockResumed'>;
      const clock = clockOf(row, data.clockId);
      clock.status = 'running';
      clock.paused = false;
      clock.pausedUntilMs = null;
      clock.dueMs = instant(data.newDueAt);
      clock.warnMs = data.newWarnAt === undefined ? null : instant(data.newWarnAt);
      return;
    }
    case 'SlaClockStopped': {
      const data = event.data as LeadEventData<'SlaClockStopped'>;
      const clock = clockOf(row, data.clockId);
      clock.status = 'stopped';
      clock.owner ??= row.owner;
      clock.stop = {
        atMs: instant(data.stoppedAt),
        outcome: data.outcome,
        openS: data.elapsedOpenS,
        wallS: data.elapsedWallS,
        overdueS: data.overdueWallS,
      };
      return;
    }
    case 'SlaClockCancelled': {
      const clock = clockOf(row, (event.data as LeadEventData<'SlaClockCancelled'>).clockId);
      clock.status = 'cancelled';
      // A clock whose start was voided may have been stopped before: the promise never was.
      clock.stop = null;
      return;
    }
    case 'SlaClockRebased': {
      const data = event.data as LeadEventData<'SlaClockRebased'>;
      const clock = clockOf(row, data.clockId);
      clock.startedMs = data.newStartedAt === undefined ? clock.startedMs : instant(data.newStartedAt);
      clock.dueMs = instant(data.newDueAt);
      clock.warnMs = data.newWarnAt === undefined ? null : instant(data.newWarnAt);
      return;
    }
    case 'SlaBreachRetracted': {
      const data = event.data as LeadEventData<'SlaBreachRetracted'>;
      const clock = clockOf(row, data.clockId);
      if (clock.breach === null) throw new Error(`clock ${data.clockId} has no breach to retract`);
      clock.retraction = { atMs: instant(data.occurredAt), reason: data.reason, approvedBy: data.approvedBy ?? null };
      return;
    }
    default:
  }
}

// Packed form: one JSON array, instants relative to the capture, names as indexes. Bytes matter: one per lead, for ever.

type Packed = [
  revision: number,
  baseMs: number,
  dims: (string | null)[],
  numbers: (number | null)[],
  actors: ActorTuple[],
  visits: PackedVisit[],
  rest?: [
    voided: [...PackedVisit, ...unknown[]][],
    holds: [since: number, end: number | null, endedBy: number, startedIn: number, eventIds: Hold['eventIds']][],
    handoffs: unknown[][],
    clocks: unknown[][],
    deals: unknown[][],
    early: [string, number][],
    activities: ReturnType<typeof packActivities>,
    merges?: ReturnType<typeof packMerges> | null,
    contacts?: ReturnType<typeof packContacts> | null,
    notes?: ReturnType<typeof packNotes> | null,
    callBack?: PackedCallBack,
  ],
];
/** state + 16 · cycle, entered, transition type + 32 · pipeline, event id, recorded − entered, actor, details. */
type PackedVisit = [number, number, number, string, number, number, VisitDetails?];

function packVisit(visit: Visit, base: number): PackedVisit {
  const packed: PackedVisit = [
    stateIndex(visit.state) + 16 * visit.cycle,
    visit.enteredMs - base,
    (TRANSITION_INDEX.get(visit.type) as number) + 32 * visit.pipeline,
    visit.eventId,
    visit.recordedMs - visit.enteredMs,
    visit.actor,
  ];
  if (visit.more !== null) packed.push(visit.more);
  return packed;
}

function loadVisit(packed: PackedVisit, base: number): Visit {
  const enteredMs = packed[1] + base;
  return {
    state: LEAD_STATES[packed[0] & 15] as LeadStateName,
    cycle: packed[0] >> 4,
    enteredMs,
    type: TRANSITION_TYPES[packed[2] & 31] as TransitionType,
    eventId: packed[3],
    recordedMs: packed[4] + enteredMs,
    actor: packed[5],
    pipeline: packed[2] >> 5,
    more: packed[6] ?? null,
  };
}

const minus = (ms: number | null, base: number): number | null => (ms === null ? null : ms - base);
const plus = (delta: number | null, base: number): number | null => (delta === null ? null : delta + base);

export function packRow(row: LeadRow): string {
  const base = row.visits[0]?.enteredMs ?? 0;
  const packed: Packed = [
    row.revision,
    base,
    [
      row.source,
      row.channel,
      row.campaign,
      row.leadType,
      row.country,
      row.captureMethod,
      row.team,
      row.owner,
      ...packProfile(row.profile),
    ],
    [
      minus(row.firstInteractionMs, base),
      row.lastActivityMs - base,
      row.lastChangeMs - base,
      row.attempts,
      row.responses,
      minus(row.twoWaySinceMs, base),
      ...packSilence(row.silence, base),
    ],
    row.actors,
    row.visits.map((visit) => packVisit(visit, base)),
  ];
  if (
    row.early.length +
      row.voided.length +
      row.holds.length +
      row.handoffs.length +
      row.clocks.length +
      row.deals.length +
      row.activities.acts.length +
      row.activities.deferrals.length >
      0 ||
    hasMerges(row.merges) ||
    hasContacts(row.contacts) ||
    row.notes.length > 0 ||
    row.callBack !== null
  ) {
    const rest: NonNullable<Packed[6]> = [
      row.voided.map((visit) => [
        ...(packVisit({ ...visit, more: visit.more ?? {} }, base) as Required<PackedVisit>),
        visit.fromState === null ? -1 : stateIndex(visit.fromState),
        visit.visitNo,
        visit.voidEventId,
        visit.voidedAtMs - base,
        visit.voidActor,
        visit.voidReason,
        visit.approvedBy,
      ]),
      row.holds.map((hold) => [
        hold.sinceMs - base,
        minus(hold.endMs, base),
        hold.endedBy,
        hold.startedIn,
        hold.eventIds,
      ]),
      row.handoffs.map((handoff) => packHandoff(handoff, base)),
      row.clocks.map((clock) => packClock(clock, base)),
      row.deals.map((deal) => packDeal(deal, base)),
      row.early.map(([eventId, atMs]) => [eventId, atMs - base]),
      packActivities(row.activities, base),
    ];
    if (hasMerges(row.merges)) rest[7] = packMerges(row.merges, base);
    if (hasContacts(row.contacts)) {
      rest[7] ??= null;
      rest[8] = packContacts(row.contacts, base);
    }
    if (row.notes.length > 0) {
      rest[7] ??= null;
      rest[8] ??= null;
      rest[9] = packNotes(row.notes, base);
    }
    if (row.callBack !== null) {
      rest[7] ??= null;
      rest[8] ??= null;
      rest[9] ??= null;
      rest[10] = packCallBack(row.callBack, base);
    }
    packed.push(rest);
  }
  return JSON.stringify(packed);
}

export function loadRow(text: string | null, leadId: string): LeadRow {
  const row = emptyRow(leadId);
  if (text === null) return row;
  const [revision, base, dims, numbers, actors, visits, rest] = JSON.parse(text) as Packed;
  row.revision = revision;
  [row.source, row.channel, row.campaign, row.leadType, row.country, row.captureMethod, row.team, row.owner] = dims as [
    string | null,
    string | null,
    string | null,
    string | null,
    string | null,
    string | null,
    string | null,
    string | null,
  ];
  row.profile = loadProfile(dims.slice(8));
  row.firstInteractionMs = plus(numbers[0] as number | null, base);
  row.lastActivityMs = (numbers[1] as number) + base;
  row.lastChangeMs = (numbers[2] as number) + base;
  row.attempts = numbers[3] as number;
  row.responses = numbers[4] as number;
  row.twoWaySinceMs = plus(numbers[5] as number | null, base);
  row.silence = loadSilence(numbers.slice(6) as number[], base);
  row.actors = actors;
  row.visits = visits.map((visit) => loadVisit(visit, base));
  if (rest === undefined) return row;
  row.voided = rest[0].map((packed) => loadVoided(packed, base));
  row.holds = rest[1].map(([since, end, endedBy, startedIn, eventIds]) => ({
    sinceMs: since + base,
    endMs: plus(end, base),
    endedBy,
    startedIn,
    eventIds,
  }));
  row.handoffs = rest[2].map((packed) => loadHandoff(packed, base));
  row.clocks = rest[3].map((packed) => loadClock(packed, base));
  row.deals = rest[4].map((packed) => loadDeal(packed, base));
  row.early = rest[5].map(([eventId, at]) => [eventId, at + base]);
  row.activities = loadActivities(rest[6], base);
  if (rest[7] !== undefined && rest[7] !== null) row.merges = loadMerges(rest[7], base);
  if (rest[8] !== undefined && rest[8] !== null) row.contacts = loadContacts(rest[8], base);
  if (rest[9] !== undefined && rest[9] !== null) row.notes = loadNotes(rest[9], base);
  if (rest[10] !== undefined) row.callBack = loadCallBack(rest[10], base);
  return row;
}

function loadVoided(packed: unknown[], base: number): VoidedVisit {
  const visit = loadVisit(packed as PackedVisit, base);
  const [fromState, visitNo, voidEventId, voidedAt, voidActor, voidReason, approvedBy] = packed.slice(7) as [
    number,
    number,
    string,
    number,
    number,
    string,
    string | null,
  ];
  let { more } = visit;
  // Packed as `{}` so that what follows keeps its place.
  if (more !== null && Object.keys(more).length === 0) more = null;
  return {
    ...visit,
    more,
    fromState: fromState < 0 ? null : (LEAD_STATES[fromState] as LeadStateName),
    visitNo,
    voidEventId,
    voidedAtMs: voidedAt + base,
    voidActor,
    voidReason,
    approvedBy,
  };
}

function packHandoff(handoff: Handoff, base: number): unknown[] {
  const packed: unknown[] = [
    handoff.handoffId,
    handoff.eventId,
    handoff.offeredMs - base,
    handoff.offeredIn,
    handoff.team,
    handoff.owner,
    handoff.decider,
    HANDOFF_OUTCOMES.indexOf(handoff.outcome),
    minus(handoff.decidedMs, base),
    handoff.decidedBy,
  ];
  if (handoff.reason !== null) packed.push(handoff.reason, handoff.failedCriteria);
  return packed;
}

function loadHandoff(packed: unknown[], base: number): Handoff {
  const [handoffId, eventId, offered, offeredIn, team, owner, decider, outcome, decided, decidedBy, reason, failed] =
    packed as [
      string,
      string,
      number,
      number,
      string | null,
      string | null,
      string | null,
      number,
      number | null,
      number,
      string?,
      string[]?,
    ];
  return {
    handoffId,
    eventId,
    offeredMs: offered + base,
    offeredIn,
    team,
    owner,
    decider,
    outcome: HANDOFF_OUTCOMES[outcome] as HandoffOutcome,
    decidedMs: plus(decided, base),
    decidedBy,
    reason: reason ?? null,
    failedCriteria: failed ?? [],
  };
}

function packClock(clock: Clock, base: number): unknown[] {
  const packed: unknown[] = [
    clock.clockId,
    CLOCK_TYPE_NAMES.indexOf(clock.type),
    CLOCK_STATUSES.indexOf(clock.status),
    clock.startedMs - base,
    clock.dueMs - base,
    minus(clock.warnMs, base),
    clock.paused ? (minus(clock.pausedUntilMs, base) ?? true) : false,
    clock.level,
    minus(clock.nextLevelMs, base),
    clock.owner,
    clock.team,
    clock.stop === null
      ? null
      : [
          clock.stop.atMs - base,
          CLOCK_OUTCOMES.indexOf(clock.stop.outcome),
          clock.stop.openS,
          clock.stop.wallS,
          clock.stop.overdueS,
        ],
  ];
  if (clock.breach !== null) packed.push([clock.breach.detectedBy, clock.breach.lagS]);
  if (clock.retraction !== null) {
    packed.push([clock.retraction.atMs - base, clock.retraction.reason, clock.retraction.approvedBy]);
  }
  return packed;
}

function loadClock(packed: unknown[], base: number): Clock {
  const [clockId, type, status, started, due, warn, paused, level, nextLevel, owner, team, stop, breach, retraction] =
    packed as [
      string,
      number,
      number,
      number,
      number,
      number | null,
      number | boolean,
      number,
      number | null,
      string | null,
      string | null,
      [number, number, number, number, number] | null,
      [string, number]?,
      [number, string, string | null]?,
    ];
  return {
    clockId,
    type: CLOCK_TYPE_NAMES[type] as ClockType,
    status: CLOCK_STATUSES[status] as ClockStatus,
    startedMs: started + base,
    dueMs: due + base,
    warnMs: plus(warn, base),
    paused: paused !== false,
    pausedUntilMs: typeof paused === 'number' ? paused + base : null,
    level,
    nextLevelMs: plus(nextLevel, base),
    owner,
    team,
    breach: breach === undefined ? null : { detectedBy: breach[0], lagS: breach[1] },
    retraction:
      retraction === undefined
        ? null
        : { atMs: retraction[0] + base, reason: retraction[1], approvedBy: retraction[2] },
    stop:
      stop === null
        ? null
        : {
            atMs: stop[0] + base,
            outcome: CLOCK_OUTCOMES[stop[1]] as (typeof CLOCK_OUTCOMES)[number],
            openS: stop[2],
            wallS: stop[3],
            overdueS: stop[4],
          },
  };
}

const packMoney = (money: Money | null): unknown => (money === null ? null : [money.amountMinor, money.currency]);
const loadMoney = (packed: [number, string] | null): Money | null =>
  packed === null ? null : { amountMinor: packed[0], currency: packed[1] };

function packDeal(deal: Deal, base: number): unknown[] {
  const packed: unknown[] = [
    deal.dealId,
    deal.openedIn,
    deal.stage,
    packMoney(deal.amount),
    deal.expectedCloseDate,
    packHistory(deal.history, base),
  ];
  if (deal.closed !== null) {
    const { kind, in: visit, closedAtMs, amount, reason, team, owner } = deal.closed;
    packed.push(DEAL_CLOSINGS.indexOf(kind), visit, minus(closedAtMs, base), packMoney(amount), reason, team, owner);
  }
  return packed;
}

function loadDeal(packed: unknown[], base: number): Deal {
  const [
    dealId,
    openedIn,
    stage,
    amount,
    expectedCloseDate,
    history,
    kind,
    visit,
    closedAt,
    closedAmount,
    reason,
    team,
    owner,
  ] = packed as [
    string,
    number,
    string | null,
    [number, string] | null,
    string | null,
    ReturnType<typeof packHistory>,
    number?,
    number?,
    (number | null)?,
    ([number, string] | null)?,
    (string | null)?,
    (string | null)?,
    (string | null)?,
  ];
  return {
    dealId,
    openedIn,
    stage,
    amount: loadMoney(amount),
    expectedCloseDate,
    history: loadHistory(history, base),
    closed:
      kind === undefined
        ? null
        : {
            kind: DEAL_CLOSINGS[kind] as DealClosing,
            in: visit as number,
            closedAtMs: plus(closedAt ?? null, base),
            amount: loadMoney(closedAmount ?? null),
            reason: reason ?? null,
            team: team ?? null,
            owner: owner ?? null,
          },
  };
}
