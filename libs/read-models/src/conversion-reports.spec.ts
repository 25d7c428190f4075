import { beforeEach, describe, expect, it } from '@jest/globals';
import { at, Past, policyBook, type PastLead, viewOf } from './given-when-then.js';
import { drillLeads, type ReportName, runReport } from './reports.js';
import type { Query } from './report-params.js';

/** The worked examples of spec §7.9–7.14, 7.27, 7.28 and 7.30–7.32, and what they say about their edges. */

const DAY = 86_400_000;
let past: Past;
let policies = policyBook();
beforeEach(() => {
  past = new Past();
  policies = policyBook();
});

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;
const contextOf = () => ({ nowMs: at('2019-01-01'), defaultTz: 'UTC', policies, position: null });
const report = async (name: ReportName, query: Query = {}): Promise<Body> =>
  runReport(await viewOf(past, [3, 1, 7]), name, query, contextOf());
const drill = async (link: string): Promise<string[]> => {
  const search = new URL(link, 'http://ledger').searchParams;
  const query = Object.fromEntries(
    [...new Set(search.keys())].map((key) => {
      const values = search.getAll(key);
      return [key, values.length === 1 ? (values[0] as string) : values];
    }),
  );
  return drillLeads(await viewOf(past), query, contextOf());
};
const benchmark = (metric: string, value: number, stage?: string) => ({
  stream: `target-benchmark-${metric}${stage === undefined ? '' : `.${stage}`}`,
  type: 'BenchmarkSet',
  data: { metric, value, by: 'ops', occurredAt: '2017-01-01T00:00:00.000Z', ...(stage === undefined ? {} : { stage }) },
});

/** A lead that sales accepted at the instant. */
const accepted = (ms: number): PastLead =>
  past
    .lead()
    .captured(ms - 2 * DAY)
    .mql(ms - DAY)
    .handedOff(ms - DAY)
    .accepted(ms);
/** One with a deal opened at the instant. */
const dealing = (ms: number, amountMinor = 1000): PastLead =>
  accepted(ms - DAY)
    .sql(ms - DAY / 2)
    .opportunity(ms, amountMinor);

describe('lead velocity (7.9)', () => {
  const qualified = (ms: number): PastLead => accepted(ms - DAY).sql(ms);

  it('is +100 % from 2 in February to 4 in March', async () => {
    for (const day of ['2018-02-10', '2018-02-20', '2018-03-01', '2018-03-02', '2018-03-03', '2018-03-31'])
      qualified(at(day));
    const { rows, total } = await report('velocity');
    const march = rows.find((row: Body) => row.dimensions.period === '2018-03');
    expect(march).toMatchObject({ qualified: { count: 4 }, previous: { count: 2 }, delta: 2, percent: 100 });
    expect(march.velocity).toMatchObject({ numerator: 2, denominator: 2, rate: 1 });
    expect(await drill(march.velocity.drill)).toEqual(['lead-0003', 'lead-0004', 'lead-0005', 'lead-0006']);
    expect(await drill(march.velocity.drillDenominator)).toEqual(['lead-0001', 'lead-0002']);
    expect(rows[0]).toMatchObject({ dimensions: { period: '2018-02' }, velocity: { denominator: 0, rate: null } });
    expect(total).toMatchObject({ qualified: { count: 6 }, complete: false });
  });

  it('has a row for a month without any, and −100 % there', async () => {
    qualified(at('2018-02-10'));
    const { rows } = await report('velocity', { from: '2018-03-01', to: '2018-05-01' });
    expect(rows.map((row: Body) => [row.dimensions.period, row.percent])).toEqual([
      ['2018-03', -100],
      ['2018-04', null],
    ]);
    expect(await drill(rows[0].qualified.drill)).toEqual([]);
    expect(await drill(rows[0].previous.drill)).toEqual(['lead-0001']);
  });

  it('counts the first strict entry only, in the month of the zone asked for', async () => {
    qualified(at('2018-02-28 23:30'))
      .recycled(at('2018-03-05'))
      .mql(at('2018-03-06'))
      .handedOff(at('2018-03-07'))
      .accepted(at('2018-03-08'))
      .sql(at('2018-03-09'));
    past
      .lead()
      .captured(at('2018-02-01'))
      .won(at('2018-02-02'), { skippedStages: ['MQL', 'SAL', 'SQL', 'OPPORTUNITY'] });
    const months = async (tz: string) =>
      (await report('velocity', { tz, to: '2018-04-01' })).rows.map((row: Body) => [
        row.dimensions.period,
        row.qualified.count,
      ]);
    expect(await months('UTC')).toEqual([
      ['2018-02', 1],
      ['2018-03', 0],
    ]);
    expect(await months('Europe/Berlin')).toEqual([['2018-03', 1]]);
  });

  it('goes by the qualified stage of the pipeline, and says when the last month is not over', async () => {
    accepted(at('2018-03-10'));
    expect((await report('velocity', { asOf: '2018-03-15' })).rows).toEqual([]);
    const custom = policyBook().pipeline('', at('2018-01-01'));
    policies = policyBook(
      {
        stream: 'pipeline-default',
        type: 'PipelineDefined',
        data: { ...custom, version: 2, qualifiedStage: 'SAL', occurredAt: '2018-01-01T00:00:00.000Z' },
      },
      {
        stream: 'pipeline-default',
        type: 'PipelineActivated',
        data: { version: 2, effectiveFrom: '2018-01-01T00:00:00.000Z', occurredAt: '2018-01-01T00:00:00.000Z' },
      },
    );
    const { rows, total } = await report('velocity', { asOf: '2018-03-15', by: 'channel' });
    expect(rows).toMatchObject([{ dimensions: { period: '2018-03', channel: 'search' }, qualified: { count: 1 } }]);
    expect(total.complete).toBe(false);
  });
});

