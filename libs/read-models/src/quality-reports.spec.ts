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

describe('score quality (7.24)', () => {
  /** Marked by the score or not; then what sales said. */
  const lead = (by: 'score' | 'hand' | null, answer: 'accepted' | 'rejected' | null, totalMp = 70_000, days = 0) => {
    const one = past.lead().captured(at('2018-03-01') + days * 86_400_000);
    const then = at('2018-03-02') + days * 86_400_000;
    one.fact('LeadScored', then, { total: totalMp, grade: 'B', band: 'hot', cause: 'event' });
    if (by !== null) one.mql(then, { mode: by === 'score' ? 'auto' : 'manual' }).handedOff(then);
    if (answer === 'accepted') one.accepted(then + 3_600_000);
    if (answer === 'rejected') one.rejected(then + 3_600_000);
    return one;
  };

  it('gives precision 1/3, recall 1/2 and lift 0.833 for the five leads of the example', async () => {
    // Q1, Q2 and Q4 are flagged; Q1 and Q3 come true.
    lead('score', 'accepted').sql(at('2018-03-05'));
    lead('score', 'rejected');
    lead('hand', 'accepted').sql(at('2018-03-05'));
    lead('score', 'rejected');
    lead(null, null);
    const { total } = await report('score-quality', { label: 'sql' });
    expect(total.precision).toMatchObject({ numerator: 1, denominator: 3, rate: 0.333333 });
    expect(total.recall).toMatchObject({ numerator: 1, denominator: 2, rate: 0.5 });
    expect(total.baseRate.rate).toBe(0.4);
    expect(total.lift).toBe(0.833333);
    expect(await drill(total.precision.drill)).toEqual(['lead-0001']);
    expect(await drill(total.precision.drillDenominator)).toEqual(['lead-0001', 'lead-0002', 'lead-0004']);
    expect(await drill(total.recall.drillDenominator)).toEqual(['lead-0001', 'lead-0003']);
  });

  it('leaves out who has not come true while there is time, and who came true too late is none', async () => {
    lead('score', 'accepted');
    lead('score', 'accepted').sql(at('2018-03-05'));
    const early = await report('score-quality', { label: 'sql', asOf: '2018-06-01' });
    expect(early.total).toMatchObject({ leads: { count: 1 }, immature: { count: 1 }, precision: { rate: 1 } });
    const late = await report('score-quality', { label: 'sql', asOf: '2018-12-01' });
    expect(late.total).toMatchObject({ leads: { count: 2 }, immature: { count: 0 }, precision: { rate: 0.5 } });
    const strict = await report('score-quality', { label: 'sql', asOf: '2018-12-01', horizonDays: '3' });
    expect(strict.total.precision.rate).toBe(0);
  });

  it('takes a sale for an SQL, where history does not tell of the stages before', async () => {
    past.lead().captured(at('2018-03-01')).won(at('2018-03-05'));
    const { total } = await report('score-quality', { label: 'sql' });
    expect(total).toMatchObject({ falseNegatives: { count: 1 }, trueNegatives: { count: 0 } });
  });

  it('judges label accepted by the decided leads only, with the interval of Wilson', async () => {
    for (let n = 0; n < 8; n += 1) lead('score', 'accepted');
    for (let n = 0; n < 2; n += 1) lead('score', 'rejected');
    lead('score', null);
    lead(null, null);
    const { total } = await report('score-quality');
    expect(total.precision).toMatchObject({ numerator: 8, denominator: 10, rate: 0.8, interval: [0.490162, 0.943318] });
    expect(total.undecided.count).toBe(2);
    expect(await drill(total.undecided.drill)).toEqual(['lead-0011', 'lead-0012']);
  });

  it('tells acceptance by tenths of the score at the decision', async () => {
    for (let n = 1; n <= 20; n += 1) lead('score', n > 4 ? 'accepted' : 'rejected', n * 1000);
    const { deciles } = (await report('score-quality')).total;
    expect(deciles.map((one: Body) => [one.fromMp, one.toMp, one.acceptance.rate])).toEqual([
      [1000, 2000, 0],
      [3000, 4000, 0],
      ...[5, 7, 9, 11, 13, 15, 17, 19].map((from) => [from * 1000, (from + 1) * 1000, 1]),
    ]);
    expect(await drill(deciles[1].acceptance.drillDenominator)).toEqual(['lead-0003', 'lead-0004']);
  });

  it('finds no drift between equal halves, and some when the scores have moved', async () => {
    for (let n = 0; n < 40; n += 1) lead(null, null, n * 1000, n % 2 === 0 ? 0 : 40);
    const steady = await report('score-quality', { from: '2018-04-01', to: '2018-05-01' });
    expect(steady.drift).toMatchObject({ n: 20, baselineN: 0, psi: null });
    const half = await report('score-quality', { from: '2018-04-01', to: '2018-06-01' });
    expect(half.drift).toMatchObject({ n: 20, baselineN: 20 });
    expect(half.drift.psi).toBeLessThan(0.1);
    past = new Past();
    for (let n = 0; n < 40; n += 1) lead(null, null, n % 2 === 0 ? n * 1000 : 90_000, n % 2 === 0 ? 0 : 40);
    expect((await report('score-quality', { from: '2018-04-01', to: '2018-06-01' })).drift.psi).toBeGreaterThan(0.25);
  });

  it('forgets a mark that was voided', async () => {
    lead('score', 'accepted');
    past.lead().captured(at('2018-03-01')).mql(at('2018-03-02'), { mode: 'auto' }).voided(at('2018-03-03'));
    expect((await report('score-quality', { label: 'sql' })).total.falsePositives.count).toBe(1);
  });
});

