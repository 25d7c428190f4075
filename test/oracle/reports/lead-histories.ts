import fc from 'fast-check';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { absorptionOf } from '#libs/lead/src/absorption.js';
import type { ClockType, LeadEvent, LeadEventType } from '#libs/lead/src/events.js';
import {
  type CancelReason,
  cancelClock,
  evolveClock,
  isOpenClock,
  pauseClock,
  resumeClock,
  type SlaClock,
  type SlaClocks,
  settleClocks,
  startClock,
  stopClock,
  voidClock,
} from '#libs/lead/src/sla-clocks.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { initialLead } from '#libs/lead/src/state.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { Past, type PastLead } from '#libs/read-models/src/given-when-then.js';

/**
 * Random histories of three leads by the rules of spec §3.3: skips, returns, recycles, voids, corrections, holds, late breaches and
 * late evidence, merges and merges taken back.
 */

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** The week before Europe's clocks go forward. */
export const BEGIN = Date.parse('2018-03-19T08:00:00.000Z');
export const iso = (ms: number): string => new Date(ms).toISOString();

export const policies = new PolicyBook();
for (const event of defaultConfigEvents(0)) policies.apply(event);
/** So that leads expire within a history. */
export const EXPIRES_MS = 5 * DAY;
const pipeline = policies.pipeline('', BEGIN);
const impatient = { ...pipeline, version: 2, staleDays: { ...pipeline.staleDays, RECYCLED: 5 } };
for (const [type, data] of [
  ['PipelineDefined', { ...impatient, occurredAt: iso(0) }],
  ['PipelineActivated', { version: 2, effectiveFrom: iso(0), occurredAt: iso(0) }],
] as const)
  policies.apply({ stream: 'pipeline-default', type, data });
/** Sam leaves for good, Sue for ten days; Mia is nobody that the ledger ever knew. */
for (const [type, repId, day] of [
  ['RepJoined', 'sam', -90],
  ['RepJoined', 'sue', -90],
  ['RepLeft', 'sam', 12],
  ['RepLeft', 'sue', 20],
  ['RepJoined', 'sue', 30],
] as const)
  policies.apply({
    stream: `rep-${repId}`,
    type,
    data: { repId, teamId: 'sales', skills: [], occurredAt: iso(BEGIN + day * DAY) },
  });

export interface Step {
  readonly lead: number;
  readonly pick: number;
  readonly minutes: number;
  readonly late: number;
  readonly sweep: boolean;
  readonly value: number;
}
export const steps = fc.array(
  fc.record({
    lead: fc.nat(2),
    pick: fc.nat(9999),
    minutes: fc.oneof(fc.nat(300), fc.nat(6000)),
    late: fc.oneof(fc.constant(0), fc.nat(3000)),
    sweep: fc.boolean(),
    value: fc.nat(999),
  }),
  { minLength: 1, maxLength: 150, size: 'max' },
);

interface Snapshot {
  handoffId: string | null;
  dealId: string | null;
  requalifying: boolean;
  held: boolean;
  started: string[];
  ended: string[];
}

/** Facts that may have been entered with a wrong time. */
const MISTIMED: ReadonlySet<string> = new Set([
  'BehaviourRecorded',
  'CaptureRepeated',
  'ContactAttempted',
  'ContactPersonVerified',
  'ContactSequenceExhausted',
  'GoalIdentified',
  'LeadDetailsUpdated',
  'LeadResponded',
  'MeetingHeld',
  'NurtureTouchSent',
  'PutOnHold',
  'RoleIdentified',
]);
const DEAL_STAGES = ['meeting_booked', 'demo', 'quote_development', 'quote_presented', 'negotiation'];
const CAME_AGAIN = { captureMethod: 'form', interest: { kind: 'passive' } };
const SCORED = { modelId: 'default', modelVersion: 1, fit: 0, engagement: 0, penalties: 0, grade: 'B', band: 'warm' };
/** The times between which a visit's transition stays in order: those of visits and deal stages before and after it. */
export function stepsAround(
  { leadId, past, visits }: PastLead,
  index: number,
  nowMs: number,
): [low: number, high: number] {
  const own = past.events.filter(({ stream }) => stream === `lead-${leadId}`);
  const place = own.findIndex(({ id }) => id === visits[index]?.eventId);
  const moves = own.filter(({ type }) => type === 'DealStageChanged');
  const times = (some: readonly RecordedEvent[]): number[] =>
    some.map(({ data }) => Date.parse((data as { occurredAt: string }).occurredAt));
  const low = Math.max(
    (visits[index - 1] as { atMs: number }).atMs,
    ...times(moves.filter((move) => own.indexOf(move) < place)),
  );
  const later = times(moves.filter((move) => own.indexOf(move) > place));
  return [low, Math.min(visits[index + 1]?.atMs ?? Math.max(nowMs, low), ...later)];
}

