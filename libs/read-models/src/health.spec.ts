import { beforeEach, describe, expect, it } from '@jest/globals';
import { at, Past, policyBook, viewOf } from './given-when-then.js';
import type { Query } from './report-params.js';
import { drillLeads, type ReportName, runReport } from './reports.js';

/** Funnel health first (seed 003): one answer, each figure as its own report has it. */

const context = { nowMs: at('2018-06-01'), defaultTz: 'UTC', policies: policyBook(), position: null };
let past: Past;
beforeEach(() => {
  past = new Past();
});
// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;
const report = async (name: ReportName, query: Query = {}): Promise<Body> =>
  runReport(await viewOf(past, [3, 1, 7]), name, query, context);
const drill = async (link: string): Promise<string[]> =>
  drillLeads(await viewOf(past), Object.fromEntries(new URL(link, 'http://ledger').searchParams), context);

/** Two leads by search, of which one is won; one by e-mail, offered and rejected. */
function history(): void {
  const won = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-02'));
  const clock = won.clock('handoff_response', at('2018-03-02'), at('2018-03-04'));
  won.clockStopped(clock, at('2018-03-02'), at('2018-03-03'), 'met');
  won.accepted(at('2018-03-03')).sql(at('2018-03-04')).opportunity(at('2018-03-05'), 1000).won(at('2018-03-11'));
  past.lead().captured(at('2018-03-01'));
  const email = past.lead().captured(at('2018-03-01'), { source: { channel: 'email' } });
  email.mql(at('2018-03-02')).handedOff(at('2018-03-02')).rejected(at('2018-03-03'));
}

describe('the health of the funnel', () => {
  it('begins with qualified leads, conversion and cycle length, each of its own report with its links', async () => {
    history();
    const { total } = await report('health');
    expect(Object.keys(total).slice(0, 5)).toEqual(['qualified', 'openQualified', 'conversions', 'leadToCustomer', 'cycleLength']); // prettier-ignore
    const { total: funnel } = await report('funnel');
    expect(total.conversions.map(({ from, to }: Body) => `${from} ${to}`)).toEqual([
      'LEAD MQL',
      'MQL SAL',
      'SAL SQL',
      'SQL OPPORTUNITY',
      'OPPORTUNITY CUSTOMER',
    ]);
    for (const one of total.conversions) expect(funnel.conversions).toContainEqual(one);
    expect(total.qualified).toEqual((await report('qualified')).total.qualified);
    expect(total.cycleLength).toMatchObject({ n: 1, mean: 10 });
    expect(total.acceptance).toMatchObject({
      numerator: 1,
      denominator: 2,
      rate: 0.5,
      target: 0.9,
      meetsTarget: false,
    });
    expect(total.sla).toMatchObject([{ clockType: 'handoff_response', attainment: { numerator: 1, denominator: 1 } }]);
    expect(total.stale).toEqual((await report('stale')).total.stale);
    expect(await drill(total.acceptance.drillDenominator)).toEqual(['lead-0001', 'lead-0003']);
    expect(await drill(total.leadToCustomer.drill)).toEqual(['lead-0001']);
    expect(await drill(total.stale.drillDenominator)).toEqual(['lead-0002', 'lead-0003']);
  });

  it('is of a period, but for what stands still now', async () => {
    history();
    const { total } = await report('health', { from: '2018-04-01', to: '2018-05-01' });
    expect(total.qualified.count).toBe(0);
    expect(total.acceptance).toMatchObject({ denominator: 0, rate: null, meetsTarget: null });
    expect(total.stale.denominator).toBe(2);
    expect(await drill(total.stale.drillDenominator)).toEqual(['lead-0002', 'lead-0003']);
  });

  it('is split as its reports are, with nothing where one of them has no such row', async () => {
    history();
    const { rows } = await report('health', { by: 'channel' });
    expect(rows.map((row: Body) => row.dimensions)).toEqual([{ channel: 'email' }, { channel: 'search' }]);
    const [email, search] = rows;
    expect([email.acceptance.rate, search.acceptance.rate]).toEqual([0, 1]);
    expect([email.cycleLength, search.cycleLength.n]).toEqual([null, 1]);
    expect(await drill(search.conversions[0].drillDenominator)).toEqual(['lead-0001', 'lead-0002']);
    expect((await report('health', { 'filter[channel]': 'email' })).total.acceptance.rate).toBe(0);
  });
});