describe('qualified leads (7.10)', () => {
  it('are 7 in April, and in stock while they are neither won nor out', async () => {
    for (let n = 0; n < 7; n += 1) {
      const lead = accepted(at('2018-04-02')).sql(at(`2018-04-1${n}`));
      if (n < 2) lead.opportunity(at('2018-04-20'), 100);
      if (n === 0) lead.won(at('2018-04-21'));
      if (n === 6) lead.recycled(at('2018-04-22'));
    }
    accepted(at('2018-03-02')).sql(at('2018-03-03'));
    const { total } = await report('qualified', { from: '2018-04-01', to: '2018-05-01' });
    expect(total).toMatchObject({
      qualified: { count: 7 },
      stillOpen: { numerator: 5, denominator: 7 },
      openStock: { count: 6 },
    });
    expect(await drill(total.qualified.drill)).toHaveLength(7);
    expect(await drill(total.openStock.drill)).toHaveLength(6);
    expect(await drill(total.stillOpen.drill)).not.toContain('lead-0001');
    const { rows } = await report('qualified', { groupBy: 'month' });
    expect(rows.map((row: Body) => [row.dimensions.period, row.qualified.count])).toEqual([
      ['2018-03', 1],
      ['2018-04', 7],
    ]);
  });

  it('count a lead that comes again once, and each of its cycles on that basis', async () => {
    accepted(at('2018-04-02'))
      .sql(at('2018-04-03'))
      .recycled(at('2018-04-04'))
      .mql(at('2018-05-01'))
      .sql(at('2018-05-02'), { skippedStages: ['SAL'] });
    expect((await report('qualified')).total.qualified.count).toBe(1);
    const cycles = (await report('qualified', { basis: 'cycle' })).total;
    expect(cycles).toMatchObject({ qualified: { count: 2 }, stillOpen: { numerator: 1 } });
    expect((await report('qualified', { mode: 'reached' })).total.qualified.count).toBe(1);
  });
});

describe('win rate (7.11)', () => {
  it('is 2 of 3 by count and 24 000 of 33 000 by value, recycled closings apart', async () => {
    dealing(at('2018-03-05'), 12_000).won(at('2018-03-10'));
    dealing(at('2018-03-05'), 12_000).won(at('2018-03-11'));
    dealing(at('2018-03-05'), 9000).lost(at('2018-03-12'));
    dealing(at('2018-03-05'), 5000).recycled(at('2018-03-13'));
    const { total } = await report('win-rate', { from: '2018-03-01', to: '2018-04-01' });
    expect(total.byCount).toMatchObject({ numerator: 2, denominator: 3, rate: 0.666667 });
    expect(total.byValue).toMatchObject([{ currency: 'EUR', numerator: 24_000, denominator: 33_000, rate: 0.727273 }]);
    expect(total.recycled).toMatchObject({ count: 1, value: [{ currency: 'EUR', amountMinor: 5000 }] });
  });
});