/** C1, C2 or none. */
const campaignOf = (value: number) => (value % 4 < 2 ? { campaignId: `C${1 + (value % 2)}` } : {});

/** A lead that plays by the rules of spec §3.3 and lets libs/lead keep its clocks. */
export class Player {
  readonly lead: PastLead;
  clocks: SlaClocks = new Map();
  held = false;
  requalifying = false;
  stack: Snapshot[] = [];
  lastMs = 0;
  readonly duplicates = new Map<string, Player>();
  beforeMergeMs = 0;
  /** Of its deal. */
  currency = 'EUR';

  constructor(
    past: Past,
    readonly number: number,
  ) {
    this.lead = past.lead();
  }

  emit(events: readonly LeadEvent[], nowMs: number): void {
    for (const event of events) {
      this.lead.append(event, { recordedMs: nowMs });
      this.clocks = evolveClock(this.clocks, event);
      if (event.type === 'SlaClockStarted') this.stack.at(-1)?.started.push(event.data.clockId);
    }
  }

  sweep(nowMs: number): void {
    this.emit(settleClocks({ clocks: this.clocks, policies, nowMs, recordedBy: 'sweeper' }), nowMs);
  }

  open(type: ClockType): SlaClock[] {
    return [...this.clocks.values()].filter((clock) => clock.clockType === type && isOpenClock(clock));
  }

  start(clockType: ClockType, startMs: number, nowMs: number): void {
    const clockId = this.lead.newId('clock');
    this.emit(startClock({ policies, leadId: this.lead.leadId, clockId, clockType, startMs, teamId: 'sales' }), nowMs);
  }

  stop(clockType: ClockType, atMs: number, nowMs: number): void {
    for (const clock of this.open(clockType)) {
      this.emit(stopClock({ clock, policies, atMs, nowMs, byEventId: 'fact' }), nowMs);
      this.stack.at(-1)?.ended.push(clock.clockId);
    }
  }

  cancelAll(reason: CancelReason, atMs: number, nowMs: number): void {
    for (const clock of [...this.clocks.values()].filter(isOpenClock)) {
      this.emit(cancelClock({ clock, policies, atMs, nowMs, reason }), nowMs);
      this.stack.at(-1)?.ended.push(clock.clockId);
    }
  }

  go(type: LeadEventType, to: LeadStateName, atMs: number, nowMs: number, data: object = {}): void {
    const { dealId, handoffId } = this.lead;
    this.stack.push({ handoffId, dealId, requalifying: this.requalifying, held: this.held, started: [], ended: [] });
    this.lead.transition(type as 'MarkedMQL', to, atMs, data, { recordedMs: nowMs });
    this.lead.handoffId = null;
    this.held = false;
    this.lastMs = atMs;
  }

  void(nowMs: number): void {
    const before = this.stack.pop() as Snapshot;
    const restoredState = this.lead.visits.at(-2)?.state as LeadStateName;
    for (const clockId of before.started) {
      const clock = this.clocks.get(clockId) as SlaClock;
      const events = voidClock({ clock, atMs: nowMs, voidEventId: 'void' });
      this.emit(events, nowMs);
    }
    const reopened = before.ended.filter((clockId) => !before.started.includes(clockId));
    this.lead.voided(nowMs, reopened.length === 0 ? {} : { reopenedClockIds: reopened }, { recordedMs: nowMs });
    const event = this.lead.past.events.at(-1) as RecordedEvent;
    this.clocks = evolveClock(this.clocks, { type: event.type, data: event.data } as unknown as LeadEvent);
    this.lead.handoffId = before.handoffId;
    this.lead.dealId = before.dealId;
    this.requalifying = before.requalifying;
    this.held = ['SAL', 'SQL', 'OPPORTUNITY'].includes(restoredState) && (this.held || before.held);
  }

