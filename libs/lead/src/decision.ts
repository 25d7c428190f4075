import type { Pipeline, ReasonKind } from '#libs/policy/src/documents.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { wholeSeconds } from '#libs/scoring/src/behaviours.js';
import type { ModelBook } from '#libs/scoring/src/model-book.js';
import type { AccountFacts, KnownCampaigns } from './account-facts.js';
import type { Absorption } from './absorption.js';
import type { Actor } from './commands.js';
import { LeadError, type LeadErrorCode, type LeadErrorFacts } from './errors.js';
import { evolve } from './evolve.js';
import type { ClockType, LeadEvent, LeadEventData, LeadEventType } from './events.js';
import type { RoutingDesk } from './routing-desk.js';
import { SCORED_FACTS } from './scored-facts.js';
import {
  cancelClock,
  evolveClock,
  isOpenClock,
  pauseClock,
  resumeClock,
  startClock,
  stopClock,
  type CancelReason,
  type SlaClock,
} from './sla-clocks.js';
import type { LeadState } from './state.js';
import { CYCLE_ENDING, LADDER, RANK, type LeadStateName } from './states.js';

export interface DecideContext {
  /** The server's clock: authority for what is recorded when (spec §9.11). */
  readonly nowMs: number;
  readonly commandId: string;
  readonly actor: Actor;
  readonly policies: PolicyBook;
  readonly models: ModelBook;
  /** The account that the command or else the lead names, as its own stream has it now; null: there is no such account. */
  readonly account?: AccountFacts | null;
  /** Who has how much to do; absent: nobody asks, handoffs go to the team. */
  readonly routing?: RoutingDesk;
  /** Absent: references to campaigns are not looked up. */
  readonly campaigns?: KnownCampaigns;
  /** An id that is the same whenever this command asks for this name. */
  newId(name: string): string;
  /** Id of the nth event (from 0) of what `decide` returns, once-only clock events apart (`clockEventIdName`). */
  eventId(ordinal: number): string;
  /** For MergeLeads: the lead to be merged away, as its stream has it (spec §2.6); `lead.state` null: there is none. */
  readonly duplicate?: {
    readonly mergeId: string;
    readonly lead: LeadState;
    readonly absorption: Absorption;
  };
  /** Importing history (spec §9.3): no clocks, conversation guards waived, unrecorded stages skipped. */
  readonly import?: {
    readonly jobId: string;
    /** `clamp`: a transition before its predecessor takes the predecessor's time and keeps the claimed one beside it. */
    readonly outOfOrder: 'refuse' | 'clamp';
  };
}

/** Asked of people as they work; history that nobody asked then cannot answer now (spec §9.3). */
const WAIVED_BY_IMPORT: ReadonlySet<LeadErrorCode> = new Set([
  'CONTACT_POINT_REQUIRED',
  'SOURCE_REQUIRED',
  'LEGAL_BASIS_REQUIRED',
  'SCORE_BELOW_THRESHOLD',
  'RECYCLE_COOLDOWN',
  'CONSENT_WITHDRAWN',
  'NO_CONSENT',
  'NOT_HANDED_OFF',
  'NOT_IN_ASSIGNED_TEAM',
  'QUALIFICATION_INCOMPLETE',
  'NO_CONTACT_RECORDED',
  'DISCOVERY_NOT_HELD',
  'STAGE_CRITERIA_MISSING',
  'AMOUNT_INVALID',
  'NURTURE_TRACK_REQUIRED',
  'SEQUENCE_NOT_EXHAUSTED',
  'NOTHING_NEW',
]);

/** Common fields, filled in by `Decision`. */
type Filled =
  | 'leadId'
  | 'occurredAt'
  | 'availableAt'
  | 'fromState'
  | 'toState'
  | 'cycleNo'
  | 'stageVisitNo'
  | 'ownerId'
  | 'teamId'
  | 'skippedStages'
  | 'skipRule'
  | 'guardsWaived'
  | 'claimedOccurredAt'
  | 'clocks'
  | 'policyWarnings';