describe('loss reasons (7.12)', () => {
  it('are 0.4 for price when 2 of 5 were lost for it, by count, value and stage', async () => {
    const reasons = ['price', 'price', 'competitor', 'no_decision', 'decision_maker_left'];
    reasons.forEach((reasonCode, n) => {
      dealing(at('2018-03-05'), 1000 * (n + 1)).lost(at('2018-03-10'), { reasonCode, nurtureTouches: n });
    });
    const { total } = await report('loss-reasons');
    expect(total.lost.count).toBe(5);
    const [price] = total.reasons;
    expect(price).toMatchObject({
      reasonCode: 'price',
      byCount: { numerator: 2, denominator: 5, rate: 0.4 },
      byValue: [{ currency: 'EUR', numerator: 3000, denominator: 15_000, rate: 0.2 }],
    });
    expect(await drill(price.byCount.drill)).toEqual(['lead-0001', 'lead-0002']);
    expect(await drill(price.byValue[0].drillDenominator)).toHaveLength(5);
    expect(total.stages).toMatchObject([{ stage: 'demo', byCount: { numerator: 5, denominator: 5 } }]);
    expect(total.stages[0].reasons[0]).toMatchObject({ reasonCode: 'price', byCount: { rate: 0.4 } });
    expect(await drill(total.stages[0].reasons[1].byCount.drill)).toEqual(['lead-0003']);
    expect(total.decisionMakerShift).toMatchObject({ numerator: 1, denominator: 5, rate: 0.2, benchmark: 0.8 });
    // Touches 0, 1, 2 of 0 to 4.
    expect(total.underNurtured).toMatchObject({ numerator: 3, denominator: 5, rate: 0.6, benchmark: 0.79 });
    expect(await drill(total.underNurtured.drill)).toEqual(['lead-0001', 'lead-0002', 'lead-0003']);
    expect((await report('loss-reasons', { minTouches: '1' })).total.underNurtured.numerator).toBe(1);
  });

  it('tell apart the stages that deals were lost from, also where only the closing names it', async () => {
    const moved = dealing(at('2018-03-05'));
    moved.fact('DealStageChanged', at('2018-03-06'), {
      dealId: moved.dealId as string,
      from: 'demo',
      to: 'negotiation',
    });
    moved.lost(at('2018-03-07'));
    past
      .lead()
      .captured(at('2018-03-01'))
      .lost(at('2018-03-08'), { reasonCode: 'price', lostFromDealStage: 'quote_presented' });
    past.lead().captured(at('2018-03-01')).lost(at('2018-03-09'), { reasonCode: 'a=b&c.d' });
    const { total } = await report('loss-reasons');
    expect(total.stages.map((stage: Body) => stage.stage)).toEqual(['negotiation', 'quote_presented', null]);
    expect(await drill(total.stages[2].byCount.drill)).toEqual(['lead-0003']);
    expect(await drill(total.stages[2].reasons[0].byCount.drill)).toEqual(['lead-0003']);
  });

  it('count a lead as expired once it has been recycled for the stale limit, with its touches until then', async () => {
    const lead = accepted(at('2018-03-01')).recycled(at('2018-03-02'));
    for (const day of ['2018-03-10', '2018-04-10', '2018-06-15'])
      lead.fact('NurtureTouchSent', at(day), { trackId: 'drip' });
    const limit = at('2018-03-02') + 90 * DAY;
    const before = await report('loss-reasons', { asOf: new Date(limit - 1).toISOString() });
    expect(before.total.underNurtured).toMatchObject({ denominator: 0, rate: null });
    const then = await report('loss-reasons', { asOf: new Date(limit).toISOString() });
    expect(then.total.underNurtured).toMatchObject({ numerator: 1, denominator: 1, expired: { count: 1 } });
    lead.fact('NurtureTouchSent', at('2018-05-30'), { trackId: 'drip' });
    expect((await report('loss-reasons')).total.underNurtured).toMatchObject({ numerator: 0, denominator: 1 });
    lead.mql(at('2018-05-20'));
    expect((await report('loss-reasons')).total.underNurtured.denominator).toBe(0);
  });

  it('count a lead that is lost again in its first month only, in the figure and in its list', async () => {
    const lead = dealing(at('2018-04-05')).lost(at('2018-04-10'));
    lead.transition('LeadReopened', 'LEAD', at('2018-04-20'), { reasonCode: 'asked_again' });
    lead.mql(at('2018-05-01')).sql(at('2018-05-02')).opportunity(at('2018-05-03'), 100).lost(at('2018-05-10'));
    const { rows } = await report('loss-reasons', { groupBy: 'month' });
    expect(rows.map((row: Body) => [row.lost.count, row.underNurtured.denominator])).toEqual([
      [1, 1],
      [1, 0],
    ]);
    expect(await drill(rows[0].underNurtured.drillDenominator)).toEqual(['lead-0001']);
    expect(await drill(rows[1].underNurtured.drillDenominator)).toEqual([]);
  });
});

