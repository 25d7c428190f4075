import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEvent, LeadEventData, LeadEventType } from '#libs/lead/src/events.js';
import { CYCLE_ENDING, type LeadStateName } from '#libs/lead/src/states.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { ROW_TABLE, rowPartition } from '#libs/projections/src/projection.js';
import { funnelProjection } from './funnel-projection.js';
import { MemoryStore } from './store/memory-store.js';
import type { Op, ReadView } from './store/read-store.js';

/** Test language of this library: given what happened to leads, when the view has folded it, then the reports say. */

const iso = (ms: number): string => new Date(ms).toISOString();
/** `2018-03-01 09:00` or an instant, UTC. */
export const at = (text: string): number =>
  Date.parse(text.includes('T') ? text : `${text.replace(' ', 'T')}${text.length > 10 ? ':00' : 'T00:00:00'}Z`);

interface When {
  readonly recordedMs?: number;
  readonly actor?: { type: string; id: string; role: string };
  readonly eventId?: string;
  readonly pipelineVersion?: number;
}

/** The configuration a new ledger starts with, and what else these events set. */
export function policyBook(...events: { stream: string; type: string; data: object }[]): PolicyBook {
  const book = new PolicyBook();
  for (const event of [...defaultConfigEvents(0), ...events]) book.apply(event);
  return book;
}

/** Everything that happened, in the order of the log. */
export class Past {
  readonly events: RecordedEvent[] = [];
  #leads = 0;

  lead(leadId = `lead-${String((this.#leads += 1)).padStart(4, '0')}`): PastLead {
    return new PastLead(this, leadId);
  }
}

type Free<T extends LeadEventType> = Partial<LeadEventData<T>>;

/** One lead's stream, with the visit and cycle numbers that the domain would give. */
export class PastLead {
  readonly visits: { state: LeadStateName; cycle: number; eventId: string; atMs: number }[] = [];
  #revision = -1;
  #facts = 0;
  handoffId: string | null = null;
  dealId: string | null = null;

  constructor(
    readonly past: Past,
    readonly leadId: string,
  ) {}

  get state(): LeadStateName | null {
    return this.visits.at(-1)?.state ?? null;
  }

  newId(kind: string): string {
    this.#facts += 1;
    return `${this.leadId}:${kind}${this.#facts}`;
  }

  /** Appends any event as it is. */
  append(event: LeadEvent | { type: LeadEventType; data: object }, when: When = {}): string {
    const { occurredAt } = event.data as { occurredAt: string };
    this.#revision += 1;
    const id = when.eventId ?? this.newId('event');
    this.past.events.push({
      id,
      stream: `lead-${this.leadId}`,
      revision: this.#revision,
      position: this.past.events.length.toString(16).padStart(16, '0'),
      type: event.type,
      data: { ...event.data, leadId: this.leadId },
      metadata: {
        actor: when.actor ?? { type: 'user', id: 'ann', role: 'sales' },
        source: { system: 'api' },
        ...(when.pipelineVersion === undefined ? {} : { policyRefs: { pipelineVersion: when.pipelineVersion } }),
      },
      recordedAtMs: when.recordedMs ?? Date.parse(occurredAt),
    });
    return id;
  }

  fact<T extends LeadEventType>(type: T, atMs: number, data: Free<T> = {}, when: When = {}): string {
    return this.append({ type, data: { occurredAt: iso(atMs), ...data } }, when);
  }

  transition<T extends LeadEventType>(
    type: T,
    toState: LeadStateName,
    atMs: number,
    data: Free<T> = {},
    when: When = {},
  ): string {
    const last = this.visits.at(-1);
    const fromState = last?.state ?? null;
    const begins = fromState !== null && CYCLE_ENDING.has(fromState) && !CYCLE_ENDING.has(toState);
    const cycleNo = (last?.cycle ?? 1) + (begins ? 1 : 0);
    const id = this.fact(
      type,
      atMs,
      { fromState, toState, cycleNo, stageVisitNo: this.visits.length + 1, ...data },
      when,
    );
    this.visits.push({ state: toState, cycle: cycleNo, eventId: id, atMs });
    return id;
  }

