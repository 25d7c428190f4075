import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { ClockType, LeadEvent, LeadEventType } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { absorptionOf } from '#libs/lead/src/absorption.js';
import {
  type CancelReason,
  cancelClock,
  evolveClock,
  isOpenClock,
  nextDueMs,
  pauseClock,
  resumeClock,
  type SlaClock,
  type SlaClocks,
  settleClocks,
  startClock,
  stopClock,
  voidClock,
} from '#libs/lead/src/sla-clocks.js';
import { initialLead } from '#libs/lead/src/state.js';
import { LADDER, LEAD_STATES, type LeadStateName, RANK } from '#libs/lead/src/states.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { foldBatch, Past, type PastLead, viewOf } from './given-when-then.js';
import { funnelProjection } from './funnel-projection.js';
import { drillLeads, listLeads, REPORT_NAMES, type ReportName, runReport } from './reports.js';
import { ReportError } from './report-error.js';
import { MemoryStore } from './store/memory-store.js';
import type { ReadView } from './store/read-store.js';
import { RedisStore } from './store/redis-store.js';
import { DUE_SET } from './sla.js';
import { hasRedis, startRedis } from '../../../test/support/redis-server.js';

/**
 * Every report against slow and obvious code that reads the plain events: random histories with skips, returns, recycles,
 * voids, corrections, holds, late breaches and late evidence, merges and merges taken back, folded in random batches.
 */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The week before Europe's clocks go forward. */
const BEGIN = Date.parse('2018-03-19T08:00:00.000Z');
const iso = (ms: number): string => new Date(ms).toISOString();

// ---------------------------------------------------------------------------------------------- random histories

const policies = new PolicyBook();
for (const event of defaultConfigEvents(0)) policies.apply(event);
/** So that leads expire within a history. */
const EXPIRES_MS = 5 * DAY;
const pipeline = policies.pipeline('', BEGIN);
const impatient = { ...pipeline, version: 2, staleDays: { ...pipeline.staleDays, RECYCLED: 5 } };
for (const [type, data] of [
  ['PipelineDefined', { ...impatient, occurredAt: iso(0) }],
  ['PipelineActivated', { version: 2, effectiveFrom: iso(0), occurredAt: iso(0) }],
] as const)
  policies.apply({ stream: 'pipeline-default', type, data });