describe('contact effort (7.22)', () => {
  const DAY = 86_400_000;
  const accepted = (day = '2018-03-01') =>
    past
      .lead()
      .captured(at(day))
      .mql(at(day) + 1)
      .handedOff(at(day) + 2)
      .accepted(at(day) + 1000);
  type Lead = ReturnType<typeof accepted>;
  const attempt = (lead: Lead, atMs: number): void => {
    lead.fact('ContactAttempted', atMs, { attemptId: 'a', channel: 'phone', qualifies: true, outcome: 'no_answer' });
  };

  it('makes 3.2 attempts a lead of 32 at 10', async () => {
    for (let n = 0; n < 10; n += 1) {
      const lead = accepted();
      for (let made = 0; made < (n < 8 ? 3 : 4); made += 1) attempt(lead, at('2018-03-02') + made * 5 * DAY);
    }
    past.lead().captured(at('2018-03-01'));
    const { total } = await report('contact-effort');
    expect(total.attempts).toMatchObject({ numerator: 32, denominator: 10, rate: 3.2 });
    expect(total.byAttempt.map((one: Body) => one.responses.denominator)).toEqual([10, 10, 10, 2]);
    expect(await drill(total.byAttempt[3].responses.drillDenominator)).toEqual(['lead-0009', 'lead-0010']);
  });

  it('counts an answer, an opt-out and a complaint for the attempt before it', async () => {
    const lead = accepted();
    attempt(lead, at('2018-03-02'));
    attempt(lead, at('2018-03-03'));
    lead.fact('LeadResponded', at('2018-03-04'), { channel: 'email', sentiment: 'opt_out' });
    const other = accepted();
    attempt(other, at('2018-03-02'));
    other.fact('BehaviourRecorded', at('2018-03-04'), { behaviourId: 'b', kind: 'complaint', count: 1 });
    const [first, second] = (await report('contact-effort')).total.byAttempt;
    expect([first.responses.rate, first.optOuts.rate, first.complaints.rate]).toEqual([0, 0, 0.5]);
    expect([second.responses.rate, second.optOuts.rate, second.complaints.rate]).toEqual([1, 1, 0]);
    expect(await drill(second.optOuts.drill)).toEqual(['lead-0001']);
    const before = await report('contact-effort', { asOf: '2018-03-03T12:00:00Z' });
    expect(before.total.byAttempt[1].responses.rate).toBe(0);
  });

  it('finds who is called on a fourth time within seven days, and not on the seventh day itself', async () => {
    const often = accepted();
    const spaced = accepted();
    for (const day of [0, 1, 2]) for (const lead of [often, spaced]) attempt(lead, at('2018-03-02') + day * DAY);
    attempt(often, at('2018-03-02') + 7 * DAY - 1);
    attempt(spaced, at('2018-03-02') + 7 * DAY);
    const { overCap } = (await report('contact-effort')).total;
    expect(overCap).toMatchObject({ numerator: 1, denominator: 2 });
    expect(await drill(overCap.drill)).toEqual([often.leadId]);
  });

  it('tells who was given up as unresponsive without the full sequence', async () => {
    const full = accepted();
    full.fact('ContactSequenceExhausted', at('2018-03-05'), { sequenceId: 'standard', attemptsMade: 6, responses: 0 });
    full.recycled(at('2018-03-06'), { reasonCode: 'unresponsive' });
    accepted().recycled(at('2018-03-06'), { reasonCode: 'unresponsive' });
    accepted().recycled(at('2018-03-06'), { reasonCode: 'timing' });
    const { fullSequence } = (await report('contact-effort')).total;
    expect(fullSequence).toMatchObject({ numerator: 1, denominator: 2, rate: 0.5 });
    expect(await drill(fullSequence.drill)).toEqual([full.leadId]);
  });
});

