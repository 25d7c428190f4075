import { beforeEach, describe, expect, it } from '@jest/globals';
import { at, Past, policyBook, viewOf } from './given-when-then.js';
import type { Query, ReportContext } from './report-params.js';
import { drillLeads, type ReportName, runReport } from './reports.js';

/** The worked examples of spec 7.21, 7.22, 7.24, 7.26 and 7.29. */

const context: ReportContext & { position: null } = {
  nowMs: at('2019-01-01'),
  defaultTz: 'UTC',
  policies: policyBook(),
  position: null,
};
let past: Past;
beforeEach(() => {
  past = new Past();
});

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;
const report = async (name: ReportName, query: Query = {}, more: Partial<ReportContext> = {}): Promise<Body> =>
  runReport(await viewOf(past, [3, 1, 7]), name, query, { ...context, ...more });
const drill = async (link: string): Promise<string[]> => {
  const query: Record<string, string[]> = {};
  for (const [key, value] of new URL(link, 'http://ledger').searchParams) (query[key] ??= []).push(value);
  const flat = Object.fromEntries(
    Object.entries(query).map(([key, values]) => [key, values.length === 1 ? (values[0] as string) : values]),
  );
  return drillLeads(await viewOf(past), flat, context);
};

describe('attribution (7.21)', () => {
  const touch = ({ total }: Body, name: string): Body => total.touches.find((one: Body) => one.touch === name);

  /** Captured by campaign C1, came back by a referral, qualified. */
  const twice = () => {
    const lead = past.lead().captured(at('2018-03-01'), { source: { channel: 'search', campaignId: 'C1' } });
    lead.fact('CaptureRepeated', at('2018-03-05'), {
      source: { channel: 'referral' },
      captureMethod: 'form',
      interest: { kind: 'passive' },
    });
    return lead.mql(at('2018-03-10'));
  };

  it('gives C1 and referral half of the MQL each under linear, all of it to one under first and last', async () => {
    twice();
    const linear = await report('attribution', { model: 'linear' });
    expect(touch(linear, 'campaign:C1').mql).toMatchObject({ numerator: 0.5, denominator: 1, rate: 0.5 });
    expect(touch(linear, 'source:referral').mql.numerator).toBe(0.5);
    const first = await report('attribution');
    expect(first.model).toBe('first');
    expect(first.total.touches.map((one: Body) => [one.touch, one.mql.numerator])).toEqual([['campaign:C1', 1]]);
    const last = await report('attribution', { model: 'last' });
    expect(last.total.touches.map((one: Body) => [one.touch, one.mql.numerator])).toEqual([['source:referral', 1]]);
  });

  it('credits no touch that came after the event, and more touches for the sale than for the mark', async () => {
    const lead = twice();
    lead.fact('BehaviourRecorded', at('2018-03-20'), {
      behaviourId: 'b1',
      kind: 'webinar_attended',
      campaignId: 'C2',
      count: 1,
    });
    lead
      .opportunity(at('2018-04-01'), 30_000)
      .won(at('2018-05-01'), { amount: { amountMinor: 30_000, currency: 'EUR' } });
    const linear = await report('attribution', { model: 'linear' });
    expect(touch(linear, 'campaign:C2').mql.numerator).toBe(0);
    expect(touch(linear, 'campaign:C2').won).toMatchObject({ numerator: 0.333333, denominator: 1, rate: 0.333333 });
    expect(touch(linear, 'campaign:C2').wonAmount).toMatchObject([
      { currency: 'EUR', numerator: 10_000, denominator: 30_000, rate: 0.333333 },
    ]);
    expect(await drill(touch(linear, 'campaign:C2').won.drill)).toEqual(['lead-0001']);
    expect(await drill(touch(linear, 'campaign:C1').mql.drillDenominator)).toEqual(['lead-0001']);
  });

  it('adds thirds and halves exactly', async () => {
    for (let n = 0; n < 3; n += 1) {
      const lead = past.lead().captured(at('2018-03-01'), { source: { channel: 'search', campaignId: 'C1' } });
      for (const channel of ['email', 'social'] as const)
        lead.fact('CaptureRepeated', at('2018-03-05'), {
          source: { channel },
          captureMethod: 'form',
          interest: { kind: 'passive' },
        });
      lead.mql(at('2018-03-10'));
    }
    const linear = await report('attribution', { model: 'linear' });
    expect(linear.total.touches.map((one: Body) => one.mql.numerator)).toEqual([1, 1, 1]);
  });

  it('divides what a campaign cost in the period by its MQLs, and shows one that brought nobody', async () => {
    for (let n = 0; n < 4; n += 1)
      past
        .lead()
        .captured(at('2018-03-01'), { source: { channel: 'search', campaignId: 'C1' } })
        .mql(at('2018-03-10'));
    const planned = { budget: { currency: 'EUR' } };
    const march = { amountMinor: 100_000, date: '2018-03-31' };
    const campaigns = {
      all: () => [
        { campaignId: 'C1', planned, costs: [march, { amountMinor: 5, date: '2018-04-01' }] },
        { campaignId: 'C3', planned, costs: [march] },
      ],
    };
    const body = await report('attribution', { from: '2018-03-01', to: '2018-04-01' }, { campaigns });
    expect(touch(body, 'campaign:C1')).toMatchObject({
      cost: { amountMinor: 100_000, currency: 'EUR' },
      costPerMql: { numerator: 100_000, denominator: 4, rate: 25_000 },
    });
    expect(touch(body, 'campaign:C3')).toMatchObject({ mql: { numerator: 0 }, costPerMql: { rate: null } });
  });
});