interface Step {
  readonly lead: number;
  readonly pick: number;
  readonly minutes: number;
  readonly late: number;
  readonly sweep: boolean;
  readonly value: number;
}
const steps = fc.array(
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

/** A lead that plays by the rules of spec §3.3 and lets libs/lead keep its clocks. */
class Player {
  readonly lead: PastLead;
  clocks: SlaClocks = new Map();
  held = false;
  requalifying = false;
  stack: Snapshot[] = [];
  lastMs = 0;
  readonly duplicates = new Map<string, Player>();
  beforeMergeMs = 0;

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

  /** Two-way communication begins once (spec T3). */
  answered(): boolean {
    const own = this.lead.past.events.filter(({ stream }) => stream === `lead-${this.lead.leadId}`);
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
          source: step.value % 5 === 0 ? {} : { channel: 'search', ...(step.value % 2 === 0 ? { code: 'seo' } : {}) },
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
        (['BehaviourRecorded', 'ContactAttempted', 'NurtureTouchSent', 'PutOnHold'].includes(type) ||
          (type === 'BecameProspect' && (told as { toState: string }).toState === 'MQL')),
    );
    const answered = this.answered();
    const mistimed = behaviours[step.value % Math.max(1, behaviours.length)];
    if (mistimed !== undefined) {
      // A hold keeps its order with its end: it is moved to an earlier time only.
      const old = Date.parse((mistimed.data as { occurredAt: string }).occurredAt);
      const moved = old - (step.value % 50) * HOUR;
      can(() => {
        const correction = { correctedEventId: mistimed.id, old: iso(old), new: iso(moved), reason: 'typo' };
        lead.fact('OccurredAtCorrected', nowMs, { ...correction, approvedBy: 'gil' }, when);
      });
    }
    can(() => fact('BehaviourRecorded', { behaviourId: lead.newId('b'), kind: 'page_view', count: 1 }));
    can(() => {
      const touch = { trackId: 'drip', step: 1, channel: 'email', contentId: 'guide', oneToMany: false };
      fact('NurtureTouchSent', touch);
    });
    can(() => {
      fact('ContactAttempted', { attemptId: lead.newId('a'), channel: 'phone', qualifies: true, outcome: 'voicemail' });
      this.stop('first_contact', Math.max(nowMs - step.late * 60_000, 0), nowMs);
    });
    can(() => {
      const event = { leadId: lead.leadId, occurredAt: iso(nowMs), ownerId: step.value % 2 === 0 ? 'sam' : 'sue' };
      this.emit([{ type: 'OwnerAssigned', data: { ...event, teamId: 'sales', reason: 'manual' } }], nowMs);
    });
    if (lead.visits.length > 1) {
      can(() => this.void(nowMs));
      can(() => {
        // Any standing visit but the first, to a time that keeps the order.
        const index = 1 + (step.value % (lead.visits.length - 1));
        const visit = lead.visits[index] as { eventId: string; atMs: number };
        const low = (lead.visits[index - 1] as { atMs: number }).atMs;
        const high = lead.visits[index + 1]?.atMs ?? Math.max(nowMs, low);
        const newMs = low + Math.floor(((high - low) * (step.value % 10)) / 10);
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
      this.go('MarkedSQL', 'SQL', atMs, nowMs, { implicitAcceptance, skippedStages: ['SAL'], ownerId });
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
      const reasonCode = step.value % 3 === 0 ? 'no_initiative' : 'timing';
      this.go('RecycledNotReady', 'RECYCLED', atMs, nowMs, { reasonCode, ...closed });
      lead.dealId = null;
      this.requalifying = false;
      this.cancelAll('recycled', atMs, nowMs);
      this.start('recycle_reengagement', atMs, nowMs);
    };
    const close = (won: boolean): void => {
      const dealId = lead.dealId ?? lead.newId('deal');
      const amount = step.value % 3 === 0 ? { amountMinor: step.value, currency: 'USD' } : null;
      if (won) this.go('DealWon', 'CUSTOMER', atMs, nowMs, { dealId, amount, closedAt: iso(atMs) });
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
                const amount = { amountMinor: 1000 + step.value, currency: 'EUR' };
                const dealStage = step.value % 2 === 0 ? 'demo' : 'negotiation';
                const data = { dealId, amount, dealStage, expectedCloseDate: '2018-09-01', horizon: 'short' };
                this.go('OpportunityOpened', 'OPPORTUNITY', atMs, nowMs, data);
                lead.dealId = dealId;
              });
            }
          }
        }
        can(recycle);
        can(() => out('Disqualified'));
        break;
      case 'OPPORTUNITY':
        can(hold);
        can(() => {
          const data = { dealId: lead.dealId as string, old: { amountMinor: 1, currency: 'EUR' }, reason: '' };
          lead.fact('DealAmountChanged', nowMs, { ...data, new: { amountMinor: step.value, currency: 'EUR' } }, when);
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

function playAll(history: readonly Step[]): { past: Past; players: Player[]; nowMs: number } {
  const past = new Past();
  const players = Array.from({ length: 3 }, (_, number) => new Player(past, number));
  let nowMs = BEGIN;
  for (const step of history) {
    nowMs += step.minutes * 60_000;
    if (step.sweep) for (const player of players) player.sweep(nowMs);
    const player = players[step.lead] as Player;
    if (step.value % 9 === 0) joinOrPart(players, player, step, nowMs);
    else player.play(step, nowMs);
  }
  return { past, players, nowMs: nowMs + 1 };
}

// ---------------------------------------------------------------------------------------------------- the oracle

// oxlint-disable-next-line typescript/no-explicit-any -- events are read as plain JSON here, on purpose
type Any = any;
interface Item {
  leadId: string;
  dims: Record<string, string | null>;
  atMs: number;
  [more: string]: Any;
}
interface Asked {
  fromMs: number | null;
  toMs: number | null;
  asOfMs: number;
  filter: Record<string, (string | null)[]>;
  choices: Record<string, string>;
}

interface OracleVisit {
  state: LeadStateName;
  cycle: number;
  enteredMs: number;
  exitedMs: number | null;
  event: RecordedEvent;
  next: RecordedEvent | null;
}
interface OracleLead {
  leadId: string;
  events: RecordedEvent[];
  visits: OracleVisit[];
  holds: { sinceMs: number; endMs: number }[];
  timeOf: (event: RecordedEvent) => number;
  dims: Record<string, string | null>;
  ownership: Map<string, { owner: string | null; team: string | null }>;
}

const data = (event: RecordedEvent): Any => event.data;

function readLead(leadId: string, events: RecordedEvent[]): OracleLead {
  const voided = new Set(events.filter((e) => e.type === 'TransitionVoided').map((e) => data(e).voidedEventId));
  const corrected = new Map<string, number>();
  for (const e of events) {
    if (e.type === 'OccurredAtCorrected') corrected.set(data(e).correctedEventId, Date.parse(data(e).new));
  }
  const timeOf = (e: RecordedEvent): number => corrected.get(e.id) ?? Date.parse(data(e).occurredAt);
  const isTransition = (e: RecordedEvent): boolean =>
    data(e).toState !== undefined && e.type !== 'TransitionVoided' && data(e).fromState !== data(e).toState;
  const standing = events.filter((e) => isTransition(e) && !voided.has(e.id));
  const visits = standing.map((event, index) => {
    const next = standing[index + 1] ?? null;
    return {
      state: data(event).toState as LeadStateName,
      cycle: data(event).cycleNo as number,
      enteredMs: timeOf(event),
      exitedMs: next === null ? null : timeOf(next),
      event,
      next,
    };
  });

  // Holds, played through with what a void gives back.
  interface Open {
    sinceMs: number;
    end: RecordedEvent | null;
    dropped: boolean;
  }
  const holds: Open[] = [];
  let open: Open[] = [];
  let putHere: Open[] = [];
  const stack: { open: Open[]; putHere: Open[]; state: LeadStateName | null }[] = [];
  let state: LeadStateName | null = null;
  for (const e of events) {
    if (isTransition(e)) {
      for (const hold of open) hold.end = e;
      stack.push({ open, putHere, state });
      open = [];
      putHere = [];
      state = data(e).toState;
    } else if (e.type === 'PutOnHold') {
      const hold = { sinceMs: timeOf(e), end: null, dropped: false };
      holds.push(hold);
      open.push(hold);
      putHere.push(hold);
    } else if (e.type === 'ResumedFromHold') {
      for (const hold of open) hold.end = e;
      open = [];
    } else if (e.type === 'TransitionVoided') {
      const before = stack.pop() as { open: Open[]; putHere: Open[]; state: LeadStateName | null };
      state = before.state;
      for (const hold of before.open) hold.end = null;
      if (['SAL', 'SQL', 'OPPORTUNITY'].includes(state as string)) {
        open = [...before.open, ...open];
        putHere = [...before.putHere, ...putHere];
      } else {
        for (const hold of putHere) hold.dropped = true;
        open = before.open;
        putHere = before.putHere;
      }
    }
  }

  // Who is responsible is the domain's own fold.
  let lead = initialLead(leadId);
  const ownership = new Map<string, { owner: string | null; team: string | null }>();
  for (const e of events) {
    lead = evolve(lead, { type: e.type, data: e.data } as unknown as LeadEvent, {
      eventId: e.id,
      revision: e.revision,
      recordedAtMs: e.recordedAtMs,
    });
    ownership.set(e.id, { owner: lead.ownerId, team: lead.teamId });
  }
  const capture = data(events[0] as RecordedEvent);
  const basis = visits.findLast(({ event }) => data(event).basis !== undefined);
  return {
    leadId,
    events,
    timeOf,
    visits,
    holds: holds
      .filter((hold) => !hold.dropped)
      .map(({ sinceMs, end }) => ({ sinceMs, endMs: end === null ? Infinity : timeOf(end) })),
    dims: {
      source: capture.source.code ?? capture.source.channel ?? null,
      channel: capture.source.channel ?? null,
      campaign: capture.source.campaignId ?? null,
      leadType: capture.leadType,
      country: capture.location?.country ?? null,
      captureMethod: capture.captureMethod,
      basis: basis === undefined ? null : data(basis.event).basis,
      team: lead.teamId,
      owner: lead.ownerId,
    },
    ownership,
  };
}

/** A lead as if the merges that were taken back had never been. */
function withoutReverted(events: readonly RecordedEvent[]): RecordedEvent[] {
  const reverted = new Set(events.filter(({ type }) => type === 'MergeReverted').map((e) => data(e).mergeId as string));
  let within = false;
  return events.filter((e) => {
    const { mergeId } = data(e);
    if (e.type === 'MergedInto') within = reverted.has(mergeId);
    if (e.type === 'MergeReverted') within = false;
    return !reverted.has(mergeId) && !(within && e.type === 'SlaClockCancelled' && data(e).reason === 'merged');
  });
}

function readPast(past: Past): OracleLead[] {
  const streams = [...new Set(past.events.map(({ stream }) => stream))];
  const leads = streams.map((stream) =>
    readLead(stream.slice('lead-'.length), withoutReverted(past.events.filter((event) => event.stream === stream))),
  );
  const captured = (leadId: string): number => {
    const lead = leads.find((one) => one.leadId === leadId) as OracleLead;
    const absorbed = lead.events.filter(({ type }) => type === 'DuplicateAbsorbed');
    const own = lead.timeOf(lead.events[0] as RecordedEvent);
    return Math.min(own, ...absorbed.map((e) => captured(data(e).duplicateLeadId)));
  };
  for (const lead of leads) (lead.visits[0] as OracleVisit).enteredMs = captured(lead.leadId);
  return leads;
}

const isMergedAway = (lead: OracleLead): boolean => lead.visits.at(-1)?.state === 'MERGED';

const within = (asked: Asked, ms: number): boolean =>
  (asked.fromMs === null || ms >= asked.fromMs) && (asked.toMs === null || ms < asked.toMs);
const visitsBy = (lead: OracleLead, asOfMs: number): OracleVisit[] =>
  lead.visits.filter(({ enteredMs }) => enteredMs <= asOfMs);
const halfUp = (numerator: number, denominator: number, places: number): number | null => {
  if (denominator === 0) return null;
  const scaled = (2n * BigInt(numerator) * 10n ** BigInt(places) + BigInt(denominator)) / (2n * BigInt(denominator));
  return Number(scaled) / 10 ** places;
};
const distinct = (items: readonly { leadId: string }[]): string[] => [...new Set(items.map((i) => i.leadId))].sort();
const counted = (items: readonly Item[]) => ({ count: items.length, leads: distinct(items) });
const rated = (numerator: readonly Item[], denominator: readonly Item[]) => ({
  numerator: numerator.length,
  denominator: denominator.length,
  rate: halfUp(numerator.length, denominator.length, 6),
  leads: distinct(numerator),
  denominatorLeads: distinct(denominator),
});
/** Nearest rank by counting: the smallest value that at least the share of values do not exceed. */
const rank = (values: readonly number[], percent: number): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.find((_, index) => (index + 1) * 100 >= percent * sorted.length) ?? null;
};
const spreadOf = (values: readonly number[], unit: number) => {
  const shown = (value: number | null) => (value === null ? null : halfUp(value, unit, 4));
  return {
    n: values.length,
    mean: halfUp(
      values.reduce((sum, value) => sum + value, 0),
      values.length * unit,
      4,
    ),
    p50: shown(rank(values, 50)),
    p90: shown(rank(values, 90)),
    p95: shown(rank(values, 95)),
    max: shown(values.length === 0 ? null : Math.max(...values)),
  };
};

/** 7.2: reached(X) = earliest entry to X or any higher mandatory state; strictly: earliest entry to X. */
function reached(visits: readonly OracleVisit[], target: LeadStateName, mode: string): number | null {
  const hits = visits.filter(({ state }) =>
    mode === 'strict' ? state === target : LADDER.includes(state as 'LEAD') && RANK[state] >= RANK[target],
  );
  return hits.length === 0 ? null : Math.min(...hits.map(({ enteredMs }) => enteredMs));
}

function kindOfExit({ state, cycle, next }: OracleVisit): string {
  switch (next?.type) {
    case 'RejectedBySales':
      return 'rejected';
    case 'RecycledNotReady':
      return 'recycled';
    case 'DealLost':
      return 'lost';
    case 'Disqualified':
      return 'disqualified';
    case 'MarkedJunk':
      return 'junk';
    default:
      if (data(next as RecordedEvent).cycleNo !== cycle) return 'again';
      return RANK[data(next as RecordedEvent).toState as LeadStateName] > RANK[state] ? 'forward' : 'back';
  }
}

interface Oracle {
  readonly items: (leads: readonly OracleLead[], asked: Asked) => Item[];
  readonly figures: (items: readonly Item[], asked: Asked) => object;
}

/** Clocks, read from their own events alone. */
function clocksOf(lead: OracleLead): Any[] {
  return lead.events
    .filter(({ type }) => type === 'SlaClockStarted')
    .map((started) => {
      const { clockId } = data(started);
      const clock: Any = {
        type: data(started).clockType,
        startedMs: Date.parse(data(started).startedAt),
        dueMs: Date.parse(data(started).dueAt),
        owner: data(started).ownerId ?? lead.ownership.get(started.id)?.owner ?? null,
        team: data(started).teamId ?? lead.ownership.get(started.id)?.team ?? null,
        paused: false,
        breached: false,
        retracted: false,
        stop: null,
        cancelled: false,
      };
      for (const e of lead.events.slice(lead.events.indexOf(started))) {
        if (e.type === 'TransitionVoided' && (data(e).reopenedClockIds ?? []).includes(clockId)) {
          Object.assign(clock, { stop: null, cancelled: false, retracted: false });
        }
        if (e.type === 'OwnerAssigned' && !clock.breached && clock.stop === null && !clock.cancelled) {
          Object.assign(clock, { owner: data(e).ownerId, team: data(e).teamId });
        }
        if (data(e).clockId !== clockId) continue;
        if (e.type === 'SlaClockPaused') clock.paused = true;
        if (e.type === 'SlaClockResumed') {
          Object.assign(clock, { paused: false, dueMs: Date.parse(data(e).newDueAt) });
        }
        if (e.type === 'SlaBreached') {
          const { ownerId = clock.owner, teamId = clock.team } = data(e);
          Object.assign(clock, { breached: true, owner: ownerId, team: teamId });
        }
        if (e.type === 'SlaBreachRetracted') clock.retracted = true;
        if (e.type === 'SlaClockCancelled') Object.assign(clock, { cancelled: true, stop: null });
        if (e.type === 'SlaClockStopped') {
          Object.assign(clock, { owner: clock.owner ?? lead.ownership.get(e.id)?.owner ?? null, stop: data(e) });
        }
      }
      return clock;
    });
}

/** 7.6: met, standing, or not counted at asOf. */
function outcome(clock: Any, asOfMs: number): 'met' | 'standing' | null {
  const stands = clock.breached && !clock.retracted;
  if (clock.stop !== null && Date.parse(clock.stop.stoppedAt) <= asOfMs) return stands ? 'standing' : 'met';
  if (clock.dueMs > asOfMs) return null;
  if (stands) return 'standing';
  if (clock.breached || clock.cancelled || clock.paused || clock.stop !== null) return null;
  return 'standing';
}

/** Handoffs whose MQL stands, with the visit they were made in. */
function offersOf(lead: OracleLead): { offer: RecordedEvent; visit: OracleVisit }[] {
  let current: RecordedEvent | null = null;
  const before: (RecordedEvent | null)[] = [];
  return lead.events.flatMap((e) => {
    if (e.type === 'TransitionVoided') current = before.pop() ?? null;
    else if (data(e).toState !== undefined && data(e).fromState !== data(e).toState) {
      before.push(current);
      current = e;
    }
    const visit = lead.visits.find(({ event }) => event === current);
    return e.type === 'HandedOffToSales' && visit !== undefined ? [{ offer: e, visit }] : [];
  });
}

function closingsOf(lead: OracleLead): Any[] {
  return lead.visits
    .filter(({ event }) => event.type === 'DealWon' || event.type === 'DealLost' || data(event).closedDealId)
    .map((visit) => {
      const { event, cycle } = visit;
      const dealId = data(event).dealId ?? data(event).closedDealId;
      // A voided sale says nothing about what the deal is worth.
      const stands = (e: RecordedEvent) => data(e).toState === undefined || lead.visits.some((one) => one.event === e);
      const earlier = lead.events
        .slice(0, lead.events.indexOf(event))
        .filter((e) => data(e).dealId === dealId && stands(e));
      const known = earlier.map((e) => (e.type === 'DealAmountChanged' ? data(e).new : data(e).amount)).filter(Boolean);
      const inCycle = lead.visits.slice(0, lead.visits.indexOf(visit) + 1).filter((one) => one.cycle === cycle);
      const interactions = lead.events
        .filter((e) => ['BehaviourRecorded', 'ContactAttempted'].includes(e.type))
        .map((e) => lead.timeOf(e));
      const entry = (state: string) => inCycle.find((one) => one.state === state)?.enteredMs ?? null;
      const begunMs = (inCycle[0] as OracleVisit).enteredMs;
      const stages = earlier.filter((e) => data(e).dealStage);
      return {
        reason: data(event).reasonCode ?? null,
        stage: stages.length === 0 ? null : data(stages.at(-1) as RecordedEvent).dealStage,
        way: inCycle.some(({ state }) => state === 'SAL') ? 'through' : 'skipped',
        broken: clocksOf(lead).some(
          (clock) => clock.breached && !clock.retracted && clock.startedMs >= begunMs && clock.dueMs <= visit.enteredMs,
        ),
        kind: event.type === 'DealWon' ? 'won' : event.type === 'DealLost' ? 'lost' : 'recycled',
        closedMs: visit.enteredMs,
        amount: data(event).amount ?? known.at(-1) ?? null,
        starts: {
          // Facts recorded later still tell when it began.
          interaction: Math.min((lead.visits[0] as OracleVisit).enteredMs, ...interactions),
          cycle: begunMs,
          sql: entry('SQL'),
          opportunity: entry('OPPORTUNITY'),
        },
        ...lead.ownership.get(event.id),
      };
    });
}

const oracles: Partial<Record<ReportName, Oracle>> = {
  stock: {
    items: (leads, { asOfMs }) =>
      leads.flatMap((lead) => {
        const visit = visitsBy(lead, asOfMs).at(-1);
        return visit === undefined ? [] : [{ leadId: lead.leadId, dims: lead.dims, atMs: 0, state: visit.state }];
      }),
    figures: (items) => ({
      leads: counted(items),
      states: Object.fromEntries(LEAD_STATES.map((s) => [s, counted(items.filter(({ state }) => state === s))])),
    }),
  },
  funnel: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const visits = visitsBy(lead, asked.asOfMs);
        const cycles = [...new Set(visits.map(({ cycle }) => cycle))];
        const units =
          asked.choices.basis === 'cycle' ? cycles.map((n) => visits.filter(({ cycle }) => cycle === n)) : [visits];
        return units.flatMap((unit) =>
          LADDER.flatMap((from) => {
            const atMs = reached(unit, from, asked.choices.mode as string);
            if (atMs === null || !within(asked, atMs)) return [];
            const to = LADDER.filter((state) => reached(unit, state, asked.choices.mode as string) !== null);
            return [{ leadId: lead.leadId, dims: lead.dims, atMs, from, to }];
          }),
        );
      }),
    figures: (items) => ({
      reached: Object.fromEntries(LADDER.map((s) => [s, counted(items.filter(({ from }) => from === s))])),
      conversions: LADDER.flatMap((a, index) =>
        LADDER.slice(index + 1).map((b) => {
          const cohort = items.filter(({ from }) => from === a);
          return {
            from: a,
            to: b,
            ...rated(
              cohort.filter(({ to }) => to.includes(b)),
              cohort,
            ),
          };
        }),
      ),
    }),
  },
  flow: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const visits = visitsBy(lead, asked.asOfMs);
        const { mode, basis } = asked.choices;
        const item = (state: LeadStateName, atMs: number) => ({ leadId: lead.leadId, dims: lead.dims, atMs, state });
        const all: Item[] = [];
        const cycles = basis === 'cycle' ? [...new Set(visits.map(({ cycle }) => cycle))] : [null];
        if (mode === 'strict' && basis === 'visit') {
          all.push(...visits.map(({ state, enteredMs }) => item(state, enteredMs)));
        } else {
          for (const cycle of cycles) {
            const unit = visits.filter((visit) => cycle === null || visit.cycle === cycle);
            for (const state of mode === 'strict' ? LEAD_STATES : LADDER) {
              const atMs = reached(unit, state, mode as string);
              if (atMs !== null) all.push(item(state, atMs));
            }
          }
        }
        return all.filter(({ atMs }) => within(asked, atMs));
      }),
    figures: (items) => {
      const into = (s: string) => items.filter(({ state }) => state === s);
      return {
        entries: Object.fromEntries(LEAD_STATES.map((s) => [s, counted(into(s))])),
        conversions: LADDER.flatMap((a, i) =>
          LADDER.slice(i + 1).map((b) => ({ from: a, to: b, ...rated(into(b), into(a)) })),
        ),
      };
    },
  },
  'stage-durations': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        lead.visits
          .filter(({ exitedMs }) => exitedMs !== null && exitedMs <= asked.asOfMs && within(asked, exitedMs))
          .map((visit) => {
            const to = visit.exitedMs as number;
            let ms = to - visit.enteredMs;
            if (asked.choices.duration === 'active') {
              // Minute by minute: holds may lie over each other after a void. Every time here is a whole minute but the corrected.
              const edges = [visit.enteredMs, to, ...lead.holds.flatMap((hold) => [hold.sinceMs, hold.endMs])]
                .filter((edge) => edge >= visit.enteredMs && edge <= to)
                .sort((a, b) => a - b);
              for (let i = 0; i + 1 < edges.length; i += 1) {
                const [a, b] = [edges[i] as number, edges[i + 1] as number];
                if (lead.holds.some((hold) => hold.sinceMs <= a && hold.endMs >= b)) ms -= b - a;
              }
            }
            return { leadId: lead.leadId, dims: lead.dims, atMs: to, state: visit.state, kind: kindOfExit(visit), ms };
          }),
      ),
    figures: (items) => ({
      stages: LEAD_STATES.filter((s) => items.some(({ state }) => state === s)).map((s) => {
        const here = items.filter(({ state }) => state === s);
        const durations = (some: readonly Item[]) => ({
          ...spreadOf(
            some.map(({ ms }) => ms),
            HOUR,
          ),
          leads: distinct(some),
        });
        const kinds = ['forward', 'back', 'rejected', 'recycled', 'again', 'lost', 'disqualified', 'junk', 'merged'];
        return {
          state: s,
          visits: durations(here),
          byExit: kinds
            .filter((k) => here.some(({ kind }) => kind === k))
            .map((k) => ({ exitKind: k, ...durations(here.filter(({ kind }) => kind === k)) })),
          leadSums: distinct(here).map((id) =>
            here.filter(({ leadId }) => leadId === id).reduce((sum, { ms }) => sum + ms, 0),
          ),
        };
      }),
    }),
  },
  acceptance: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const items: Item[] = [];
        offersOf(lead).forEach(({ offer: e }) => {
          const index = lead.events.indexOf(e);
          const atMs = Date.parse(data(e).occurredAt);
          if (atMs > asked.asOfMs || !within(asked, atMs)) return;
          const decision = lead.visits.find(({ event }) => lead.events.indexOf(event) > index);
          const type = decision?.event.type;
          let what = 'cancelled';
          if (type === undefined) what = 'open';
          if (type === 'AcceptedBySales') what = 'accepted';
          if (type === 'RejectedBySales') what = 'rejected';
          if (type === 'MarkedSQL' && data((decision as OracleVisit).event).implicitAcceptance) what = 'implicit';
          const by = what === 'accepted' || what === 'implicit' ? data((decision as OracleVisit).event) : {};
          if (decision !== undefined && decision.enteredMs > asked.asOfMs) what = 'open';
          items.push({
            leadId: lead.leadId,
            // Who took it counts as its owner also in a report of the days before he did.
            dims: { ...lead.dims, team: data(e).teamId, owner: data(e).ownerId ?? by.acceptedBy ?? by.ownerId ?? null },
            atMs,
            what,
            decision: what === 'rejected' ? data((decision as OracleVisit).event) : {},
          });
        });
        return items;
      }),
    figures: (items) => {
      const of = (...kinds: string[]) => items.filter(({ what }) => kinds.includes(what));
      const accepted = of('accepted', 'implicit');
      const decided = of('accepted', 'implicit', 'rejected');
      const rejected = of('rejected');
      const share = (some: Item[]) => rated(some, rejected);
      const most = (names: string[], hit: (item: Item, name: string) => boolean) =>
        [...new Set(names)]
          .map((name) => ({ name, hits: rejected.filter((item) => hit(item, name)) }))
          .sort((a, b) => b.hits.length - a.hits.length || (a.name < b.name ? -1 : 1));
      return {
        offered: counted(items),
        accepted: counted(accepted),
        implicit: counted(of('implicit')),
        rejected: counted(rejected),
        cancelled: counted(of('cancelled')),
        open: counted(of('open')),
        acceptance: rated(accepted, decided),
        rejection: rated(rejected, decided),
        ofOffered: rated(accepted, of('accepted', 'implicit', 'rejected', 'open')),
        target: 0.9,
        meetsTarget: decided.length === 0 ? null : accepted.length * 10 >= decided.length * 9,
        rejectionReasons: most(
          rejected.map(({ decision }) => decision.reasonCode),
          ({ decision }, code) => decision.reasonCode === code,
        ).map(({ name, hits }) => ({ reasonCode: name, ...share(hits) })),
        failedCriteria: most(
          rejected.flatMap(({ decision }) => decision.failedCriteria),
          ({ decision }, id) => decision.failedCriteria.includes(id),
        ).map(({ name, hits }) => ({ ruleId: name, ...share(hits) })),
      };
    },
  },
  sla: {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        clocksOf(lead)
          .filter((clock) => within(asked, clock.dueMs))
          .map((clock) => ({
            leadId: lead.leadId,
            dims: { ...lead.dims, team: clock.team, owner: clock.owner },
            atMs: clock.dueMs,
            clock,
            what: outcome(clock, asked.asOfMs),
            wasRetracted: clock.breached && clock.retracted && clock.dueMs <= asked.asOfMs,
          }))
          .filter(({ what, wasRetracted }) => what !== null || wasRetracted),
      ),
    figures: (items, { asOfMs }) => ({
      clocks: ['handoff_response', 'first_contact', 'contact_cadence', 'recycle_reengagement', 'post_sale_followup']
        .filter((type) => items.some(({ clock }) => clock.type === type))
        .map((clockType) => {
          const here = items.filter(({ clock }) => clock.type === clockType);
          const met = here.filter(({ what }) => what === 'met');
          const standing = here.filter(({ what }) => what === 'standing');
          const retracted = here.filter(({ wasRetracted }) => wasRetracted);
          const stopped = here.filter(({ clock }) => clock.stop && Date.parse(clock.stop.stoppedAt) <= asOfMs);
          const response = (field: string) => ({
            ...spreadOf(
              stopped.map(({ clock }) => clock.stop[field]),
              3600,
            ),
            leads: distinct(stopped),
          });
          return {
            clockType,
            met: counted(met),
            standing: counted(standing),
            retracted: counted(retracted),
            breached: { count: standing.length + retracted.length, leads: distinct([...standing, ...retracted]) },
            attainment: rated(met, [...met, ...standing]),
            responseOpen: response('elapsedOpenS'),
            responseWall: response('elapsedWallS'),
          };
        }),
    }),
  },
  'sales-cycle': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        closingsOf(lead)
          .filter(({ closedMs, kind }) => kind !== 'recycled' && closedMs <= asked.asOfMs && within(asked, closedMs))
          .map(({ closedMs, kind, starts, owner, team }) => {
            const start = starts[asked.choices.start as string];
            const ms = start === null ? null : closedMs - start;
            return { leadId: lead.leadId, dims: { ...lead.dims, owner, team }, atMs: closedMs, kind, ms };
          }),
      ),
    figures: (items) => {
      const days = (some: readonly Item[]) => ({
        ...spreadOf(
          some.map(({ ms }) => ms),
          DAY,
        ),
        leads: distinct(some),
      });
      const won = items.filter(({ kind }) => kind === 'won');
      return {
        won: days(won.filter(({ ms }) => ms !== null)),
        inclLost: days(items.filter(({ ms }) => ms !== null)),
        withoutStart: counted(won.filter(({ ms }) => ms === null)),
      };
    },
  },
  'win-rate': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        closingsOf(lead)
          .filter(({ closedMs }) => closedMs <= asked.asOfMs && within(asked, closedMs))
          .map(({ closedMs, kind, amount, owner, team }) => ({
            leadId: lead.leadId,
            dims: { ...lead.dims, owner, team },
            atMs: closedMs,
            kind,
            amount,
          })),
      ),
    figures: (items) => {
      const of = (k: string) => items.filter(({ kind }) => kind === k);
      const sum = (some: readonly Item[]) => some.reduce((total, { amount }) => total + amount.amountMinor, 0);
      const closed = [...of('won'), ...of('lost')];
      const currencies = (some: readonly Item[]) =>
        [...new Set(some.filter(({ amount }) => amount).map(({ amount }) => amount.currency as string))].sort();
      const inCurrency = (some: readonly Item[], currency: string) =>
        some.filter(({ amount }) => amount?.currency === currency);
      return {
        won: counted(of('won')),
        lost: counted(of('lost')),
        byCount: rated(of('won'), closed),
        byValue: currencies(closed).map((currency) => {
          const won = inCurrency(of('won'), currency);
          const all = inCurrency(closed, currency);
          return {
            currency,
            numerator: sum(won),
            denominator: sum(all),
            rate: halfUp(sum(won), sum(all), 6),
            leads: distinct(won),
            denominatorLeads: distinct(all),
          };
        }),
        withoutAmount: counted(closed.filter(({ amount }) => !amount)),
        recycled: {
          ...counted(of('recycled')),
          value: currencies(of('recycled')).map((currency) => ({
            currency,
            amountMinor: sum(inCurrency(of('recycled'), currency)),
          })),
        },
      };
    },
  },
};