describe('recycle rate (7.13)', () => {
  /** Three leads accepted, two of them recycled; one of those accepted again. */
  const twoOfThree = (): void => {
    accepted(at('2018-03-01')).recycled(at('2018-03-10'));
    accepted(at('2018-03-02'))
      .recycled(at('2018-03-11'))
      .mql(at('2018-03-20'))
      .handedOff(at('2018-03-21'))
      .accepted(at('2018-03-22'));
    accepted(at('2018-03-03'));
  };

  it('is 2 of 3 leads, and 2 of 4 entries by cycle', async () => {
    twoOfThree();
    const { recycled } = (await report('recycling')).total;
    expect(recycled).toMatchObject({ numerator: 2, denominator: 3, rate: 0.666667 });
    expect(await drill(recycled.drill)).toEqual(['lead-0001', 'lead-0002']);
    expect((await report('recycling', { basis: 'cycle' })).total.recycled).toMatchObject({
      numerator: 2,
      denominator: 4,
      rate: 0.5,
    });
  });

  it('does not count a rejection, nor a lost lead that is recycled afterwards', async () => {
    past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-03')).rejected(at('2018-03-04'));
    dealing(at('2018-03-05')).lost(at('2018-03-06')).recycled(at('2018-03-07'));
    expect((await report('recycling')).total).toMatchObject({
      recycled: { numerator: 0, denominator: 1 },
      resurrection: { denominator: 1 },
    });
  });
});

describe('resurrection (7.14)', () => {
  it('is 1 of 2 after 60 days, the other one immature', async () => {
    accepted(at('2018-03-01'))
      .recycled(at('2018-03-10'), { reasonCode: 'no_initiative' })
      .mql(at('2018-03-10') + 60 * DAY);
    accepted(at('2018-03-01')).recycled(at('2018-08-01'));
    const { total } = await report('recycling', { asOf: '2018-09-01' });
    expect(total).toMatchObject({
      resurrection: { numerator: 1, denominator: 2, rate: 0.5 },
      ofMature: { numerator: 1, denominator: 1, rate: 1 },
      immature: { count: 1 },
      daysToReentry: { n: 1, p50: 60 },
      recycledToWon: { numerator: 0, denominator: 2 },
    });
    expect(await drill(total.immature.drill)).toEqual(['lead-0002']);
    expect(total.reasons).toMatchObject([
      { reasonCode: 'no_initiative', resurrection: { rate: 1 }, benchmark: 0.4, meetsBenchmark: true },
      { reasonCode: 'timing', resurrection: { rate: 0 }, benchmark: null, meetsBenchmark: null },
    ]);
    expect(await drill(total.reasons[0].resurrection.drill)).toEqual(['lead-0001']);
    expect((await report('recycling')).total.immature.count).toBe(1);
    expect((await report('recycling', { horizonDays: '59' })).total).toMatchObject({
      resurrection: { numerator: 0 },
      immature: { count: 0 },
    });
    policies = policyBook(benchmark('resurrection_rate', 0.2, 'timing'));
    expect((await report('recycling')).total.reasons[1]).toMatchObject({ benchmark: 0.2, meetsBenchmark: false });
  });

  it('takes the last instant of the horizon in, and knows which of them were won', async () => {
    const back = accepted(at('2018-03-01'))
      .recycled(at('2018-03-10'))
      .mql(at('2018-03-10') + 180 * DAY);
    expect((await report('recycling')).total.resurrection.numerator).toBe(1);
    back.won(at('2018-12-01'));
    const { total } = await report('recycling');
    expect(total.recycledToWon).toMatchObject({ numerator: 1, denominator: 1 });
    expect(await drill(total.recycledToWon.drill)).toEqual(['lead-0001']);
    back.fact('OccurredAtCorrected', at('2018-12-02'), {
      correctedEventId: back.visits[4]?.eventId as string,
      old: '2018-09-06T00:00:00.000Z',
      new: '2018-09-06T00:00:00.001Z',
      reason: 'typo',
      approvedBy: 'gil',
    });
    expect((await report('recycling')).total).toMatchObject({ resurrection: { numerator: 0 }, immature: { count: 0 } });
  });
});