  captured(atMs: number, data: Free<'LeadCaptured'> = {}, when: When = {}): this {
    this.transition(
      'LeadCaptured',
      data.initialStage === 'subscriber' ? 'SUBSCRIBER' : 'LEAD',
      atMs,
      {
        initialStage: 'lead',
        identityKeys: [],
        role: 'unknown',
        leadType: 'new_business',
        captureMethod: 'form',
        interest: { kind: 'active' },
        source: { channel: 'search' },
        consents: [],
        ...data,
      },
      when,
    );
    return this;
  }

  mql(atMs: number, data: Free<'MarkedMQL'> = {}): this {
    this.transition('MarkedMQL', 'MQL', atMs, { basis: 'marketing', mode: 'manual', ...data });
    return this;
  }

  handedOff(atMs: number, data: Free<'HandedOffToSales'> = {}): this {
    this.handoffId = this.newId('handoff');
    this.fact('HandedOffToSales', atMs, {
      handoffId: this.handoffId,
      teamId: 'sales',
      agreementId: 'standard',
      agreementVersion: 1,
      summary: '',
      ...data,
    });
    return this;
  }

  accepted(atMs: number, data: Free<'AcceptedBySales'> = {}): this {
    this.transition('AcceptedBySales', 'SAL', atMs, {
      handoffId: this.handoffId as string,
      acceptedBy: 'sam',
      ownerId: 'sam',
      teamId: 'sales',
      ...data,
    });
    this.handoffId = null;
    return this;
  }

  rejected(atMs: number, data: Free<'RejectedBySales'> = {}): this {
    this.transition('RejectedBySales', 'RECYCLED', atMs, {
      handoffId: this.handoffId as string,
      recycleKind: 'rejected',
      reasonCode: 'bad_data',
      failedCriteria: [],
      ...data,
    });
    this.handoffId = null;
    return this;
  }

  sql(atMs: number, data: Free<'MarkedSQL'> = {}): this {
    this.transition('MarkedSQL', 'SQL', atMs, { mode: 'manual', implicitAcceptance: false, ...data });
    this.handoffId = null;
    return this;
  }

  opportunity(atMs: number, amountMinor: number, data: Free<'OpportunityOpened'> = {}): this {
    this.dealId = this.newId('deal');
    this.transition('OpportunityOpened', 'OPPORTUNITY', atMs, {
      dealId: this.dealId,
      pipelineId: 'default',
      pipelineVersion: 1,
      dealStage: 'demo',
      amount: { amountMinor, currency: 'EUR' },
      expectedCloseDate: '2030-01-01',
      horizon: 'short',
      ...data,
    });
    return this;
  }

  won(atMs: number, data: Free<'DealWon'> = {}): this {
    this.transition('DealWon', 'CUSTOMER', atMs, {
      dealId: this.dealId ?? this.newId('deal'),
      amount: null,
      closedAt: iso(atMs),
      fxRateToReporting: '1',
      ...data,
    });
    this.dealId = null;
    return this;
  }

  lost(atMs: number, data: Free<'DealLost'> = {}): this {
    this.transition('DealLost', 'LOST', atMs, {
      dealId: this.dealId ?? this.newId('deal'),
      amount: null,
      reasonCode: 'price',
      nurtureTouches: 0,
      ...data,
    });
    this.dealId = null;
    return this;
  }

  recycled(atMs: number, data: Free<'RecycledNotReady'> = {}): this {
    this.transition('RecycledNotReady', 'RECYCLED', atMs, {
      reasonCode: 'timing',
      nurtureTrackId: 'default',
      recycleKind: 'not_ready',
      ...(this.dealId === null ? {} : { closedDealId: this.dealId }),
      ...data,
    });
    this.dealId = null;
    return this;
  }

  /** Takes the latest transition back. */
  voided(atMs: number, data: Free<'TransitionVoided'> = {}, when: When = {}): this {
    const visit = this.visits.pop();
    const restored = this.visits.at(-1);
    if (visit === undefined || restored === undefined) throw new Error('nothing to void');
    this.fact(
      'TransitionVoided',
      atMs,
      {
        fromState: visit.state,
        toState: restored.state,
        restoredState: restored.state,
        cycleNo: restored.cycle,
        stageVisitNo: this.visits.length,
        voidedEventId: visit.eventId,
        voidedOccurredAt: iso(visit.atMs),
        reason: 'entered for the wrong lead',
        ...data,
      },
      when,
    );
    return this;
  }