/** How a lead left the funnel; null: it is in it. */
const WAYS_OUT: Record<string, string> = {
  RejectedBySales: 'rejected',
  RecycledNotReady: 'recycled',
  DealLost: 'lost',
  Disqualified: 'disqualified',
  MarkedJunk: 'junk',
};
const wayOut = ({ event }: OracleVisit): string | null => WAYS_OUT[event.type] ?? null;
/** The whole life, or each cycle by itself. */
function unitsOf(lead: OracleLead, asked: Asked): OracleVisit[][] {
  const visits = visitsBy(lead, asked.asOfMs);
  if (asked.choices.basis === 'lead') return visits.length === 0 ? [] : [visits];
  return [...new Set(visits.map(({ cycle }) => cycle))].map((n) => visits.filter(({ cycle }) => cycle === n));
}
const before = (lead: OracleLead, visit: OracleVisit): OracleVisit | undefined =>
  lead.visits[lead.visits.indexOf(visit) - 1];
/** Groups by a name, the most frequent first, those without one last. */
const named = <T>(items: readonly T[], nameOf: (item: T) => string | null): [string | null, T[]][] =>
  [...new Set(items.map(nameOf))]
    .map((name): [string | null, T[]] => [name, items.filter((item) => nameOf(item) === name)])
    .sort(([a, m], [b, n]) => n.length - m.length || (a === null ? 1 : b === null ? -1 : a < b ? -1 : 1));