describe('leak (7.27)', () => {
  const stageOf = (body: Body, name: string): Body => body.total.stages.find(({ stage }: Body) => stage === name);

  it('is 0.25 when 1 of 4 MQL was rejected and 3 went on', async () => {
    for (let n = 0; n < 4; n += 1) {
      const lead = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-03'));
      if (n < 3) lead.accepted(at('2018-03-04'));
      else lead.rejected(at('2018-03-04'), { reasonCode: 'territory' });
    }
    const mql = stageOf(await report('leak'), 'MQL');
    expect(mql).toMatchObject({
      reached: { count: 4 },
      advanced: { numerator: 3 },
      leak: { numerator: 1, denominator: 4, rate: 0.25 },
      inside: { numerator: 0 },
      exits: [{ exitKind: 'rejected', numerator: 1, reasons: [{ reasonCode: 'territory', rate: 0.25 }] }],
    });
    expect(await drill(mql.exits[0].reasons[0].drill)).toEqual(['lead-0004']);
    expect(await drill(mql.leak.drillDenominator)).toHaveLength(4);
    expect(stageOf(await report('leak', { asOf: '2018-03-03' }), 'MQL')).toMatchObject({
      leak: { numerator: 0 },
      inside: { numerator: 4, rate: 1 },
    });
  });

  it('takes back a leak when the lead comes in again, and keeps it for the cycle', async () => {
    const lead = accepted(at('2018-03-01')).recycled(at('2018-03-02'));
    expect(stageOf(await report('leak'), 'SAL').leak.numerator).toBe(1);
    lead.mql(at('2018-03-20'));
    expect(stageOf(await report('leak'), 'SAL')).toMatchObject({ leak: { numerator: 0 }, inside: { numerator: 1 } });
    const cycles = await report('leak', { basis: 'cycle' });
    expect(stageOf(cycles, 'SAL')).toMatchObject({ reached: { count: 1 }, leak: { numerator: 1 } });
    expect(stageOf(cycles, 'MQL')).toMatchObject({ reached: { count: 2 }, inside: { numerator: 1 } });
  });

  it('counts a skipped stage as reached, and strictly not', async () => {
    past
      .lead()
      .captured(at('2018-03-01'))
      .sql(at('2018-03-02'), { skippedStages: ['MQL', 'SAL'] });
    expect(stageOf(await report('leak'), 'SAL')).toMatchObject({ reached: { count: 1 }, advanced: { numerator: 1 } });
    expect(stageOf(await report('leak', { mode: 'strict' }), 'SAL').reached.count).toBe(0);
  });
});