/** Events of the table of transitions that carry spec §3.5's record. */
export type MoveType = Exclude<
  { [T in LeadEventType]: LeadEventData<T> extends { stageVisitNo: number } ? T : never }[LeadEventType],
  'TransitionVoided'
>;
export type OwnData<T extends MoveType> = Omit<LeadEventData<T>, Filled>;

export interface MoveOptions {
  /** Clock events that belong to the move; written behind it and listed in it. */
  readonly clocks?: readonly LeadEvent[];
  readonly skippedStages?: readonly LeadStateName[];
  readonly skipRule?: string;
  readonly ownerId?: string | null;
  readonly teamId?: string | null;
  /** When a policy moves the lead at another time than the command's. */
  readonly atMs?: number;
}

/**
 * One command being decided: the lead as it will be after the events so far, and the events. A rule asks `guard`s, then `record`s
 * facts and `move`s the lead; a guard that throws discards all of it.
 */
export class Decision {
  readonly events: LeadEvent[] = [];
  /** What the conversation guards of an import would have refused, for the next move. */
  #waived: LeadErrorCode[] = [];
  #policy: { readonly by: string; readonly atMs: number } | null = null;

  constructor(
    public lead: LeadState,
    readonly context: DecideContext,
    /** When it happened in the business. */
    private readonly givenAtMs: number,
    /** What an import claimed before its time was clamped. */
    private readonly claimedAtMs?: number,
  ) {}

  /** When what is recorded now happened: the command's time, or the policy's that acts. */
  get atMs(): number {
    return this.#policy?.atMs ?? this.givenAtMs;
  }

  /** What `act` records is the policy's doing, at a time of its own (spec §3.3 "P:…"); `by` stands in the metadata as the actor. */
  asPolicy(by: string, atMs: number, act: () => void): void {
    const outer = this.#policy;
    this.#policy = { by, atMs };
    try {
      act();
    } finally {
      this.#policy = outer;
    }
  }

  /** The policy that acts, if one does. */
  get actingPolicy(): string | null {
    return this.#policy?.by ?? null;
  }

  get isImport(): boolean {
    return this.context.import !== undefined;
  }

  /** Who is answerable: the person an ops user acts for, else the actor. */
  get personId(): string {
    return this.context.actor.onBehalfOf ?? this.context.actor.id;
  }

  get isManager(): boolean {
    return this.isImport || ['sales_manager', 'admin', 'system'].includes(this.context.actor.role);
  }

  get isOps(): boolean {
    return ['ops', 'admin', 'system'].includes(this.context.actor.role);
  }

  /** The versions in force: now, or in imported history when it happened (spec §2.4). */
  get policyMs(): number {
    return this.isImport ? this.atMs : this.context.nowMs;
  }

  get pipeline(): Pipeline {
    return pipelineOf(this.context.policies, this.lead.leadType, this.policyMs);
  }

  /** The lead's team, or the one that handoffs without a team go to. */
  get teamId(): string {
    return this.lead.teamId ?? this.pipeline.defaultTeamId;
  }

  get state(): LeadStateName {
    if (this.lead.state === null) throw new LeadError('LEAD_NOT_FOUND', 'there is no such lead');
    return this.lead.state;
  }

  /** Throws `code` unless it holds; an import goes on with a conversation guard and notes it on the move. */
  guard(holds: boolean, code: LeadErrorCode, detail: string, facts: LeadErrorFacts = {}): void {
    if (holds) return;
    if (!this.isImport || !WAIVED_BY_IMPORT.has(code)) throw new LeadError(code, detail, facts);
    this.#waived.push(code);
  }