const HORIZON_MS = 20 * DAY;

Object.assign(oracles, {
  leak: {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        unitsOf(lead, asked).flatMap((unit) =>
          LADDER.slice(0, -1).flatMap((stage, index) => {
            const atMs = reached(unit, stage, asked.choices.mode as string);
            if (atMs === null || !within(asked, atMs)) return [];
            const last = unit.at(-1) as OracleVisit;
            const advanced = reached(unit, LADDER[index + 1] as LeadStateName, 'reached') !== null;
            const what = advanced ? 'advanced' : (wayOut(last) ?? 'inside');
            return [{ leadId: lead.leadId, dims: lead.dims, atMs, stage, what, reason: data(last.event).reasonCode }];
          }),
        ),
      ),
    figures: (items) => ({
      stages: LADDER.slice(0, -1).map((s) => {
        const here = items.filter(({ stage }) => stage === s);
        const left = here.filter(({ what }) => what !== 'advanced' && what !== 'inside');
        return {
          stage: s,
          reached: counted(here),
          advanced: rated(
            here.filter(({ what }) => what === 'advanced'),
            here,
          ),
          leak: rated(left, here),
          inside: rated(
            here.filter(({ what }) => what === 'inside'),
            here,
          ),
          exits: Object.values(WAYS_OUT)
            .filter((way) => left.some(({ what }) => what === way))
            .map((exitKind) => {
              const these = left.filter(({ what }) => what === exitKind);
              const reasons = named(these, ({ reason }) => reason);
              return {
                exitKind,
                ...rated(these, here),
                reasons: reasons.map(([reasonCode, some]) => ({ reasonCode, ...rated(some, here) })),
              };
            }),
        };
      }),
    }),
  },
  returns: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const cycles = unitsOf(lead, { ...asked, choices: { basis: 'cycle' } }).flatMap((unit) => {
          const accepted = unit.find(({ state }) => state === 'SAL');
          if (accepted === undefined) return [];
          const exit = unit.find(
            (visit) =>
              ['recycled', 'disqualified'].includes(wayOut(visit) as string) &&
              ['SAL', 'SQL'].includes(before(lead, visit)?.state as string),
          );
          const offers = offersOf(lead).filter(({ visit }) => unit.includes(visit));
          const last = offers.at(-1);
          const sinceMs = last === undefined ? (unit[0] as OracleVisit).enteredMs : lead.timeOf(last.offer);
          const attempted = lead.events.some(
            (e) =>
              e.type === 'ContactAttempted' && lead.timeOf(e) >= sinceMs && lead.timeOf(e) <= (exit?.enteredMs ?? 0),
          );
          const end = exit === undefined ? null : wayOut(exit);
          return [{ leadId: lead.leadId, dims: lead.dims, atMs: accepted.enteredMs, end, attempted }];
        });
        const units = asked.choices.basis === 'cycle' ? cycles : cycles.slice(0, 1);
        return units
          .map((item) => {
            const sentBack = cycles.find(({ end }) => end !== null);
            if (asked.choices.basis === 'cycle' || sentBack === undefined) return item;
            return { ...item, end: sentBack.end, attempted: sentBack.attempted };
          })
          .filter(({ atMs }) => within(asked, atMs));
      }),
    figures: (items) => {
      const back = items.filter(({ end }) => end !== null);
      const by = (kind: string) => back.filter(({ end }) => end === kind);
      return {
        accepted: counted(items),
        returned: rated(back, items),
        recycled: rated(by('recycled'), items),
        disqualified: rated(by('disqualified'), items),
        withoutAttempt: rated(
          back.filter(({ attempted }) => !attempted),
          back,
        ),
      };
    },
  },
  recycling: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const visits = visitsBy(lead, asked.asOfMs);
        const item = (atMs: number, more: object) => ({ leadId: lead.leadId, dims: lead.dims, atMs, ...more });
        const cohort = unitsOf(lead, asked).flatMap((unit) => {
          const accepted = unit.find(({ state }) => state === 'SAL');
          const recycled = unit.some((visit) => wayOut(visit) === 'recycled' && before(lead, visit)?.state !== 'LOST');
          return accepted === undefined ? [] : [item(accepted.enteredMs, { what: 'accepted', recycled })];
        });
        const sentBack = visits.filter((visit) => wayOut(visit) === 'recycled');
        const recycles = sentBack.map((visit, index) => {
          const since = visits.slice(visits.indexOf(visit) + 1);
          const next = sentBack[index + 1];
          const until = next === undefined ? since : since.slice(0, since.indexOf(next));
          const back = until.find(({ state }) => RANK[state] >= RANK.MQL);
          const ms = back === undefined ? null : back.enteredMs - visit.enteredMs;
          const inTime = ms !== null && ms <= HORIZON_MS;
          const young = ms === null && visit.enteredMs + HORIZON_MS > asked.asOfMs;
          return item(visit.enteredMs, {
            what: 'recycle',
            fate: inTime ? 'back' : young ? 'immature' : 'gone',
            ms,
            won: until.some(({ state }) => state === 'CUSTOMER'),
            reason: data(visit.event).reasonCode,
          });
        });
        return [...cohort, ...recycles].filter(({ atMs }) => within(asked, atMs));
      }),
    figures: (items) => {
      const cohort = items.filter(({ what }) => what === 'accepted');
      const recycles = items.filter(({ what }) => what === 'recycle');
      const rates = (some: readonly Item[]) => {
        const back = some.filter(({ fate }) => fate === 'back');
        return {
          resurrection: rated(back, some),
          ofMature: rated(
            back,
            some.filter(({ fate }) => fate !== 'immature'),
          ),
          immature: counted(some.filter(({ fate }) => fate === 'immature')),
        };
      };
      const back = recycles.filter(({ fate }) => fate === 'back');
      return {
        recycled: rated(
          cohort.filter(({ recycled }) => recycled),
          cohort,
        ),
        ...rates(recycles),
        daysToReentry: {
          ...spreadOf(
            back.map(({ ms }) => ms),
            DAY,
          ),
          leads: distinct(back),
        },
        recycledToWon: rated(
          recycles.filter(({ won }) => won),
          recycles,
        ),
        reasons: named(recycles, ({ reason }) => reason).map(([reasonCode, some]) => {
          const returned = some.filter(({ fate }) => fate === 'back').length;
          const seeded = reasonCode === 'no_initiative';
          return {
            reasonCode,
            ...rates(some),
            benchmark: seeded ? 0.4 : null,
            meetsBenchmark: seeded ? 10 * returned >= 4 * some.length : null,
          };
        }),
      };
    },
  },
  'loss-reasons': {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const { leadId, dims } = lead;
        const lost = closingsOf(lead)
          .filter(({ closedMs, kind }) => kind === 'lost' && closedMs <= asked.asOfMs && within(asked, closedMs))
          .map(({ closedMs, amount, owner, reason, stage, team }) => {
            return { leadId, dims: { ...dims, owner, team }, atMs: closedMs, what: 'deal', amount, reason, stage };
          });
        const touched = (untilMs: number): number =>
          lead.events.filter((e) => e.type === 'NurtureTouchSent' && lead.timeOf(e) <= untilMs).length;
        const ends = visitsBy(lead, asked.asOfMs).flatMap(({ enteredMs, event, exitedMs, state }) => {
          if (state === 'LOST') return [{ what: 'lost', atMs: enteredMs, touches: data(event).nurtureTouches }];
          const atMs = enteredMs + EXPIRES_MS;
          const expired = state === 'RECYCLED' && atMs <= asked.asOfMs && (exitedMs === null || atMs < exitedMs);
          return expired ? [{ what: 'expired', atMs, touches: touched(atMs) }] : [];
        });
        const [first] = ends;
        return first === undefined || !within(asked, first.atMs) ? lost : [...lost, { leadId, dims, ...first }];
      }),
    figures: (items) => {
      const deals = items.filter(({ what }) => what === 'deal');
      const dead = items.filter(({ what }) => what !== 'deal');
      const sum = (some: readonly Item[]) => some.reduce((total, { amount }) => total + amount.amountMinor, 0);
      const shares = (some: readonly Item[], all: readonly Item[]) => ({
        byCount: rated(some, all),
        byValue: [...new Set<string>(all.flatMap(({ amount }) => amount?.currency ?? []))].sort().map((currency) => {
          const [part, whole] = [some, all].map((these) => these.filter(({ amount }) => amount?.currency === currency));
          return {
            currency,
            numerator: sum(part as Item[]),
            denominator: sum(whole as Item[]),
            rate: halfUp(sum(part as Item[]), sum(whole as Item[]), 6),
            leads: distinct(part as Item[]),
            denominatorLeads: distinct(whole as Item[]),
          };
        }),
      });
      const reasons = (of: readonly Item[]) =>
        named(of, ({ reason }) => reason).map(([reasonCode, some]) => ({ reasonCode, ...shares(some, of) }));
      const poor = dead.filter(({ touches }) => touches < 3);
      return {
        lost: counted(deals),
        reasons: reasons(deals),
        stages: named(deals, ({ stage }) => stage).map(([stage, some]) => ({
          stage,
          ...shares(some, deals),
          reasons: reasons(some),
        })),
        decisionMakerShift: {
          ...rated(
            deals.filter(({ reason }) => reason === 'decision_maker_left'),
            deals,
          ),
          benchmark: 0.8,
        },
        underNurtured: {
          ...rated(poor, dead),
          benchmark: 0.79,
          lost: counted(dead.filter(({ what }) => what === 'lost')),
          expired: counted(dead.filter(({ what }) => what === 'expired')),
        },
      };
    },
  },
  prospects: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const [captured] = visitsBy(lead, asked.asOfMs);
        if (captured === undefined || !within(asked, captured.enteredMs)) return [];
        const atMs = captured.enteredMs;
        const voided = new Set(lead.events.map((e) => data(e).voidedEventId));
        const answer = lead.events.find((e) => e.type === 'BecameProspect' && !voided.has(e.id));
        const inTime = answer !== undefined && lead.timeOf(answer) <= asked.asOfMs;
        return [{ leadId: lead.leadId, dims: lead.dims, atMs, ms: inTime ? lead.timeOf(answer) - atMs : null }];
      }),
    figures: (items) => {
      const answered = items.filter(({ ms }) => ms !== null);
      return {
        captured: counted(items),
        prospects: rated(answered, items),
        daysToTwoWay: {
          ...spreadOf(
            answered.map(({ ms }) => ms),
            DAY,
          ),
          leads: distinct(answered),
        },
      };
    },
  },
  'sal-effect': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        closingsOf(lead)
          .filter(({ closedMs, kind }) => kind !== 'recycled' && closedMs <= asked.asOfMs && within(asked, closedMs))
          .map((closing) => {
            const { closedMs, owner, starts, team } = closing;
            const start = starts[asked.choices.start as string];
            const ms = closing.kind === 'lost' || start === null ? null : closedMs - start;
            return { ...closing, leadId: lead.leadId, dims: { ...lead.dims, owner, team }, atMs: closedMs, ms };
          }),
      ),
    figures: (items) => {
      const of = (name: string) => {
        const here = items.filter(({ way }) => way === name);
        const timed = here.filter(({ ms }) => ms !== null);
        return {
          closed: counted(here),
          winRate: rated(
            here.filter(({ kind }) => kind === 'won'),
            here,
          ),
          cycleDays: {
            ...spreadOf(
              timed.map(({ ms }) => ms),
              DAY,
            ),
            leads: distinct(timed),
          },
          breachShare: rated(
            here.filter(({ broken }) => broken),
            here,
          ),
        };
      };
      return { through: of('through'), skipped: of('skipped') };
    },
  },
} satisfies Partial<Record<ReportName, Oracle>>);