describe('returns after acceptance (7.28)', () => {
  it('are 2 of 20, one of them without any attempt to contact', async () => {
    for (let n = 0; n < 20; n += 1) {
      const lead = accepted(at('2018-03-05'));
      if (n === 0) {
        lead.fact('ContactAttempted', at('2018-03-06'), { attemptId: 'a' });
        lead.recycled(at('2018-03-07'));
      }
      if (n === 1) {
        // Marketing's call before the handoff is no work of sales.
        lead.fact('ContactAttempted', at('2018-03-03 12:00'), { attemptId: 'b' });
        lead
          .sql(at('2018-03-06'))
          .transition('Disqualified', 'DISQUALIFIED', at('2018-03-07'), { reasonCode: 'no_need' });
      }
      if (n === 2) lead.sql(at('2018-03-06')).opportunity(at('2018-03-07'), 100).recycled(at('2018-03-08'));
    }
    const { total } = await report('returns');
    expect(total).toMatchObject({
      accepted: { count: 20 },
      returned: { numerator: 2, denominator: 20, rate: 0.1 },
      recycled: { numerator: 1 },
      disqualified: { numerator: 1 },
      withoutAttempt: { numerator: 1, denominator: 2, rate: 0.5 },
    });
    expect(await drill(total.returned.drill)).toEqual(['lead-0001', 'lead-0002']);
    expect(await drill(total.withoutAttempt.drill)).toEqual(['lead-0002']);
    expect(await drill(total.returned.drillDenominator)).toHaveLength(20);
  });

  it('follow the corrected time of the attempt', async () => {
    const lead = accepted(at('2018-03-05'));
    const attempt = lead.fact('ContactAttempted', at('2018-03-06'), { attemptId: 'a' });
    lead.recycled(at('2018-03-07'));
    lead.fact('OccurredAtCorrected', at('2018-03-08'), {
      correctedEventId: attempt,
      old: '2018-03-06T00:00:00.000Z',
      new: '2018-03-01T00:00:00.000Z',
      reason: 'typo',
      approvedBy: 'gil',
    });
    expect((await report('returns')).total.withoutAttempt).toMatchObject({ numerator: 1, denominator: 1 });
  });

  it('count a lead once on its own basis', async () => {
    accepted(at('2018-03-05'))
      .recycled(at('2018-03-06'))
      .mql(at('2018-03-07'))
      .handedOff(at('2018-03-08'))
      .accepted(at('2018-03-09'))
      .recycled(at('2018-03-10'));
    expect((await report('returns')).total.returned).toMatchObject({ numerator: 2, denominator: 2 });
    expect((await report('returns', { basis: 'lead' })).total.returned).toMatchObject({ numerator: 1, denominator: 1 });
  });
});

describe('prospects (7.30)', () => {
  it('are 6 of 20 leads captured, with the median days it took', async () => {
    for (let n = 0; n < 20; n += 1) {
      const lead = past.lead().captured(at('2018-03-01'));
      if (n < 5) lead.transition('BecameProspect', 'PROSPECT', at(`2018-03-0${n + 2}`), { channel: 'email' });
      if (n === 5) {
        lead.mql(at('2018-03-02'));
        const stays = { fromState: 'MQL', toState: 'MQL', cycleNo: 1, stageVisitNo: 2 } as const;
        lead.fact('BecameProspect', at('2018-03-11'), { ...stays, channel: 'email' });
      }
    }
    const { total } = await report('prospects', { from: '2018-03-01', to: '2018-04-01' });
    expect(total.prospects).toMatchObject({ numerator: 6, denominator: 20, rate: 0.3 });
    expect(total.daysToTwoWay).toMatchObject({ n: 6, p50: 3, max: 10 });
    expect(await drill(total.prospects.drill)).toHaveLength(6);
    const early = await report('prospects', { asOf: '2018-03-03' });
    expect(early.total.prospects).toMatchObject({ numerator: 2, denominator: 20 });
    expect((await report('prospects', { from: '2018-03-02' })).total.captured.count).toBe(0);
  });

  it('move with the corrected time of the first answer, and go with its void', async () => {
    const lead = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02'));
    const stays = { fromState: 'MQL', toState: 'MQL', cycleNo: 1, stageVisitNo: 2 } as const;
    const answer = lead.fact('BecameProspect', at('2018-03-11'), { ...stays, channel: 'email' });
    lead.fact('OccurredAtCorrected', at('2018-03-12'), {
      correctedEventId: answer,
      old: '2018-03-11T00:00:00.000Z',
      new: '2018-03-05T00:00:00.000Z',
      reason: 'typo',
      approvedBy: 'gil',
    });
    const other = past.lead().captured(at('2018-03-01'));
    other.transition('BecameProspect', 'PROSPECT', at('2018-03-02'), { channel: 'email' });
    other.voided(at('2018-03-03'));
    expect((await report('prospects')).total).toMatchObject({
      prospects: { numerator: 1, denominator: 2 },
      daysToTwoWay: { p50: 4 },
    });
    const early = other.transition('BecameProspect', 'PROSPECT', at('2018-03-04'), { channel: 'email' });
    other.fact('OccurredAtCorrected', at('2018-03-12'), {
      correctedEventId: early,
      old: '2018-03-04T00:00:00.000Z',
      new: '2018-03-02T00:00:00.000Z',
      reason: 'typo',
      approvedBy: 'gil',
    });
    expect((await report('prospects')).total.daysToTwoWay).toMatchObject({ n: 2, p50: 1, max: 4 });
  });
});