  /** Spec §3.4. */
  reason(kind: ReasonKind, code: string, note?: string): void {
    const known = this.pipeline.reasonCodes[kind];
    const reason = known.find((entry) => entry.code === code);
    const codes = known.map((entry) => entry.code);
    this.guard(
      reason !== undefined,
      'UNKNOWN_REASON_CODE',
      `${code} is no ${kind} reason; there are ${codes.join(', ')}`,
      {
        field: 'reasonCode',
        known: codes,
      },
    );
    const noteMissing = reason?.needsNote === true && (note ?? '').trim() === '';
    this.guard(!noteMissing, 'NOTE_REQUIRED', `reason ${code} needs a note`, { field: 'note' });
  }

  get nextEventId(): string {
    return this.context.eventId(this.events.length);
  }

  /** A fact; answers its event id. */
  record<T extends LeadEventType>(
    type: T,
    own: Omit<LeadEventData<T>, 'leadId' | 'occurredAt'>,
    atMs: number = this.atMs,
  ): string {
    const data: Record<string, unknown> = { leadId: this.lead.leadId, occurredAt: iso(atMs) };
    const { nowMs } = this.context;
    if (!this.isImport && SCORED_FACTS.has(type) && wholeSeconds(atMs) !== wholeSeconds(nowMs))
      data.availableAt = iso(nowMs);
    assignDefined(data, own);
    return this.#add({ type, data } as unknown as LeadEvent);
  }

  recordAll(events: readonly LeadEvent[]): void {
    for (const event of events) this.#add(event);
  }

  /** A transition with all that spec §3.5 records of it; answers its event id. `to` equal to the present state: a dated fact. */
  move<T extends MoveType>(type: T, to: LeadStateName, own: OwnData<T>, options: MoveOptions = {}): string {
    const { lead } = this;
    const { clocks = [], skippedStages = [] } = options;
    const staying = lead.state === to;
    const entersCycle = lead.state !== null && CYCLE_ENDING.has(lead.state) && RANK[to] > 0 && !staying;
    const ownerId = options.ownerId === undefined ? lead.ownerId : options.ownerId;
    const teamId = options.teamId === undefined ? lead.teamId : options.teamId;
    const transition = assignDefined(
      {
        fromState: lead.state,
        toState: to,
        cycleNo: lead.cycleNo + (entersCycle ? 1 : 0),
        stageVisitNo: lead.visits.length + (staying ? 0 : 1),
        ownerId: ownerId ?? undefined,
        teamId: teamId ?? undefined,
        skippedStages: skippedStages.length === 0 ? undefined : [...skippedStages],
        skipRule: options.skipRule,
        guardsWaived: this.#waived.length === 0 ? undefined : [...new Set(this.#waived)],
        claimedOccurredAt:
          this.claimedAtMs === undefined || options.atMs !== undefined ? undefined : iso(this.claimedAtMs),
        clocks: clocks.length === 0 ? undefined : listed(clocks),
      },
      own,
    );
    this.#waived = [];
    const eventId = this.record(type, transition as unknown as LeadEventData<T>, options.atMs);
    this.recordAll(clocks);
    return eventId;
  }

  #add(event: LeadEvent): string {
    const eventId = this.nextEventId;
    this.events.push(this.#policy === null ? event : { ...event, by: this.#policy.by });
    const revision = this.lead.revision + 1;
    const imported = this.isImport;
    this.lead = evolve(this.lead, event, { eventId, revision, recordedAtMs: this.context.nowMs, imported });
    return eventId;
  }

  // ---- clocks: events to be recorded with `move` or `recordAll`

  /** None when importing, and none that the team's agreement does not promise. */
  startClock(
    clockType: ClockType,
    startMs: number,
    teamId: string,
    ownerId?: string | null,
    stepNo?: number,
  ): LeadEvent[] {
    if (this.isImport) return [];
    const { lead, context } = this;
    const started = startClock({
      policies: context.policies,
      leadId: lead.leadId,
      clockId: context.newId(`clock-${clockType}`),
      clockType,
      startMs,
      teamId,
      ...(ownerId === undefined || ownerId === null ? {} : { ownerId }),
      ...(stepNo === undefined ? {} : { stepNo }),
    });
    const deferredUntilMs = lead.deferredUntilMs ?? 0;
    const clock = clockAfter(started);
    // An attempt made on hold; every other clock starts with a move that ends the hold.
    if (clock !== undefined && clockType === 'contact_cadence' && lead.onHold !== null) {
      return [...started, ...this.pause(clock, startMs, 'on_hold')];
    }
    if (clock === undefined || deferredUntilMs <= Math.max(startMs, context.nowMs)) return started;
    return [...started, ...this.pause(clock, startMs, 'deferred_by_lead', deferredUntilMs)];
  }