// --------------------------------------------------------------------------------------------------- comparison

/** The answer in the oracle's words: links apart, with the leads they must list. */
function sameFigures(answer: Any, expected: Any, links: { link: string; leads: string[] }[], path = ''): void {
  if (Array.isArray(expected)) {
    expect({ path, length: answer.length }).toEqual({ path, length: expected.length });
    expected.forEach((one, index) => sameFigures(answer[index], one, links, `${path}/${index}`));
    return;
  }
  if (expected === null || typeof expected !== 'object') {
    expect({ path, value: answer }).toEqual({ path, value: expected });
    return;
  }
  for (const [name, value] of Object.entries(expected)) {
    if (name === 'leads' && Array.isArray(value)) links.push({ link: answer.drill, leads: value as string[] });
    else if (name === 'denominatorLeads') links.push({ link: answer.drillDenominator, leads: value as string[] });
    else if (name === 'leadSums') {
      const { drill: _, ...sums } = answer.leads;
      expect({ path, value: sums }).toEqual({ path, value: spreadOf(value as number[], HOUR) });
    } else sameFigures(answer[name], value, links, `${path}/${name}`);
  }
}

const queryOf = (link: string): Record<string, string | string[]> => {
  const search = new URL(link, 'http://ledger').searchParams;
  return Object.fromEntries([...new Set(search.keys())].map((name) => [name, search.getAll(name)])) as Record<
    string,
    string[]
  >;
};
const flat = (query: Record<string, string | string[]>): Record<string, string | string[]> =>
  Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, value.length === 1 ? (value[0] as string) : value]),
  );