describe('continuity of people (7.29)', () => {
  const left = (repId: string, occurredAt: string) => [
    {
      stream: `rep-${repId}`,
      type: 'RepJoined',
      data: { occurredAt: '2018-01-01T00:00:00.000Z', repId, teamId: 'sales', skills: [] },
    },
    { stream: `rep-${repId}`, type: 'RepLeft', data: { occurredAt, repId } },
  ];
  const policies = policyBook(...left('sam', '2018-06-01T00:00:00.000Z'));
  const given = (lead: ReturnType<Past['lead']>, atMs: number, ownerId: string, previousOwnerId: string) =>
    lead.fact('OwnerAssigned', atMs, { ownerId, previousOwnerId, teamId: 'sales', reason: 'manual' });

  it('gives 3 changes in 12 open deals 0.25', async () => {
    for (let n = 0; n < 12; n += 1) {
      const lead = past.lead().captured(at('2018-03-01')).sql(at('2018-03-02'));
      if (n === 5) given(lead, at('2018-03-03'), 'ann', 'sam');
      lead.opportunity(at('2018-03-04'), 1000);
      if (n < 3) given(lead, at('2018-03-05'), 'ann', 'sam');
    }
    const closed = past.lead().captured(at('2018-03-01')).sql(at('2018-03-02')).opportunity(at('2018-03-04'), 1000);
    given(closed, at('2018-03-05'), 'ann', 'sam');
    closed.lost(at('2018-03-06'));
    const { ownerChanges } = (await report('continuity')).total;
    expect(ownerChanges).toMatchObject({ numerator: 3, denominator: 12, rate: 0.25 });
    expect(await drill(ownerChanges.drill)).toEqual(['lead-0001', 'lead-0002', 'lead-0003']);
  });

  it('names the leads of who has left, and the days until somebody took them over', async () => {
    const taken = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-02'));
    taken.accepted(at('2018-03-03'));
    past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-02')).accepted(at('2018-03-03'));
    given(taken, at('2018-06-03'), 'ann', 'sam');
    const { total } = await report('continuity', {}, { policies });
    expect(total.orphaned).toMatchObject({ numerator: 1, denominator: 2 });
    expect(total.daysToReassign).toMatchObject({ n: 1, p50: 2 });
    const before = await report('continuity', { asOf: '2018-05-31' }, { policies });
    expect(before.total.orphaned.numerator).toBe(0);
  });
});