  /** Both steps of a merge, this lead the survivor. */
  merge(duplicate: Player, mergeId: string, nowMs: number): void {
    const told = this.lead.past.events
      .filter(({ stream }) => stream === `lead-${duplicate.lead.leadId}`)
      .map((e) => ({
        event: { type: e.type, data: e.data } as unknown as LeadEvent,
        eventId: e.id,
        recordedAtMs: e.recordedAtMs,
      }));
    const absorption = absorptionOf(told);
    const duplicateLeadId = duplicate.lead.leadId;
    const merge = { mergeId, duplicateLeadId, duplicateRevision: told.length - 1 };
    this.lead.fact('DuplicateAbsorbed', nowMs, { ...merge, ...absorption }, { recordedMs: nowMs });
    this.duplicates.set(mergeId, duplicate);
    const { lastMs } = duplicate;
    const atMs = Math.max(lastMs, nowMs);
    duplicate.go('MergedInto', 'MERGED', atMs, nowMs, { mergeId, survivorLeadId: this.lead.leadId });
    duplicate.cancelAll('merged', atMs, nowMs);
    duplicate.beforeMergeMs = lastMs;
  }

  unmerge(mergeId: string, nowMs: number): void {
    const duplicate = this.duplicates.get(mergeId) as Player;
    this.duplicates.delete(mergeId);
    const duplicateLeadId = duplicate.lead.leadId;
    const reverted = { mergeId, duplicateLeadId, survivorLeadId: this.lead.leadId, cause: 'unmerged' as const };
    this.lead.fact('MergeReverted', nowMs, reverted, { recordedMs: nowMs });
    const before = duplicate.stack.pop() as Snapshot;
    duplicate.lead.visits.pop();
    const data = { ...reverted, leadId: duplicateLeadId, occurredAt: iso(nowMs), reopenedClockIds: before.ended };
    duplicate.emit([{ type: 'MergeReverted', data }], nowMs);
    duplicate.lead.handoffId = before.handoffId;
    duplicate.held = before.held;
    duplicate.lastMs = duplicate.beforeMergeMs;
  }

  /** As the domain has it. */
  get owner(): string | null {
    let lead = initialLead(this.lead.leadId);
    for (const { data, id, recordedAtMs, revision, type } of this.#own())
      lead = evolve(lead, { type, data } as unknown as LeadEvent, { eventId: id, revision, recordedAtMs });
    return lead.ownerId;
  }

  #own(): RecordedEvent[] {
    return this.lead.past.events.filter(({ stream }) => stream === `lead-${this.lead.leadId}`);
  }

  /** As corrected the last time. */
  timeOf({ data, id }: RecordedEvent): number {
    const corrections = this.#own().filter((e) => (e.data as { correctedEventId?: string }).correctedEventId === id);
    const last = corrections.at(-1)?.data as { new: string } | undefined;
    return Date.parse(last?.new ?? (data as { occurredAt: string }).occurredAt);
  }

  /** One of the facts that change no state. */
  told({ value }: Step, fact: (type: LeadEventType, data: object) => void): void {
    const { lead } = this;
    const facts: (readonly [LeadEventType, object])[] = [
      ['LeadResponded', { channel: 'email', sentiment: value % 5 === 0 ? 'opt_out' : 'positive' }],
      ['LeadResponded', { channel: 'phone', sentiment: 'neutral' }],
      ['MeetingHeld', { meetingId: lead.newId('m'), outcome: value % 2 === 0 ? 'successful' : 'no_show' }],
      ['ContactSequenceExhausted', { sequenceId: 'standard', attemptsMade: 6, responses: 0 }],
      ['LeadScored', { ...SCORED, total: value * 100 }],
      ['LeadScored', { ...SCORED, total: value * 10 }],
      ['CaptureRepeated', { source: { channel: 'referral', ...campaignOf(value) }, ...CAME_AGAIN }],
      ['CaptureRepeated', { source: value % 2 === 0 ? { channel: 'email', code: 'mail' } : {}, ...CAME_AGAIN }],
      [
        'LeadDetailsUpdated',
        { changes: [{ field: 'companyName' }, { field: 'phone' }], kind: 'manual', verified: true },
      ],
      ['LeadDetailsUpdated', { changes: [{ field: 'country' }], kind: 'manual', verified: value % 2 === 0 }],
      ['DataQualityChecked', { completeness: (value % 10) / 10, staleFields: [] }],
      ['ContactPersonVerified', { isDecisionMaker: true, evidence: 'call' }],
      ['RoleIdentified', { role: value % 2 === 0 ? 'unknown' : 'influencer', confidence: 1 }],
      ['GoalIdentified', { challengeCode: 'growth', interestedInBuying: 'yes' }],
      ['LinkedToAccount', { accountId: 'acme', basis: 'manual' }],
      ['UnlinkedFromAccount', { accountId: 'acme', basis: 'manual' }],
      ['PersonaAssigned', { personaId: value % 2 === 0 ? 'cfo' : 'cto', personaVersion: 1, confidence: 1 }],
      ['IcpFitAssessed', { icpId: 'icp', icpVersion: 1, result: value % 2 === 0 ? 'pass' : 'fail', failures: [] }],
    ];
    fact(...(facts[value % facts.length] as readonly [LeadEventType, object]));
  }