/** Local date by the platform's calendar, then cut by hand. */
function periodLabel(ms: number, unit: string, tz: string): string {
  const date = new Intl.DateTimeFormat('sv-SE', { timeZone: tz }).format(ms);
  if (unit === 'day') return date;
  if (unit === 'month') return date.slice(0, 7);
  const day = new Date(`${date}T00:00:00Z`);
  const thursday = new Date(day.getTime() + (4 - (day.getUTCDay() || 7)) * DAY);
  const firstDay = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - firstDay) / DAY / 7) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}

const question = fc.record({
  from: fc.option(fc.integer({ min: -2, max: 60 }), { nil: null, freq: 2 }),
  days: fc.option(fc.integer({ min: 1, max: 40 }), { nil: null, freq: 2 }),
  asOf: fc.option(fc.integer({ min: -1, max: 80 * 24 }), { nil: null, freq: 2 }),
  tz: fc.constantFrom('UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'Asia/Kolkata'),
  by: fc.subarray(['source', 'team', 'owner', 'basis', 'leadType', 'country'], { maxLength: 2 }),
  groupBy: fc.constantFrom(null, null, 'month', 'week', 'day'),
  mode: fc.constantFrom('reached', 'strict'),
  basis: fc.constantFrom('lead', 'cycle'),
  flowBasis: fc.constantFrom('lead', 'cycle', 'visit'),
  duration: fc.constantFrom('gross', 'active'),
  start: fc.constantFrom('interaction', 'cycle', 'sql', 'opportunity'),
  filter: fc.constantFrom(null, null, 'source', 'owner'),
});
type Question = typeof question extends fc.Arbitrary<infer T> ? T : never;

async function compare(view: ReadView, leads: OracleLead[], name: ReportName, asked: Question, nowMs: number) {
  const context = { nowMs, defaultTz: 'UTC', policies, position: null };
  const query: Record<string, string> = { tz: asked.tz };
  const day = (offset: number): string => iso(BEGIN + offset * DAY).slice(0, 10);
  if (name !== 'stock') {
    if (asked.from !== null) query.from = day(asked.from);
    if (asked.days !== null) query.to = day((asked.from ?? 0) + asked.days);
    if (asked.groupBy !== null) query.groupBy = asked.groupBy;
  }
  if (asked.asOf !== null) query.asOf = iso(BEGIN + asked.asOf * HOUR);
  if (asked.by.length > 0) query.by = asked.by.join(',');
  if (name === 'funnel' || name === 'leak') Object.assign(query, { mode: asked.mode, basis: asked.basis });
  if (name === 'returns' || name === 'recycling') query.basis = asked.basis;
  if (name === 'recycling') query.horizonDays = String(HORIZON_MS / DAY);
  if (name === 'flow') Object.assign(query, { mode: asked.mode, basis: asked.flowBasis });
  if (name === 'stage-durations') query.duration = asked.duration;
  if (name === 'sales-cycle' || name === 'sal-effect') query.start = asked.start;
  const filter: Record<string, (string | null)[]> = {};
  if (asked.filter !== null) {
    const value = asked.filter === 'owner' ? 'sam' : null;
    query[`filter[${asked.filter}]`] = value ?? '';
    filter[asked.filter] = [value];
  }

  const body: Any = await runReport(view, name, query, context);
  const plain: Asked = {
    fromMs: body.period?.from ? Date.parse(body.period.from) : null,
    toMs: body.period?.to ? Date.parse(body.period.to) : null,
    asOfMs: asked.asOf === null ? nowMs : BEGIN + asked.asOf * HOUR,
    filter,
    choices: {
      mode: asked.mode,
      basis: name === 'flow' ? asked.flowBasis : asked.basis,
      duration: asked.duration,
      start: asked.start,
    },
  };
  const { items, figures } = oracles[name] as Oracle;
  // Whoever was merged away is in no count, whenever asked for; only its promises are still kept or broken.
  const counted = name === 'sla' ? leads : leads.filter((lead) => !isMergedAway(lead));
  const all = items(counted, plain).filter((item) =>
    Object.entries(filter).every(([dim, values]) => values.includes(item.dims[dim] as string | null)),
  );
  const links: { link: string; leads: string[] }[] = [];
  sameFigures(body.total, figures(all, plain), links, `${name} total`);

  const unit = query.groupBy ?? null;
  const split = asked.by.length > 0 || unit !== null;
  const keyOf = (dims: Record<string, string | null>, period: string | undefined): string =>
    JSON.stringify([period ?? null, ...asked.by.map((dim) => dims[dim])]);
  const labelOf = (item: Item) => (unit === null ? undefined : periodLabel(item.atMs, unit, asked.tz));
  const keys = new Set(split ? all.map((item) => keyOf(item.dims, labelOf(item))) : []);
  expect(new Set(body.rows.map((row: Any) => keyOf(row.dimensions, row.dimensions.period)))).toEqual(keys);
  expect(body.rows).toHaveLength(keys.size);
  for (const row of body.rows) {
    const key = keyOf(row.dimensions, row.dimensions.period);
    const here = all.filter((item) => keyOf(item.dims, labelOf(item)) === key);
    sameFigures(row, figures(here, plain), links, `${name} ${key}`);
  }
  // A handful of the links, spread over the answer: each is a report of its own.
  for (let index = 0; index < links.length; index += Math.ceil(links.length / 8)) {
    const { link, leads: expected } = links[index] as { link: string; leads: string[] };
    const found = await drillLeads(view, flat(queryOf(link)), context);
    expect({ link, leads: found }).toEqual({ link, leads: expected });
  }
}

/** `ORACLE_RUNS=2000` for a long look. */
const RUNS = Number(process.env.ORACLE_RUNS ?? 40);
jest.setTimeout(60_000 + 500 * RUNS);

describe('reports against plain events', () => {
  it.each(Object.keys(oracles) as ReportName[])('%s says what a reader of the events would count', async (name) => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
        question,
        async (history, sizes, asked) => {
          const { past, nowMs } = playAll(history);
          await compare(await viewOf(past, sizes), readPast(past), name, asked, nowMs);
        },
      ),
      { numRuns: RUNS },
    );
  });

  /** A random question about a random history, with the leads that count in figures. */
  const ask = (
    judge: (asked: {
      readonly leads: readonly OracleLead[];
      readonly report: (name: ReportName, query?: Record<string, string>) => Promise<Any>;
      readonly drill: (link: string) => Promise<string[]>;
      readonly asOfMs: number;
      readonly question: Question;
      /** Local midnights, if the question names them. */
      readonly period: { readonly from?: string; readonly to?: string };
    }) => Promise<void>,
  ) =>
    fc.assert(
      fc.asyncProperty(steps, question, async (history, asked) => {
        const { past, nowMs } = playAll(history);
        const view = await viewOf(past, [9]);
        const asOfMs = asked.asOf === null ? nowMs : BEGIN + asked.asOf * HOUR;
        const context = { nowMs, defaultTz: 'UTC', policies, position: null };
        const day = (offset: number): string => iso(BEGIN + offset * DAY).slice(0, 10);
        const usual = { asOf: iso(asOfMs), tz: asked.tz };
        await judge({
          leads: readPast(past).filter((lead) => !isMergedAway(lead)),
          report: (name, query = {}) => runReport(view, name, { ...usual, ...query }, context),
          drill: (link) => drillLeads(view, flat(queryOf(link)), context),
          asOfMs,
          question: asked,
          period: {
            ...(asked.from === null ? {} : { from: day(asked.from) }),
            ...(asked.days === null ? {} : { to: day((asked.from ?? 0) + asked.days) }),
          },
        });
      }),
      { numRuns: RUNS },
    );
  /** The month before a month, as labels. */
  const monthBefore = (label: string): string => iso(Date.parse(`${label}-01`) - DAY).slice(0, 7);
  const monthAfter = (label: string): string => iso(Date.parse(`${label}-01`) + 31 * DAY).slice(0, 7);
  const isIn = ({ from, to }: { from?: string; to?: string }, ms: number, tz: string): boolean => {
    const date = periodLabel(ms, 'day', tz);
    return (from === undefined || date >= from) && (to === undefined || date < to);
  };

  it('velocity counts the first strict entries of each local month against the month before', async () => {
    await ask(async ({ asOfMs, drill, leads, period, question: { tz }, report }) => {
      const firsts = leads.flatMap((lead) => {
        const first = visitsBy(lead, asOfMs).find(({ state }) => state === 'SQL');
        if (first === undefined) return [];
        return { leadId: lead.leadId, month: periodLabel(first.enteredMs, 'month', tz), owner: lead.dims.owner };
      });
      const { rows, total } = await report('velocity', { ...period, by: 'owner' });
      const earliest = firsts.map(({ month }) => month).sort()[0];
      const begin = period.from?.slice(0, 7) ?? earliest;
      const present = periodLabel(asOfMs, 'month', tz);
      const lastDay = period.to === undefined ? null : iso(Date.parse(period.to) - DAY).slice(0, 7);
      const end = lastDay === null || lastDay > present ? present : lastDay;
      const months: string[] = [];
      const startsLater = period.from !== undefined && period.from > periodLabel(asOfMs, 'day', tz);
      if (begin !== undefined && !startsLater) for (let m = begin; m <= end; m = monthAfter(m)) months.push(m);
      const owners = [...new Set(firsts.map(({ owner }) => owner))];
      expect(new Set(rows.map((row: Any) => `${row.dimensions.period} ${row.dimensions.owner}`))).toEqual(
        new Set(owners.flatMap((owner) => months.map((month) => `${month} ${owner}`))),
      );
      for (const { dimensions, ...row } of rows) {
        const own = firsts.filter(({ owner }) => owner === dimensions.owner);
        const now = own.filter(({ month }) => month === dimensions.period);
        const then = own.filter(({ month }) => month === monthBefore(dimensions.period));
        const delta = now.length - then.length;
        expect(row).toMatchObject({
          qualified: { count: now.length },
          previous: { count: then.length },
          delta,
          percent: then.length === 0 ? null : Math.round((1e6 * delta) / then.length) / 1e4,
        });
        expect(await drill(row.qualified.drill)).toEqual(distinct(now));
        expect(await drill(row.previous.drill)).toEqual(distinct(then));
      }
      const all = firsts.filter(({ month }) => months.includes(month));
      expect(total.qualified.count).toBe(all.length);
      expect(await drill(total.qualified.drill)).toEqual(distinct(all));
    });
  });

  it('qualified counts by lead and by cycle, and what is still open of it', async () => {
    await ask(async ({ asOfMs, drill, leads, period, question: { basis, mode, tz }, report }) => {
      const asked: Asked = { fromMs: null, toMs: null, asOfMs, filter: {}, choices: { basis } };
      const open = leads.filter((lead) => ['SQL', 'OPPORTUNITY'].includes(visitsBy(lead, asOfMs).at(-1)?.state ?? ''));
      const qualified = leads.flatMap((lead) =>
        unitsOf(lead, asked).flatMap((unit) => {
          const atMs = reached(unit, 'SQL', mode);
          if (atMs === null || !isIn(period, atMs, tz)) return [];
          return [{ leadId: lead.leadId, open: open.includes(lead) && unit.at(-1) === visitsBy(lead, asOfMs).at(-1) }];
        }),
      );
      const stillOpen = qualified.filter((one) => one.open);
      const { total } = await report('qualified', { ...period, basis, mode, by: 'source' });
      expect(total).toMatchObject({
        qualified: { count: qualified.length },
        stillOpen: { numerator: stillOpen.length, denominator: qualified.length },
        openStock: { count: open.length },
      });
      expect(await drill(total.qualified.drill)).toEqual(distinct(qualified));
      expect(await drill(total.stillOpen.drill)).toEqual(distinct(stillOpen));
      expect(await drill(total.openStock.drill)).toEqual(distinct(open));
    });
  });

  it('revenue adds up what was won in each month and in the one before', async () => {
    await ask(async ({ asOfMs, drill, leads, period, question: { tz }, report }) => {
      const sales = leads.flatMap((lead) =>
        closingsOf(lead)
          .filter(({ closedMs, kind }) => kind === 'won' && closedMs <= asOfMs)
          .map(({ amount, closedMs }) => ({ leadId: lead.leadId, amount, closedMs })),
      );
      const { rows, total } = await report('revenue', { groupBy: 'month' });
      const sums = (month: string, currency: string) => {
        const here = sales.filter(
          ({ amount, closedMs }) => amount?.currency === currency && periodLabel(closedMs, 'month', tz) === month,
        );
        return { here, deals: here.length, amountMinor: here.reduce((sum, { amount }) => sum + amount.amountMinor, 0) };
      };
      const labels = rows.map((row: Any) => row.dimensions.period);
      for (const { closedMs } of sales) expect(labels).toContain(periodLabel(closedMs, 'month', tz));
      for (const { currencies, dimensions } of rows) {
        for (const { currency, growth, previous, won } of currencies) {
          const { here, ...now } = sums(dimensions.period, currency);
          const { here: earlier, ...then } = sums(monthBefore(dimensions.period), currency);
          expect([won, previous]).toMatchObject([now, then]);
          expect(growth.rate).toBe(
            then.amountMinor === 0
              ? null
              : Math.floor((1e6 * (now.amountMinor - then.amountMinor)) / then.amountMinor + 0.5) / 1e6,
          );
          expect(await drill(won.drill)).toEqual(distinct(here));
          expect(await drill(previous.drill)).toEqual(distinct(earlier));
        }
      }
      const known = sales.filter(({ amount }) => amount !== null);
      expect(total.currencies.reduce((count: number, { won }: Any) => count + won.deals, 0)).toBe(known.length);
      expect(total.withoutAmount.count).toBe(sales.length - known.length);
      const asked = (await report('revenue', period)).total;
      const within = known.filter(({ closedMs }) => isIn(period, closedMs, tz));
      expect(asked.currencies.reduce((count: number, { won }: Any) => count + won.deals, 0)).toBe(within.length);
    });
  });

  it('lets nobody into a stage who neither left it nor is there, and converts nobody twice', async () => {
    await ask(async ({ asOfMs, period, question: { mode }, report }) => {
      const [flow, durations, stock] = await Promise.all([
        report('flow', period),
        report('stage-durations', period),
        report('stock'),
      ]);
      const [entered, left] = await Promise.all([report('flow'), report('stage-durations')]);
      // Who was there as the period began, and as it ended.
      const bounds = [flow.period.from, flow.period.to].map((at) => (at === null ? null : Date.parse(at) - 1));
      const [beforeMs, lastMs] = bounds as [number | null, number | null];
      const before = beforeMs === null ? null : await report('stock', { asOf: iso(Math.min(beforeMs, asOfMs)) });
      const after = lastMs === null ? stock : await report('stock', { asOf: iso(Math.min(lastMs, asOfMs)) });
      const exitsOf = (body: Any, state: string): number =>
        body.total.stages.find((stage: Any) => stage.state === state)?.visits.n ?? 0;
      for (const state of LEAD_STATES) {
        const inside = stock.total.states[state].count;
        // Merged leads are in none of these: entries = exits + inside.
        expect(entered.total.entries[state].count).toBe(exitsOf(left, state) + inside);
        const change = flow.total.entries[state].count - exitsOf(durations, state);
        const [first, last] = [before, after].map((body) => body?.total.states[state].count ?? 0);
        expect(change).toBe(last - first);
      }
      const rates: (number | null)[] = [];
      const collect = (figure: Any): void => {
        if (figure === null || typeof figure !== 'object') return;
        if ('rate' in figure) rates.push(figure.rate);
        Object.values(figure).forEach(collect);
      };
      for (const name of ['funnel', 'leak'] as const) collect((await report(name, { ...period, mode })).total);
      for (const name of ['recycling', 'returns', 'prospects', 'qualified', 'loss-reasons', 'sal-effect'] as const)
        collect((await report(name, name === 'returns' ? { ...period, basis: 'lead' } : period)).total);
      for (const one of rates) expect(one === null || (one >= 0 && one <= 1)).toBe(true);
      for (const stage of (await report('leak', { ...period, mode })).total.stages) {
        const { advanced, inside, leak, reached } = stage;
        expect(advanced.numerator + inside.numerator + leak.numerator).toBe(reached.count);
      }
    });
  });

  /** Asks a report whatever of a question it takes. */
  const asker = (asked: Question) => {
    const day = (offset: number): string => iso(BEGIN + offset * DAY).slice(0, 10);
    const split = { tz: asked.tz, ...(asked.by.length === 0 ? {} : { by: asked.by.join(',') }) };
    const period = {
      ...(asked.from === null ? {} : { from: day(asked.from) }),
      ...(asked.days === null ? {} : { to: day((asked.from ?? 0) + asked.days) }),
    };
    const unit = asked.groupBy === null ? {} : { groupBy: asked.groupBy };
    const queries = [{ ...split, ...period, ...unit }, { ...split, ...period }, split, {}];
    return async (view: ReadView, name: ReportName, nowMs: number, asOfMs = nowMs): Promise<Any> => {
      const context = { nowMs, defaultTz: 'UTC', policies, position: null };
      for (const query of queries) {
        try {
          return await runReport(view, name, { ...query, asOf: iso(asOfMs) }, context);
        } catch (error) {
          if (!(error instanceof ReportError)) throw error;
        }
      }
      return null;
    };
  };

  it('answers as of any instant, whichever it was asked for before', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        question,
        fc.array(fc.integer({ min: -60 * 24, max: 300 * 24 }), { minLength: 2, maxLength: 4 }),
        fc.array(fc.constantFrom(...REPORT_NAMES), { minLength: 1, maxLength: 4 }),
        async (history, asked, hours, names) => {
          const { past, nowMs } = playAll(history);
          const answer = asker(asked);
          const view = await viewOf(past);
          for (const name of names) {
            for (const hour of hours) {
              const atMs = nowMs + hour * HOUR;
              // Another object is another view to whoever remembers answers.
              const unasked = Object.create(view) as ReadView;
              expect(await answer(view, name, atMs)).toEqual(await answer(unasked, name, atMs));
            }
          }
        },
      ),
      { numRuns: RUNS },
    );
  });

  /** A view that is asked again and again while it is filled, beside one that nobody has asked before. */
  const askedBefore = (open: () => ReadView, numRuns: number) =>
    fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
        question,
        fc.array(fc.constantFrom(...REPORT_NAMES), { minLength: 1, maxLength: 4 }),
        async (history, sizes, asked, names) => {
          const { past, nowMs } = playAll(history);
          const answer = asker(asked);
          const view = open();
          const soFar = new Past();
          for (let turn = 0; soFar.events.length < past.events.length; turn += 1) {
            const size = sizes[turn % sizes.length] as number;
            const batch = past.events.slice(soFar.events.length, soFar.events.length + size);
            await foldBatch(view, batch);
            soFar.events.push(...batch);
            // Before everything has happened, when the batch was recorded, and later: what was to come has come.
            const instants = [nowMs, batch.at(-1)?.recordedAtMs ?? nowMs, nowMs + 45 * DAY];
            const fresh = await viewOf(soFar);
            for (const name of names) {
              const atMs = instants[turn % instants.length] as number;
              const asOfMs = asked.asOf === null ? atMs : Math.min(atMs, BEGIN + asked.asOf * HOUR);
              expect(await answer(view, name, atMs, asOfMs)).toEqual(await answer(fresh, name, atMs, asOfMs));
            }
          }
        },
      ),
      { numRuns },
    );

  it('answers whoever asked before a change as it answers whoever never did', async () => {
    let views = 0;
    const store = new MemoryStore();
    await askedBefore(() => store.open('asked', (views += 1)), 2 * RUNS);
  });

  (hasRedis() ? it : it.skip)('answers so from Redis too', async () => {
    const server = await startRedis();
    const store = new RedisStore({ url: server.url });
    try {
      let views = 0;
      await askedBefore(() => store.open('asked', (views += 1)), RUNS);
    } finally {
      await store.close();
      await server.stop();
    }
  });

  it('holds the same whatever the batches, to the last byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
        async (history, sizes) => {
          const { past } = playAll(history);
          expect(await (await viewOf(past, sizes)).digest()).toBe(await (await viewOf(past)).digest());
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('keeps each lead in the due set at the instant libs/lead would act next', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const { past, players } = playAll(history);
        const expected = players.flatMap(({ clocks, lead }) => {
          const due = [...clocks.values()].map(nextDueMs).filter((ms) => ms !== null);
          return due.length === 0 ? [] : [[lead.leadId, Math.min(...due)]];
        });
        const found = await (await viewOf(past, [5])).scored(DUE_SET);
        expect(new Map(found)).toEqual(new Map(expected as [string, number][]));
      }),
      { numRuns: RUNS },
    );
  });

  it('packs a row and reads it back unchanged', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const { past, players } = playAll(history);
        for (const { lead } of players) {
          let row = funnelProjection.load(null, lead.leadId);
          for (const event of past.events) {
            if (funnelProjection.entityOf(event) === lead.leadId) row = funnelProjection.evolve(row, event);
          }
          const again = funnelProjection.load(funnelProjection.pack(row), lead.leadId);
          expect({ ...again, memo: null }).toEqual({ ...row, memo: null });
          expect(funnelProjection.facts(again)).toEqual(funnelProjection.facts(row));
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('lists every lead once, in its present state', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const { past, players, nowMs } = playAll(history);
        const context = { nowMs, defaultTz: 'UTC', policies, position: null };
        const { items } = await listLeads(await viewOf(past, [7]), {}, context);
        const captured = players.filter(({ lead }) => lead.state !== null && lead.state !== 'MERGED');
        const merged = players.filter(({ lead }) => lead.state === 'MERGED').map(({ lead }) => lead.leadId);
        const away = await listLeads(await viewOf(past, [7]), { 'filter[state]': 'MERGED' }, context);
        expect(away.items.map(({ leadId }) => leadId).sort()).toEqual(merged.sort());
        expect(new Map(items.map((item) => [item.leadId, item.state]))).toEqual(
          new Map(captured.map(({ lead }) => [lead.leadId, lead.state])),
        );
        expect(items).toHaveLength(captured.length);
      }),
      { numRuns: RUNS },
    );
  });

  it.each(REPORT_NAMES)('%s is as it was after a merge that is taken back', async (name) => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(2), fc.nat(1), async (history, first, second) => {
        const { past, players, nowMs } = playAll(history);
        const survivor = players[first] as Player;
        const duplicate = players[(first + 1 + second) % 3] as Player;
        fc.pre([survivor, duplicate].every(({ lead }) => lead.state !== null && lead.state !== 'MERGED'));
        // What falls due meanwhile is broken with the merge or without.
        for (const player of players) player.sweep(nowMs);
        const context = { nowMs: nowMs + 2, defaultTz: 'UTC', position: null, policies };
        const query = {
          by: 'source,owner',
          ...(name === 'forecast-accuracy' ? { from: '2018-03-19', to: '2018-06-01' } : {}),
        };
        const before = await runReport(await viewOf(past), name, query, context);
        survivor.merge(duplicate, 'again', nowMs);
        survivor.unmerge('again', nowMs + 1);
        expect(await runReport(await viewOf(past), name, query, context)).toEqual(before);
      }),
      { numRuns: RUNS },
    );
  });
});