describe('effect of the SAL step (7.31)', () => {
  it('sets a win rate of 0.30 through SAL against 0.22 without it', async () => {
    for (let n = 0; n < 10; n += 1) {
      const lead = dealing(at('2018-03-05'));
      if (n === 0) {
        const clock = lead.clock('first_contact', at('2018-03-04'), at('2018-03-05'));
        lead.breached(clock, at('2018-03-05'));
      }
      if (n < 3) lead.won(at('2018-03-10'));
      else lead.lost(at('2018-03-10'));
    }
    for (let n = 0; n < 9; n += 1) {
      const lead = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02'));
      lead.sql(at('2018-03-03'), { skippedStages: ['SAL'] }).opportunity(at('2018-03-04'), 100);
      if (n < 2) lead.won(at('2018-03-12'));
      else lead.lost(at('2018-03-12'));
    }
    const { total } = await report('sal-effect', { start: 'opportunity' });
    expect(total.through.winRate).toMatchObject({ numerator: 3, denominator: 10, rate: 0.3 });
    expect(total.skipped.winRate).toMatchObject({ numerator: 2, denominator: 9, rate: 0.222222 });
    expect(total.through.cycleDays).toMatchObject({ n: 3, mean: 5 });
    expect(total.skipped.cycleDays).toMatchObject({ n: 2, mean: 8 });
    expect(total.through.breachShare).toMatchObject({ numerator: 1, denominator: 10, rate: 0.1 });
    expect(total.difference).toEqual({ winRate: 0.077778, meanCycleDays: -3, breachShare: 0.1 });
    expect(await drill(total.through.breachShare.drill)).toEqual(['lead-0001']);
    expect(await drill(total.skipped.winRate.drill)).toEqual(['lead-0011', 'lead-0012']);
  });
});

describe('revenue, period on period (7.32)', () => {
  const sold = (day: string, amountMinor: number): PastLead => dealing(at(day) - DAY, amountMinor).won(at(day));

  it('grew by 0.28 from 50 to 64', async () => {
    sold('2018-02-10', 5000);
    sold('2018-03-10', 6400);
    const { total } = await report('revenue', { from: '2018-03-01', to: '2018-04-01' });
    expect(total).toMatchObject({
      currencies: [
        {
          currency: 'EUR',
          won: { deals: 1, amountMinor: 6400 },
          previous: { deals: 1, amountMinor: 5000 },
          growth: { numerator: 1400, denominator: 5000, rate: 0.28 },
          meetsBenchmark: true,
        },
      ],
      benchmark: 0.28,
      previousPeriod: { from: '2018-02-01T00:00:00.000Z', to: '2018-03-01T00:00:00.000Z' },
      complete: true,
    });
    expect(await drill(total.currencies[0].growth.drill)).toEqual(['lead-0002']);
    expect(await drill(total.currencies[0].growth.drillDenominator)).toEqual(['lead-0001']);
    policies = policyBook(benchmark('revenue_growth', 0.3));
    const stricter = await report('revenue', { from: '2018-03-01', to: '2018-04-01' });
    expect(stricter.total.currencies[0].meetsBenchmark).toBe(false);
  });

  it('compares each month with the one before, and nothing with nothing', async () => {
    sold('2018-01-10', 100);
    sold('2018-03-10', 300);
    past.lead().captured(at('2018-03-01')).won(at('2018-03-12'));
    const { rows, total } = await report('revenue', { groupBy: 'month', to: '2018-05-01' });
    const grown = rows.map((row: Body) => [row.dimensions.period, row.currencies[0]?.growth.rate]);
    expect(grown).toEqual([
      ['2018-01', null],
      ['2018-02', -1],
      ['2018-03', null],
      ['2018-04', -1],
    ]);
    expect(total).toMatchObject({ previousPeriod: null, withoutAmount: { count: 1 } });
    expect(total.currencies).toMatchObject([{ won: { amountMinor: 400 }, previous: null, growth: null }]);
    expect(await drill(total.withoutAmount.drill)).toEqual(['lead-0003']);
    const { rows: byTeam } = await report('revenue', { by: 'owner', from: '2018-03-01', to: '2018-04-01' });
    expect(byTeam.map((row: Body) => [row.dimensions.owner, row.currencies.length])).toEqual([
      ['sam', 1],
      [null, 0],
    ]);
  });

  it('takes local days where the period is no whole months', async () => {
    const query = { from: '2018-03-26', to: '2018-04-02', tz: 'Europe/Berlin' };
    expect((await report('revenue', query)).total.previousPeriod).toEqual({
      from: '2018-03-18T23:00:00.000Z',
      to: '2018-03-25T22:00:00.000Z',
    });
    const hours = await report('revenue', { from: '2018-03-26T06:00:00Z', to: '2018-03-26T08:00:00Z' });
    expect(hours.total.previousPeriod.from).toBe('2018-03-26T04:00:00.000Z');
  });
});