  clock(
    clockType: LeadEventData<'SlaClockStarted'>['clockType'],
    startMs: number,
    dueMs: number,
    data: Free<'SlaClockStarted'> = {},
  ): string {
    const clockId = this.newId('clock');
    this.fact('SlaClockStarted', startMs, {
      clockId,
      clockType,
      agreementId: 'standard',
      agreementVersion: 1,
      calendarId: '24x7',
      calendarVersion: 1,
      startedAt: iso(startMs),
      targetOpenS: (dueMs - startMs) / 1000,
      dueAt: iso(dueMs),
      teamId: 'sales',
      ...data,
    });
    return clockId;
  }

  clockStopped(clockId: string, startMs: number, stopMs: number, outcome: 'met' | 'late' | 'evidence_too_late'): this {
    this.fact('SlaClockStopped', stopMs, {
      clockId,
      stoppedAt: iso(stopMs),
      byEventId: 'fact',
      outcome,
      elapsedOpenS: (stopMs - startMs) / 1000,
      elapsedWallS: (stopMs - startMs) / 1000,
      overdueWallS: 0,
    });
    return this;
  }

  breached(clockId: string, dueMs: number, data: Free<'SlaBreached'> = {}): this {
    this.fact('SlaBreached', dueMs, {
      clockId,
      clockType: 'first_contact',
      dueAt: iso(dueMs),
      detectedBy: 'sweeper',
      detectionLagS: 0,
      ...data,
    });
    return this;
  }
}

const partOf = (fact: Fact): string => {
  switch (fact.kind) {
    case 'row':
      return `row ${fact.table} ${fact.part} ${fact.key}`;
    case 'score':
      return `score ${fact.set} ${fact.member}`;
    case 'count':
      throw new Error('this projection counts nothing');
  }
};

const put = (fact: Fact): Op => {
  if (fact.kind === 'row') {
    const { table, part, key, value } = fact;
    return { op: 'put', table, part, key, value };
  }
  if (fact.kind === 'score') return { op: 'score', set: fact.set, member: fact.member, score: fact.score };
  throw new Error('this projection counts nothing');
};

const drop = (fact: Fact): Op =>
  fact.kind === 'row'
    ? { op: 'del', table: fact.table, part: fact.part, key: fact.key }
    : { op: 'unscore', set: (fact as { set: string }).set, member: (fact as { member: string }).member };

/**
 * Folds a batch as the projection runtime does, the slow way: every lead's row is loaded from its packed form, and the
 * difference of its facts is committed.
 */
export async function foldBatch(view: ReadView, batch: readonly RecordedEvent[]): Promise<void> {
  const byLead = new Map<string, RecordedEvent[]>();
  for (const event of batch) {
    const leadId = funnelProjection.entityOf(event) as string;
    byLead.set(leadId, [...(byLead.get(leadId) ?? []), event]);
  }
  const ops: Op[] = [];
  for (const [leadId, events] of byLead) {
    const part = rowPartition(leadId);
    const [packed] = await view.get(ROW_TABLE, part, [leadId]);
    let row = funnelProjection.load(packed ?? null, leadId);
    const before = new Map(funnelProjection.facts(row).map((fact) => [partOf(fact), fact]));
    for (const event of events) row = funnelProjection.evolve(row, event);
    for (const fact of funnelProjection.facts(row)) {
      const name = partOf(fact);
      const old = before.get(name);
      before.delete(name);
      if (old === undefined || JSON.stringify(old) !== JSON.stringify(fact)) ops.push(put(fact));
    }
    for (const fact of before.values()) {
      // A member that is scored again under another identity would be dropped: identities are exact here.
      ops.push(drop(fact));
    }
    ops.push({ op: 'put', table: ROW_TABLE, part, key: leadId, value: funnelProjection.pack(row) });
  }
  const last = batch.at(-1);
  if (last !== undefined) await view.commit(await view.checkpoint(), last.position, ops);
}

/** A view that has folded the past in batches of the given sizes, repeated. */
export async function viewOf(past: Past, sizes: readonly number[] = [1000]): Promise<ReadView> {
  const view = new MemoryStore().open(funnelProjection.name, funnelProjection.version);
  let start = 0;
  for (let turn = 0; start < past.events.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    await foldBatch(view, past.events.slice(start, start + size));
    start += size;
  }
  return view;
}