  /** Two-way communication begins once (spec T3). */
  answered(): boolean {
    const own = this.#own();
    const voided = new Set(own.map((e) => (e.data as { voidedEventId?: string }).voidedEventId));
    return own.some(({ id, type }) => type === 'BecameProspect' && !voided.has(id));
  }

  play(step: Step, nowMs: number): void {
    const { lead } = this;
    if (lead.state === 'MERGED') return;
    const atMs = Math.max(this.lastMs, nowMs - step.late * 60_000);
    const options: (() => void)[] = [];
    const can = (action: () => void): void => void options.push(action);
    const when = { recordedMs: nowMs };
    if (lead.state === null) {
      this.stack.push({ handoffId: null, dealId: null, requalifying: false, held: false, started: [], ended: [] });
      lead.captured(
        atMs,
        {
          initialStage: step.value % 4 === 0 ? 'subscriber' : 'lead',
          leadType: step.value % 3 === 0 ? 'existing_customer' : 'new_business',
          source:
            step.value % 5 === 0
              ? {}
              : { channel: 'search', ...(step.value % 2 === 0 ? { code: 'seo' } : {}), ...campaignOf(step.value) },
          role: step.value % 8 < 3 ? 'decision_maker' : 'unknown',
          identityKeys: step.value % 3 === 1 ? [{ kind: 'phone', keyHash: `p${this.number}` }] : [],
          ...(step.value % 3 === 0 ? { emailKind: 'company' as const } : {}),
          ...(step.value % 6 === 0 ? { companyName: 'Acme' } : {}),
          ...(step.value % 10 === 0 ? { accountId: 'acme' } : {}),
          ...(step.value % 7 < 3 ? { location: { country: step.value % 7 === 0 ? 'DE' : 'BR' } } : {}),
          ...(step.value % 11 < 5 ? { ownerId: 'mia', teamId: 'marketing' } : {}),
        },
        when,
      );
      this.lastMs = atMs;
      return;
    }

    const fact = (type: LeadEventType, data: object): void => {
      lead.append({ type, data: { occurredAt: iso(nowMs - step.late * 60_000), ...data } }, when);
    };
    const behaviours = lead.past.events.filter(
      ({ data: told, stream, type }) =>
        stream === `lead-${lead.leadId}` &&
        (MISTIMED.has(type) || (type === 'BecameProspect' && (told as { toState: string }).toState === 'MQL')),
    );
    const answered = this.answered();
    const mistimed = behaviours[step.value % Math.max(1, behaviours.length)];
    if (mistimed !== undefined) {
      // A hold keeps its order with its end: it is moved to an earlier time only.
      const old = this.timeOf(mistimed);
      const moved = old - (step.value % 50) * HOUR;
      can(() => {
        const correction = { correctedEventId: mistimed.id, old: iso(old), new: iso(moved), reason: 'typo' };
        lead.fact('OccurredAtCorrected', nowMs, { ...correction, approvedBy: 'gil' }, when);
      });
    }
    can(() => {
      const kind = (['page_view', 'bounce', 'complaint', 'unsubscribe', 'webinar_attended'] as const)[step.value % 5];
      fact('BehaviourRecorded', { behaviourId: lead.newId('b'), kind, count: 1, ...campaignOf(step.value) });
    });
    can(() => this.told(step, fact));
    can(() => this.told(step, fact));
    can(() => {
      const touch = { trackId: 'drip', step: 1, channel: 'email', contentId: 'guide', oneToMany: false };
      fact('NurtureTouchSent', touch);
    });
    can(() => {
      const outcome = step.value % 6 === 0 ? 'bounced' : 'voicemail';
      fact('ContactAttempted', { attemptId: lead.newId('a'), channel: 'phone', qualifies: true, outcome });
      this.stop('first_contact', Math.max(nowMs - step.late * 60_000, 0), nowMs);
    });
    can(() => {
      const event = { leadId: lead.leadId, occurredAt: iso(nowMs), ownerId: step.value % 2 === 0 ? 'sam' : 'sue' };
      const previousOwnerId = this.owner;
      const before = previousOwnerId === null ? {} : { previousOwnerId };
      this.emit([{ type: 'OwnerAssigned', data: { ...event, ...before, teamId: 'sales', reason: 'manual' } }], nowMs);
    });
    if (lead.visits.length > 1) {
      can(() => this.void(nowMs));
      can(() => {
        // Any standing visit but the first, to a time that keeps the order.
        const index = 1 + (step.value % (lead.visits.length - 1));
        const visit = lead.visits[index] as { eventId: string; atMs: number };
        const [low, high] = stepsAround(lead, index, nowMs);
        const newMs = low + Math.floor((Math.max(0, high - low) * (step.value % 10)) / 10);
        lead.fact(
          'OccurredAtCorrected',
          nowMs,
          { correctedEventId: visit.eventId, old: iso(visit.atMs), new: iso(newMs), reason: 'typo', approvedBy: 'gil' },
          when,
        );
        visit.atMs = newMs;
        if (index === lead.visits.length - 1) this.lastMs = newMs;
      });
    }
    const notes = options.length;
    const mark = (): void => {
      const basis = (['marketing', 'product', 'service'] as const)[step.value % 3] as string;
      const type = { marketing: 'MarkedMQL', product: 'MarkedPQL', service: 'MarkedServiceQualified' }[basis];
      this.go(type as LeadEventType, 'MQL', atMs, nowMs, { basis, mode: step.value % 2 === 0 ? 'auto' : 'manual' });
      this.cancelAll('withdrawn', atMs, nowMs);
    };
    const skip = (): void => {
      const implicitAcceptance = step.value % 2 === 0;
      const ownerId = step.value % 5 === 0 ? undefined : 'sue';
      const mode = step.value % 8 === 1 ? 'auto' : 'manual';
      this.go('MarkedSQL', 'SQL', atMs, nowMs, { implicitAcceptance, skippedStages: ['SAL'], ownerId, mode });
      if (implicitAcceptance) this.stop('handoff_response', atMs, nowMs);
      else this.cancelAll('withdrawn', atMs, nowMs);
      this.start('first_contact', atMs, nowMs);
    };
    const out = (type: 'Disqualified' | 'MarkedJunk'): void => {
      this.go(type, type === 'MarkedJunk' ? 'JUNK' : 'DISQUALIFIED', atMs, nowMs, { reasonCode: 'spam' });
      this.cancelAll(type === 'MarkedJunk' ? 'junk' : 'disqualified', atMs, nowMs);
    };
    const recycle = (): void => {
      const { dealId } = lead;
      const closed = dealId === null ? {} : { closedDealId: dealId };
      const reasonCode = (['no_initiative', 'timing', 'unresponsive'] as const)[step.value % 3];
      this.go('RecycledNotReady', 'RECYCLED', atMs, nowMs, { reasonCode, ...closed });
      lead.dealId = null;
      this.requalifying = false;
      this.cancelAll('recycled', atMs, nowMs);
      this.start('recycle_reengagement', atMs, nowMs);
    };
    const close = (won: boolean): void => {
      const dealId = lead.dealId ?? lead.newId('deal');
      const amount = step.value % 3 === 0 ? { amountMinor: step.value, currency: 'USD' } : null;
      const fxRateToReporting = step.value % 2 === 0 ? '0.81' : '1';
      if (won) this.go('DealWon', 'CUSTOMER', atMs, nowMs, { dealId, amount, closedAt: iso(atMs), fxRateToReporting });
      else {
        const reasonCode = step.value % 4 === 0 ? 'decision_maker_left' : 'price';
        this.go('DealLost', 'LOST', atMs, nowMs, { dealId, amount, reasonCode, nurtureTouches: step.value % 5 });
      }
      lead.dealId = null;
      this.requalifying = false;
      this.cancelAll('lost', atMs, nowMs);
      if (won) this.start('post_sale_followup', atMs, nowMs);
    };
    const hold = (): void => {
      if (this.held) {
        lead.fact('ResumedFromHold', atMs, { heldForS: 1 }, when);
        for (const clock of this.clocks.values()) this.emit(resumeClock({ clock, policies, atMs, nowMs }), nowMs);
      } else {
        lead.fact('PutOnHold', atMs, { reasonCode: 'budget_cycle' }, when);
        for (const clock of this.clocks.values()) {
          const untilMs = step.value % 2 === 0 ? undefined : nowMs + step.value * HOUR;
          const pause = { clock, policies, atMs, nowMs, reason: 'hold', ...(untilMs === undefined ? {} : { untilMs }) };
          this.emit(pauseClock(pause), nowMs);
        }
      }
      this.held = !this.held;
      this.lastMs = atMs;
    };
    switch (lead.state) {
      case 'SUBSCRIBER':
        can(() => this.go('PromotedToLead', 'LEAD', atMs, nowMs));
        can(mark);
        can(() => out('MarkedJunk'));
        break;
      case 'LEAD':
        if (!answered) can(() => this.go('BecameProspect', 'PROSPECT', atMs, nowMs));
        can(mark);
        can(mark);
        can(skip);
        can(() => close(true));
        break;
      case 'PROSPECT':
        can(mark);
        can(skip);
        can(() => out('Disqualified'));
        break;
      case 'MQL':
        if (!answered)
          can(() => {
            const data = { fromState: 'MQL', toState: 'MQL', cycleNo: 1, stageVisitNo: 1 } as const;
            lead.fact('BecameProspect', nowMs, { ...data, evidenceEventId: 'x', channel: 'email' }, when);
          });
        can(() => {
          this.go('QualificationWithdrawn', 'LEAD', atMs, nowMs, { reason: 'error' });
          this.cancelAll('withdrawn', atMs, nowMs);
        });
        can(skip);
        if (lead.handoffId === null) {
          for (let weight = 0; weight < 4; weight += 1) {
            can(() => {
              lead.handedOff(atMs, step.value % 2 === 0 ? {} : { ownerId: 'sam' });
              this.lastMs = atMs;
              this.start('handoff_response', nowMs, nowMs);
            });
          }
        } else {
          for (let weight = 0; weight < 3; weight += 1) {
            can(() => {
              const { handoffId } = lead;
              this.go('AcceptedBySales', 'SAL', atMs, nowMs, { handoffId, acceptedBy: 'sam', ownerId: 'sam' });
              this.stop('handoff_response', atMs, nowMs);
              this.start('first_contact', atMs, nowMs);
            });
          }
          can(() => {
            const { handoffId } = lead;
            const reasonCode = step.value % 2 === 0 ? 'bad_data' : 'territory';
            const failedCriteria = step.value % 3 === 0 ? ['r1'] : ['r1', 'r2'];
            this.go('RejectedBySales', 'RECYCLED', atMs, nowMs, { handoffId, reasonCode, failedCriteria });
            this.stop('handoff_response', atMs, nowMs);
            this.start('recycle_reengagement', atMs, nowMs);
          });
        }
        break;
      case 'SAL':
        can(hold);
        if (!this.held) can(() => this.go('MarkedSQL', 'SQL', atMs, nowMs, { implicitAcceptance: false }));
        can(recycle);
        break;
      case 'SQL':
        can(hold);
        if (!this.held) {
          if (this.requalifying) {
            can(() => {
              this.go('OpportunityResumed', 'OPPORTUNITY', atMs, nowMs, { dealId: lead.dealId, dealStage: 'demo' });
              this.requalifying = false;
            });
            can(() => close(false));
          } else {
            for (let weight = 0; weight < 3; weight += 1) {
              can(() => {
                const dealId = lead.newId('deal');
                const currency = step.value % 7 === 0 ? 'USD' : step.value % 11 === 0 ? 'GBP' : 'EUR';
                const amount = { amountMinor: 1000 + step.value, currency };
                const dealStage = step.value % 2 === 0 ? 'demo' : 'negotiation';
                const expectedCloseDate = iso(BEGIN + (step.value % 90) * DAY).slice(0, 10);
                const horizon = step.value % 3 === 0 ? 'long' : 'short';
                const data = { dealId, amount, dealStage, expectedCloseDate, horizon };
                this.currency = amount.currency;
                this.go('OpportunityOpened', 'OPPORTUNITY', atMs, nowMs, data);
                lead.dealId = dealId;
              });
            }
          }
        }
        can(recycle);
        // With an open deal it would have to be lost first (spec T18).
        if (!this.requalifying) can(() => out('Disqualified'));
        break;
      case 'OPPORTUNITY':
        can(hold);
        can(() => {
          const data = { dealId: lead.dealId as string, old: { amountMinor: 1, currency: this.currency }, reason: '' };
          const amount = { amountMinor: step.value, currency: this.currency };
          lead.fact('DealAmountChanged', nowMs, { ...data, new: amount }, when);
        });
        can(() => {
          const dealId = lead.dealId as string;
          if (step.value % 3 === 0) {
            const amount = { amountMinor: 500 + step.value, currency: this.currency };
            fact('DealValueVerified', { dealId, amount, verifiedBy: 'gil', evidence: 'offer' });
          } else if (step.value % 3 === 1) {
            const closeDate = iso(BEGIN + (step.value % 120) * DAY).slice(0, 10);
            fact('DealCloseDateChanged', { dealId, old: '2018-09-01', new: closeDate, reason: 'later' });
          } else {
            const to = DEAL_STAGES[step.value % DEAL_STAGES.length] as string;
            lead.fact('DealStageChanged', atMs, { dealId, from: 'demo', to, direction: 'forward', skipped: [] }, when);
            this.lastMs = atMs;
          }
        });
        can(() => {
          this.go('OpportunityReturnedToQualification', 'SQL', atMs, nowMs, { dealId: lead.dealId, reasonCode: 'x' });
          this.requalifying = true;
        });
        can(() => close(true));
        can(() => close(true));
        can(() => close(false));
        can(recycle);
        break;
      case 'CUSTOMER':
        can(() => this.stop('post_sale_followup', atMs, nowMs));
        can(mark);
        break;
      case 'RECYCLED':
        can(mark);
        can(skip);
        can(() => out('MarkedJunk'));
        break;
      case 'LOST':
        can(recycle);
        can(() => this.go('LeadReopened', 'LEAD', atMs, nowMs, { reasonCode: 'asked_again' }));
        break;
      case 'DISQUALIFIED':
      case 'JUNK':
        can(() => this.go('LeadReopened', 'PROSPECT', atMs, nowMs, { reasonCode: 'asked_again' }));
        break;
      default:
    }
    // Every other step is a move, so that histories go deep.
    const moves = options.slice(notes);
    const pool = step.minutes % 2 === 0 || moves.length === 0 ? options : moves;
    pool[step.pick % pool.length]?.();
  }
}