describe('a marker (7.32)', () => {
  it('sets any report of a period before a change of process against after it', async () => {
    dealing(at('2018-03-05')).lost(at('2018-03-10'));
    dealing(at('2018-03-05')).won(at('2018-03-20'));
    const query = { from: '2018-03-01', to: '2018-04-01', marker: '2018-03-15' };
    const { marker, total } = await report('win-rate', query);
    expect(total.byCount.rate).toBe(0.5);
    expect(marker.at).toBe('2018-03-15T00:00:00.000Z');
    expect(marker.before).toMatchObject({ period: { to: marker.at }, total: { byCount: { rate: 0, denominator: 1 } } });
    expect(marker.after).toMatchObject({
      period: { from: marker.at },
      total: { byCount: { rate: 1, denominator: 1 } },
    });
    expect(await drill(marker.after.total.byCount.drill)).toEqual(['lead-0002']);
    const grown = (await report('revenue', query)).marker.after.total;
    expect(grown.previousPeriod).toEqual({ from: '2018-02-26T00:00:00.000Z', to: '2018-03-15T00:00:00.000Z' });
  });

  it.each([
    ['win-rate', { marker: '2018-03-15', from: '2018-03-15' }],
    ['win-rate', { marker: 'soon' }],
    ['stock', { marker: '2018-03-15' }],
  ] as const)('is refused by %s for %j', async (name, query) => {
    await expect(report(name, query)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      fields: [{ field: 'marker' }],
    });
  });
});

describe('parameters', () => {
  it.each([
    ['recycling', { horizonDays: '0' }, 'horizonDays'],
    ['loss-reasons', { minTouches: 'few' }, 'minTouches'],
    ['revenue', { currency: 'euro' }, 'currency'],
  ] as const)('%s refuses %j', async (name, query, field) => {
    await expect(report(name, query)).rejects.toMatchObject({ code: 'VALIDATION_FAILED', fields: [{ field }] });
  });

  it.each([
    ['velocity', 'won'],
    ['qualified', 'state'],
    ['loss-reasons', 'lost?shoe=1'],
    ['recycling', 'won.price'],
    ['leak', 'inside.MQL.lost'],
    ['leak', 'leaked.CUSTOMER'],
    ['leak', 'leaked.MQL.merged'],
    ['returns', 'toString'],
    ['prospects', 'x'],
    ['sal-effect', 'through'],
    ['revenue', 'lost'],
  ] as const)('%s has no figure %s', async (name, figure) => {
    await expect(drillLeads(await viewOf(past), { drill: name, figure }, contextOf())).rejects.toMatchObject({
      fields: [{ field: 'figure' }],
    });
  });
});
