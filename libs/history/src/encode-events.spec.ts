import { describe, expect, it } from '@jest/globals';
import type { JsonObject, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { eventsEncoder } from './encode-events.js';
import { GrowingTables } from './growing-tables.js';
import type { Table } from './table.js';
import { DEALS, EVENTS, HANDOFFS, LEADS, MERGES, TRANSITIONS } from './tables-events.js';

const LEAD = '0192d1f0-0000-7000-8000-00000000000a';
const OTHER = '0192d1f0-0000-7000-8000-00000000000b';
const at = (minute: number): string => new Date(Date.UTC(2026, 2, 2, 9, minute)).toISOString();

/** Commands of one lead or another, each with its events. */
class Stream {
  readonly events: RecordedEvent[] = [];

  command(
    leadId: string,
    minute: number,
    ...events: readonly [type: string, data?: JsonObject, metadata?: JsonObject][]
  ): this {
    const commandId = `command ${this.events.length}`;
    for (const [type, data = {}, metadata = {}] of events) {
      const stream = `lead-${leadId}`;
      const revision = this.events.filter((event) => event.stream === stream).length;
      const position = (this.events.length + 1).toString(16).padStart(16, '0');
      const actor = { type: 'user', id: 'ann', role: 'sales' };
      this.events.push({
        id: `${leadId} ${revision}`,
        type,
        stream,
        revision,
        position,
        recordedAtMs: Date.parse(at(minute)) + 250,
        data: { leadId, occurredAt: at(minute), ...data },
        metadata: { schemaVersion: 1, commandId, actor, source: { system: 'api' }, ...metadata },
      });
    }
    return this;
  }

  /** Rows of a table in plain values; `begin`: the encoder is new at each of these events. */
  async rows(table: Table, begin: readonly number[] = []): Promise<Record<string, unknown>[]> {
    const tables = new GrowingTables();
    const readStream = async (stream: string, to: number): Promise<RecordedEvent[]> =>
      this.events.filter((event) => event.stream === stream && event.revision <= to);
    let encoder = eventsEncoder({ readStream });
    for (const [number, event] of this.events.entries()) {
      if (begin.includes(number)) encoder = eventsEncoder({ readStream });
      await encoder.encode(event, tables);
    }
    const { columns, rows } = tables.table(table);
    return Array.from({ length: rows }, (_, row) =>
      Object.fromEntries(
        table.columns.flatMap(({ dictionary, name, type }, index): [string, unknown][] => {
          const value = columns[index]?.[row] as number;
          if (Number.isNaN(value) || (type === 'code' && value === 0)) return [];
          if (type === 'lead') return [[name, tables.leadIds[value]]];
          if (type === 'code') return [[name, tables.dictionary(dictionary ?? '').values[value]]];
          return [[name, type === 'instant' ? new Date(value).toISOString() : value]];
        }),
      ),
    );
  }
}

const captured: [string, JsonObject] = [
  'LeadCaptured',
  {
    fromState: null, toState: 'LEAD', cycleNo: 1, stageVisitNo: 1, initialStage: 'lead', leadType: 'new_business', captureMethod: 'form',
    interest: { kind: 'active', request: 'demo' }, source: { channel: 'search', code: 'fair' }, location: { country: 'DE' },
    sealed: 'not for anybody',
  },
]; // prettier-ignore
const moved = (fromState: string, toState: string, stageVisitNo: number, more: JsonObject = {}): JsonObject => ({
  fromState, toState, cycleNo: 1, stageVisitNo, ...more,
}); // prettier-ignore

describe('events as rows', () => {
  it('say who is who, when, and where a command begins, wherever the encoder begins', async () => {
    const stream = new Stream()
      .command(LEAD, 0, captured, ['BehaviourRecorded'], ['LeadScored', {}, { actor: { type: 'system', id: 'system:scoring', role: 'system' } }])
      .command(OTHER, 1, captured)
      .command(LEAD, 2, ['BehaviourRecorded'], ['LeadScored']); // prettier-ignore
    const rows = await stream.rows(EVENTS);
    expect(rows.map(({ revision, starts_command }) => [revision, starts_command])).toEqual([[0, 1], [1, 0], [2, 0], [0, 1], [3, 1], [4, 0]]); // prettier-ignore
    expect(rows[2]).toMatchObject({ actor_kind: 'system', policy: 'system:scoring', type: 'LeadScored', lead: LEAD });
    expect(rows[0]).toMatchObject({
      occurred_at: at(0),
      recorded_at: '2026-03-02T09:00:00.250Z',
      actor_role: 'sales',
      imported: 0,
    });
    expect(rows[0]?.policy).toBeUndefined();
    for (const begin of [[1], [2, 4], [5], [0, 1, 2, 3, 4, 5]]) expect(await stream.rows(EVENTS, begin)).toEqual(rows);
    expect(await stream.rows(LEADS)).toMatchObject([
      { lead: LEAD, captured_at: at(0), source: 'fair', channel: 'search', country: 'DE', initial_state: 'LEAD' },
      { lead: OTHER },
    ]);
  });

  it('point at the event that a correction is about', async () => {
    const stream = new Stream()
      .command(LEAD, 0, captured)
      .command(LEAD, 1, ['MarkedMQL', moved('LEAD', 'MQL', 2, { basis: 'marketing', mode: 'manual' })])
      .command(LEAD, 2, ['OccurredAtCorrected', { correctedEventId: `${LEAD} 1`, old: at(1), new: at(0) }])
      .command(LEAD, 3, ['TransitionVoided', moved('MQL', 'LEAD', 3, { voidedEventId: `${LEAD} 1` })]);
    const rows = await stream.rows(EVENTS);
    expect(rows.map(({ corrected_at, refers_to }) => [refers_to, corrected_at])).toEqual([[0, undefined], [0, undefined], [2, at(0)], [2, undefined]]); // prettier-ignore
    expect(await stream.rows(TRANSITIONS)).toMatchObject([
      { to_state: 'LEAD', visit_no: 1 },
      { from_state: 'LEAD', to_state: 'MQL', basis: 'marketing', mode: 'manual', refers_to: 0 },
      { type: 'TransitionVoided', refers_to: 2, to_state: 'LEAD' },
    ]);
  });

  it('tell what became of handoffs, deals and merges', async () => {
    const amount = { amountMinor: 1_200_000, currency: 'EUR' };
    const stream = new Stream()
      .command(LEAD, 0, captured)
      .command(LEAD, 1, ['HandedOffToSales', { handoffId: 'h', teamId: 'sales', agreementId: 'standard', agreementVersion: 2 }])
      .command(LEAD, 2, ['MarkedSQL', moved('MQL', 'SQL', 3, { handoffId: 'h', implicitAcceptance: true, skippedStages: ['SAL'], skipRule: 'inbound_hand_raise' })])
      .command(LEAD, 3, ['OpportunityOpened', moved('SQL', 'OPPORTUNITY', 4, { dealId: 'd', dealStage: 'demo', amount, expectedCloseDate: '2026-06-30', horizon: 'short' })])
      .command(LEAD, 4, ['DealStageChanged', { dealId: 'd', from: 'demo', to: 'negotiation' }])
      .command(LEAD, 5, ['DealWon', moved('OPPORTUNITY', 'CUSTOMER', 5, { dealId: 'd', amount, closedAt: at(5), fxRateToReporting: '1.25', ownerId: 'rita' })])
      .command(LEAD, 6, ['DuplicateAbsorbed', { mergeId: 'm', duplicateLeadId: OTHER, effectiveCapturedAt: at(-60) }])
      .command(OTHER, 6, ['MergedInto', moved('LEAD', 'MERGED', 2, { survivorLeadId: LEAD })]); // prettier-ignore
    expect(await stream.rows(HANDOFFS)).toMatchObject([
      { outcome: 'offered', team: 'sales', agreement: 'standard', agreement_version: 2 },
      { outcome: 'implicit', occurred_at: at(2) },
    ]);
    const deals = await stream.rows(DEALS);
    expect(deals).toMatchObject([
      { type: 'OpportunityOpened', deal_stage: 'demo', amount_minor: 1_200_000, currency: 'EUR', expected_close: '2026-06-30T00:00:00.000Z', horizon: 'short' },
      { type: 'DealStageChanged', deal_stage: 'negotiation', from_stage: 'demo' },
      { type: 'DealWon', amount_minor: 1_200_000, closed_at: at(5), fx_rate: 1.25, owner: 'rita' },
    ]); // prettier-ignore
    expect(new Set(deals.map(({ deal_no }) => deal_no)).size).toBe(1);
    expect(await stream.rows(MERGES)).toMatchObject([
      { lead: LEAD, other_lead: OTHER, is_duplicate: 0, effective_captured_at: at(-60) },
      { lead: OTHER, other_lead: LEAD, is_duplicate: 1 },
    ]);
  });
});