/** Two of the leads become one, or two again. */
function joinOrPart(players: readonly Player[], survivor: Player, { pick, value }: Step, nowMs: number): void {
  const alive = ({ lead }: Player): boolean => lead.state !== null && lead.state !== 'MERGED';
  if (!alive(survivor)) return;
  const [merged] = [...survivor.duplicates.keys()];
  if (merged !== undefined && pick % 2 === 0) return survivor.unmerge(merged, nowMs);
  const others = players.filter((one) => one !== survivor && alive(one));
  const duplicate = others[value % Math.max(1, others.length)];
  if (duplicate !== undefined) survivor.merge(duplicate, `merge${survivor.lead.past.events.length}`, nowMs);
}

export function playAll(history: readonly Step[]): { past: Past; players: Player[]; nowMs: number } {
  const past = new Past();
  const players = Array.from({ length: 3 }, (_, number) => new Player(past, number));
  let nowMs = BEGIN;
  for (const step of history) {
    // The extra millisecond tells the times of any two facts apart.
    nowMs += step.minutes * 60_000 + 1;
    if (step.sweep) for (const player of players) player.sweep(nowMs);
    const player = players[step.lead] as Player;
    if (step.value % 9 === 0) joinOrPart(players, player, step, nowMs);
    else player.play(step, nowMs);
  }
  return { past, players, nowMs: nowMs + 1 };
}