describe('data quality (7.26)', () => {
  const full = {
    role: 'user',
    companyName: 'Example Ltd',
    accountId: 'acme',
    location: { country: 'DE' },
    emailKind: 'company',
    identityKeys: [
      { kind: 'email', keyHash: 'a' },
      { kind: 'phone', keyHash: 'b' },
    ],
  } as const;

  it('asks a lead for six open fields, and a prospect for its goal as well', async () => {
    past.lead().captured(at('2018-03-01'), { ...full, identityKeys: [...full.identityKeys] });
    const prospect = past
      .lead()
      .captured(at('2018-03-01'), { ...full, identityKeys: [{ kind: 'email', keyHash: 'c' }] });
    prospect.mql(at('2018-03-02'));
    const before = (await report('data-quality')).total;
    expect(before.completeness).toMatchObject({ numerator: 11, denominator: 13 });
    expect(before.fields.find(({ field }: Body) => field === 'goal')).toMatchObject({ numerator: 0, denominator: 1 });
    prospect.fact('GoalIdentified', at('2018-03-03'), { challengeCode: 'growth', interestedInBuying: 'yes' });
    const after = (await report('data-quality')).total;
    expect(after.completeness).toMatchObject({ numerator: 12, denominator: 13, rate: 0.923077 });
    expect(await drill(after.completeness.drill)).toEqual(['lead-0001']);
  });

  it('gives 9 of 10 fields 0.9 as the leads themselves were checked', async () => {
    const lead = past.lead().captured(at('2018-03-01'));
    lead.fact('DataQualityChecked', at('2018-12-01'), {
      completeness: 0.9,
      staleFields: ['goal'],
      verifiedAt: '2018-12-01T00:00:00.000Z',
    });
    past.lead().captured(at('2018-03-01'));
    const { total } = await report('data-quality');
    expect(total.checked).toMatchObject({ leads: 1, mean: 0.9 });
    expect(total.verified).toMatchObject({ numerator: 1, denominator: 2, rate: 0.5 });
  });

  it('forgets a verification after 90 days, and counts bounces of those who were written to', async () => {
    const lead = past.lead().captured(at('2018-03-01'));
    lead.fact('ContactPersonVerified', at('2018-10-02'), { isDecisionMaker: true, evidence: 'call' });
    for (const outcome of ['bounced', 'sent'] as const)
      past.lead().captured(at('2018-03-01')).fact('ContactAttempted', at('2018-03-05'), {
        attemptId: outcome,
        channel: 'email',
        qualifies: false,
        outcome,
      });
    const { total } = await report('data-quality');
    expect(total.verified.numerator).toBe(0);
    expect(total.bounced).toMatchObject({ numerator: 1, denominator: 2 });
    expect(await drill(total.bounced.drill)).toEqual(['lead-0002']);
  });

  it('links to its leads as they are when somebody follows the link', async () => {
    past.lead().captured(at('2018-03-01'));
    const { total } = await report('data-quality');
    expect(total.verified.drillDenominator).not.toContain('asOf');
    expect(await drill(total.verified.drillDenominator)).toEqual(['lead-0001']);
    await expect(report('data-quality', { asOf: '2018-06-01' })).rejects.toMatchObject({ code: 'AS_OF_NOT_SUPPORTED' });
  });

  it('leaves out leads that are at rest', async () => {
    past
      .lead()
      .captured(at('2018-03-01'))
      .sql(at('2018-03-02'))
      .opportunity(at('2018-03-03'), 1)
      .lost(at('2018-03-04'));
    expect((await report('data-quality')).total.completeness).toMatchObject({ denominator: 0, rate: null });
  });
});