  /** The latest clock of the type, whatever its status. */
  clock(clockType: ClockType): SlaClock | undefined {
    return [...this.lead.clocks.values()].findLast((clock) => clock.clockType === clockType);
  }

  stop(clock: SlaClock | undefined, byEventId: string, atMs: number = this.atMs): LeadEvent[] {
    if (clock === undefined) return [];
    return stopClock({ ...this.#judged(clock), atMs, byEventId });
  }

  cancel(reason: CancelReason, types?: readonly ClockType[]): LeadEvent[] {
    return [...this.lead.clocks.values()]
      .filter((clock) => isOpenClock(clock) && (types === undefined || types.includes(clock.clockType)))
      .flatMap((clock) => cancelClock({ ...this.#judged(clock), atMs: this.atMs, reason }));
  }

  pause(clock: SlaClock, atMs: number, reason: string, untilMs?: number): LeadEvent[] {
    return pauseClock({ ...this.#judged(clock), atMs, reason, ...(untilMs === undefined ? {} : { untilMs }) });
  }

  resume(clock: SlaClock, atMs: number): LeadEvent[] {
    return resumeClock({ ...this.#judged(clock), atMs });
  }

  #judged(clock: SlaClock) {
    return { clock, policies: this.context.policies, nowMs: this.context.nowMs };
  }
}

/** @throws LeadError NOT_READY */
export function pipelineOf(policies: PolicyBook, leadType: string, atMs: number): Pipeline {
  try {
    return policies.pipeline(leadType, atMs);
  } catch (error) {
    if (error instanceof PolicyError) throw new LeadError('NOT_READY', error.detail, { missing: policies.missing() });
    throw error;
  }
}

/** Mandatory stages between two states, for a forward move that leaves them out. */
export const stagesBetween = (from: LeadStateName, to: LeadStateName): LeadStateName[] =>
  LADDER.filter((stage) => RANK[stage] > Math.max(RANK[from], RANK.LEAD) && RANK[stage] < RANK[to]);

/** The clock that start events bring about. */
export const clockAfter = (started: readonly LeadEvent[]): SlaClock | undefined =>
  [...started.reduce(evolveClock, new Map<string, SlaClock>() as ReadonlyMap<string, SlaClock>).values()][0];

function listed(clocks: readonly LeadEvent[]): LeadEventData<'MarkedMQL'>['clocks'] {
  const ids = (...types: LeadEventType[]) => {
    const found = clocks.flatMap(({ type, data }) => (types.includes(type) && 'clockId' in data ? data.clockId : []));
    return found.length === 0 ? undefined : [...new Set(found)];
  };
  const lists = defined({
    started: ids('SlaClockStarted'),
    stopped: ids('SlaClockStopped'),
    paused: ids('SlaClockPaused'),
    resumed: ids('SlaClockResumed'),
    cancelled: ids('SlaClockCancelled'),
  });
  return Object.keys(lists).length === 0 ? undefined : lists;
}

/** Without the fields that are undefined: what is not so is not written. */
export const defined = <T extends object>(fields: T): T => assignDefined({}, fields) as T;

/** Adds the defined ones of `fields` to `target`. A loop: every event passes here, and spreading costs five times as much. */
function assignDefined(target: Record<string, unknown>, fields: object): Record<string, unknown> {
  const source = fields as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(source)) {
    const value = source[key];
    if (value !== undefined) target[key] = value;
  }
  return target;
}

export const iso = (instantMs: number): string => new Date(instantMs).toISOString();
