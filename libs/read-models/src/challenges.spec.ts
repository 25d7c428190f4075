import { beforeEach, describe, expect, it } from '@jest/globals';
import { at, foldBatch, Past, type PastLead, policyBook, viewOf } from './given-when-then.js';
import type { Query } from './report-params.js';
import { drillLeads, runReport } from './reports.js';

/** What leads tell and read about, for who writes the content (spec §8.2). */

const context = { nowMs: at('2019-01-01'), defaultTz: 'UTC', policies: policyBook(), position: null };
let past: Past;
beforeEach(() => {
  past = new Past();
});
// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;
const report = async (query: Query = {}): Promise<Body> =>
  runReport(await viewOf(past, [3, 1, 7]), 'challenges', query, context);
const drill = async (link: string): Promise<string[]> =>
  drillLeads(await viewOf(past), Object.fromEntries(new URL(link, 'http://ledger').searchParams), context);

const told = (
  lead: PastLead,
  day: string,
  challengeCode: string,
  interestedInBuying: 'yes' | 'no' = 'no',
): PastLead => {
  lead.fact('GoalIdentified', at(day), { challengeCode, interestedInBuying });
  return lead;
};
const read = (lead: PastLead, day: string, topicCode: string): PastLead => {
  lead.fact('BehaviourRecorded', at(day), { behaviourId: lead.newId('b'), kind: 'whitepaper', topicCode, count: 1 });
  return lead;
};
const captured = () => past.lead().captured(at('2018-03-01'));
const of = (body: Body, code: string) => body.challenges.find((one: Body) => one.challengeCode === code);

describe('challenges', () => {
  it('are counted by the leads that told them, the most frequent first, each lead once', async () => {
    told(told(captured(), '2018-03-02', 'churn'), '2018-03-09', 'churn', 'yes');
    told(told(captured(), '2018-03-03', 'churn'), '2018-03-04', 'cost');
    captured();
    const { total } = await report();
    expect(total.leads.count).toBe(2);
    expect(total.challenges.map((one: Body) => [one.challengeCode, one.leads.numerator, one.leads.rate])).toEqual([
      ['churn', 2, 1],
      ['cost', 1, 0.5],
    ]);
    expect(of(total, 'churn').interested).toMatchObject({ numerator: 1, denominator: 2 });
    expect(await drill(of(total, 'churn').interested.drill)).toEqual(['lead-0001']);
    expect(await drill(of(total, 'churn').interested.drillDenominator)).toEqual(['lead-0001', 'lead-0002']);
    expect(await drill(total.leads.drill)).toEqual(['lead-0001', 'lead-0002']);
  });

  it('lie in the period in which a lead told them first, by asOf', async () => {
    told(told(captured(), '2018-03-02', 'churn'), '2018-04-02', 'cost');
    const months = await report({ groupBy: 'month' });
    expect(months.rows.map((row: Body) => [row.dimensions.period, row.leads.count])).toEqual([
      ['2018-03', 1],
      ['2018-04', 1],
    ]);
    expect(months.total.leads.count).toBe(1);
    const april = await report({ from: '2018-04-01', to: '2018-05-01' });
    expect(april.total.challenges).toMatchObject([{ challengeCode: 'cost', leads: { numerator: 1, denominator: 1 } }]);
    expect((await report({ asOf: '2018-03-31' })).total.challenges).toHaveLength(1);
  });

  it('tell what became of their leads: qualified, won, and whether the proposal answered them', async () => {
    const proposal = (lead: PastLead, day: string, challengesAddressed: string[]) =>
      lead.fact('ProposalSent', at(day), {
        dealId: lead.dealId as string,
        proposalId: lead.newId('p'),
        amount: { amountMinor: 1, currency: 'EUR' },
        challengesAddressed,
        costIncluded: true,
        implementationSteps: true,
      });
    const one = told(captured(), '2018-03-02', 'churn').sql(at('2018-03-03')).opportunity(at('2018-03-04'), 1000);
    proposal(one, '2018-03-05', ['churn']);
    one.won(at('2018-03-06'));
    const other = told(captured(), '2018-03-02', 'churn').sql(at('2018-03-03')).opportunity(at('2018-03-04'), 1000);
    proposal(other, '2018-03-05', ['cost']);
    told(captured(), '2018-03-02', 'churn');
    const churn = of((await report()).total, 'churn');
    expect(churn.sql).toMatchObject({ numerator: 2, denominator: 3 });
    expect(churn.won).toMatchObject({ numerator: 1, denominator: 3 });
    expect(churn.addressed).toMatchObject({ numerator: 1, denominator: 2, rate: 0.5 });
    expect(await drill(churn.addressed.drill)).toEqual(['lead-0001']);
    expect(await drill(churn.addressed.drillDenominator)).toEqual(['lead-0001', 'lead-0002']);
    expect(await drill(churn.leftOut.drill)).toEqual(['lead-0002']);
    expect(churn.leftOut.count).toBe(1);
    expect(of((await report({ asOf: '2018-03-04T12:00:00Z' })).total, 'churn').addressed.denominator).toBe(0);
  });

  it('stand beside the topics that leads looked at, split by any dimension', async () => {
    read(read(read(captured(), '2018-03-02', 'pricing'), '2018-03-03', 'pricing'), '2018-03-04', 'churn');
    read(past.lead().captured(at('2018-03-01'), { source: { channel: 'email' } }), '2018-03-02', 'pricing');
    const { total } = await report();
    expect(total.topics.map((one: Body) => [one.topicCode, one.leads.numerator, one.leads.denominator])).toEqual([
      ['pricing', 2, 2],
      ['churn', 1, 2],
    ]);
    const { rows } = await report({ by: 'channel' });
    const email = rows.find((row: Body) => row.dimensions.channel === 'email');
    expect(await drill(email.topics[0].leads.drill)).toEqual(['lead-0002']);
    expect(await drill(total.topics[1].leads.drill)).toEqual(['lead-0001']);
  });

  it('are the same asked again after more was told as asked for the first time', async () => {
    told(captured(), '2018-03-02', 'churn');
    const view = await viewOf(past);
    const ask = (of = view) => runReport(of, 'challenges', { by: 'country' }, context);
    await ask();
    const known = past.events.length;
    read(told(captured(), '2018-03-02', 'cost'), '2018-05-02', 'churn');
    await foldBatch(view, past.events.slice(known));
    expect(await ask()).toEqual(await ask(await viewOf(past)));
  });
});
