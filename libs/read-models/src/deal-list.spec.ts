import { beforeEach, describe, expect, it } from '@jest/globals';
import { at, Past, type PastLead, policyBook, viewOf } from './given-when-then.js';
import type { Query } from './report-params.js';
import { listDeals, runReport } from './reports.js';

/** Which open deals are worth most, as the forecast weighs them. */

let past: Past;
let policies = policyBook();
beforeEach(() => {
  past = new Past();
  policies = policyBook();
});
const context = () => ({ nowMs: at('2018-04-20'), defaultTz: 'UTC', policies, position: null });
const deals = async (query: Query = {}) => listDeals(await viewOf(past, [3, 1, 7]), query, context());
const opened = (amountMinor: number, dealStage: string, currency = 'EUR', closes = '2018-04-25'): PastLead =>
  past.lead().captured(at('2018-01-01')).sql(at('2018-01-02')).opportunity(at('2018-04-02'), amountMinor, {
    dealStage,
    amount: { amountMinor, currency },
    expectedCloseDate: closes,
  });

describe('open deals', () => {
  it('are listed by amount times chance, not by amount, and pages follow on', async () => {
    opened(1_000_000, 'demo');
    opened(1_700_000, 'meeting_booked');
    opened(900_000, 'negotiation');
    opened(5_000_000, 'demo').won(at('2018-04-10'));
    const all = await deals();
    expect(all).toMatchObject({ currency: 'EUR', deals: 3, otherCurrencies: [], nextCursor: null });
    expect(all.items.map(({ expectedValueMinor, leadId }) => [leadId, expectedValueMinor])).toEqual([
      ['lead-0003', 810_000],
      ['lead-0001', 750_000],
      ['lead-0002', 680_000],
    ]);
    expect((await deals({ order: 'amount' })).items.map(({ leadId }) => leadId)).toEqual([
      'lead-0002',
      'lead-0001',
      'lead-0003',
    ]);
    const first = await deals({ limit: '2' });
    const second = await deals({ limit: '2', cursor: first.nextCursor as string });
    expect([...first.items, ...second.items]).toEqual(all.items);
    const { total } = await runReport(await viewOf(past), 'forecast', {}, context());
    expect(total).toMatchObject({ currencies: [{ weighted: { numerator: 810_000 + 750_000 + 680_000 } }] });
  });

  it('are narrowed by owner, stage, standing and expected close date', async () => {
    opened(1_000_000, 'demo').fact('PutOnHold', at('2018-04-10'), { reasonCode: 'budget_cycle' });
    opened(1_000_000, 'negotiation', 'EUR', '2018-05-02');
    const ids = async (query: Query) => (await deals(query)).items.map(({ leadId }) => leadId);
    expect(await ids({ 'filter[standing]': 'onHold' })).toEqual(['lead-0001']);
    expect(await ids({ 'filter[stage]': 'negotiation' })).toEqual(['lead-0002']);
    expect(await ids({ from: '2018-05-01', to: '2018-06-01' })).toEqual(['lead-0002']);
    expect(await ids({ 'filter[owner]': 'nobody' })).toEqual([]);
    expect(await ids({ asOf: '2018-04-01' })).toEqual([]);
    await expect(deals({ order: 'luck' })).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('are compared in one currency only, converted where there is a rate', async () => {
    opened(1_000_000, 'demo');
    opened(1_000_000, 'negotiation');
    opened(9_000_000, 'demo', 'USD');
    expect(await deals()).toMatchObject({
      currency: 'EUR',
      deals: 2,
      otherCurrencies: [{ currency: 'USD', deals: 1 }],
    });
    expect((await deals({ currency: 'USD' })).items.map(({ leadId }) => leadId)).toEqual(['lead-0003']);
    policies = policyBook({
      stream: 'target-benchmark-fx_rate.USD',
      type: 'BenchmarkSet',
      data: { occurredAt: '2018-01-01T00:00:00.000Z', by: 'olga', metric: 'fx_rate', stage: 'USD', value: 0.5 },
    });
    const { items, otherCurrencies } = await deals({ currency: 'EUR' });
    expect(otherCurrencies).toEqual([]);
    expect(items.map(({ amountMinor, leadId }) => [leadId, amountMinor])).toEqual([
      ['lead-0003', 4_500_000],
      ['lead-0002', 1_000_000],
      ['lead-0001', 1_000_000],
    ]);
  });
});
