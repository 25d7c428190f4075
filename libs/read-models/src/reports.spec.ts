import { beforeEach, describe, expect, it } from '@jest/globals';
import { at, Past, policyBook, viewOf } from './given-when-then.js';
import { drillLeads, listAudit, listBreaches, listClocks, listLeads, type ReportName, runReport } from './reports.js';
import type { Query } from './report-params.js';
import { DUE_SET } from './sla.js';

/** The worked examples of spec §7.0–7.8 and 7.11, and what the conventions say about their edges. */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const context = { nowMs: at('2019-01-01'), defaultTz: 'UTC', policies: policyBook(), position: null };
let past: Past;
beforeEach(() => {
  past = new Past();
});

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted on, not used
type Body = any;
const report = async (name: ReportName, query: Query = {}): Promise<Body> =>
  runReport(await viewOf(past, [3, 1, 7]), name, query, context);
const drill = async (link: string): Promise<string[]> => {
  const query: Record<string, string[]> = {};
  for (const [key, value] of new URL(link, 'http://ledger').searchParams) (query[key] ??= []).push(value);
  const flat = Object.fromEntries(
    Object.entries(query).map(([key, values]) => [key, values.length === 1 ? (values[0] as string) : values]),
  );
  return drillLeads(await viewOf(past), flat, context);
};
const conversion = (figures: Body, from: string, to: string): Body =>
  figures.conversions.find((one: Body) => one.from === from && one.to === to);

describe('stock (7.1)', () => {
  it('counts 1 LEAD when 4 were captured and 3 have left that state', async () => {
    for (let n = 0; n < 4; n += 1) {
      const lead = past.lead().captured(at('2018-03-01'));
      if (n < 3) lead.mql(at('2018-03-02'));
    }
    const { total } = await report('stock');
    expect(total.states.LEAD.count).toBe(1);
    expect(total.states.MQL.count).toBe(3);
    expect(total.leads.count).toBe(4);
    expect(await drill(total.states.LEAD.drill)).toEqual(['lead-0004']);
  });

  it('says where every lead stood at an earlier instant, entry inclusive', async () => {
    past.lead().captured(at('2018-03-01')).mql(at('2018-03-02 10:00'));
    past.lead().captured(at('2018-03-05'));
    expect((await report('stock', { asOf: '2018-03-02T09:59:59.999Z' })).total.states.LEAD.count).toBe(1);
    const then = await report('stock', { asOf: '2018-03-02T10:00:00Z' });
    expect(then.total.states.MQL.count).toBe(1);
    expect(then.total.leads.count).toBe(1);
  });

  it('is split by source with leads that have none last, and filtered by it', async () => {
    past.lead().captured(at('2018-03-01'), { source: { code: 'organic_search', channel: 'search' } });
    past.lead().captured(at('2018-03-01'), { source: {} });
    past.lead().captured(at('2018-03-01'), { source: { channel: 'email' } });
    const { rows } = await report('stock', { by: 'source' });
    expect(rows.map((row: Body) => row.dimensions.source)).toEqual(['email', 'organic_search', null]);
    expect((await report('stock', { 'filter[source]': '' })).total.leads.count).toBe(1);
    expect((await report('stock', { 'filter[source]': ['email', 'organic_search'] })).total.leads.count).toBe(2);
    expect(await drill(rows[2].leads.drill)).toEqual(['lead-0002']);
  });
});

describe('funnel (7.2)', () => {
  it('is 0.75 when 3 of the 4 MQL of March became SAL, whenever that was', async () => {
    for (let n = 0; n < 4; n += 1) {
      const lead = past
        .lead()
        .captured(at('2018-02-01'))
        .mql(at(`2018-03-0${n + 1}`));
      if (n < 3) lead.handedOff(at('2018-03-10')).accepted(at('2018-04-20'));
    }
    const march = { from: '2018-03-01', to: '2018-04-01' };
    const step = conversion((await report('funnel', march)).total, 'MQL', 'SAL');
    expect(step).toMatchObject({ numerator: 3, denominator: 4, rate: 0.75 });
    expect(await drill(step.drill)).toHaveLength(3);
    expect(await drill(step.drillDenominator)).toHaveLength(4);
    const early = await report('funnel', { ...march, asOf: '2018-04-19' });
    expect(conversion(early.total, 'MQL', 'SAL')).toMatchObject({ numerator: 0, denominator: 4, rate: 0 });
  });

  it('counts a skipped stage as reached and not as entered', async () => {
    past
      .lead()
      .captured(at('2018-03-01'))
      .mql(at('2018-03-01'))
      .won(at('2018-03-20'), { skippedStages: ['SAL', 'SQL', 'OPPORTUNITY'], skipRule: 'import_unrecorded' });
    const reached = (await report('funnel')).total;
    expect(conversion(reached, 'MQL', 'SAL').rate).toBe(1);
    expect(conversion(reached, 'OPPORTUNITY', 'CUSTOMER')).toMatchObject({ numerator: 1, denominator: 1 });
    const strict = (await report('funnel', { mode: 'strict' })).total;
    expect(conversion(strict, 'MQL', 'SAL').rate).toBe(0);
    expect(conversion(strict, 'SAL', 'SQL').rate).toBeNull();
    expect(conversion(strict, 'LEAD', 'CUSTOMER').rate).toBe(1);
  });

  it('keeps a lead that is recycled and qualified again in its first cohort, and counts its cycles apart', async () => {
    past
      .lead()
      .captured(at('2018-01-10'))
      .mql(at('2018-01-11'))
      .handedOff(at('2018-01-11'))
      .accepted(at('2018-01-12'))
      .recycled(at('2018-01-20'))
      .mql(at('2018-02-05'));
    const february = { from: '2018-02-01', to: '2018-03-01' };
    expect((await report('funnel', february)).total.reached.MQL.count).toBe(0);
    const byCycle = (await report('funnel', { ...february, basis: 'cycle' })).total;
    expect(conversion(byCycle, 'MQL', 'SAL')).toMatchObject({ numerator: 0, denominator: 1 });
  });

  it('gives the cohort of each local month', async () => {
    past.lead().captured(at('2018-01-31 23:30'));
    past.lead().captured(at('2018-02-10')).mql(at('2018-03-10'));
    const { rows } = await report('funnel', { groupBy: 'month', tz: 'Europe/Berlin' });
    expect(rows.map((row: Body) => [row.dimensions.period, row.reached.LEAD.count])).toEqual([
      ['2018-02', 2],
      ['2018-03', 0],
    ]);
    expect(await drill(rows[0].reached.LEAD.drill)).toHaveLength(2);
    const inUtc = await report('funnel', { groupBy: 'month' });
    expect(inUtc.rows[0].dimensions.period).toBe('2018-01');
  });

  it('forgets a voided transition', async () => {
    past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).voided(at('2018-03-03'));
    const { total } = await report('funnel');
    expect(total.reached.MQL.count).toBe(0);
    expect((await report('stock')).total.states.LEAD.count).toBe(1);
  });
});

describe('flow (7.3)', () => {
  it('is 1.2 when April saw 6 SAL entries and 5 MQL entries', async () => {
    for (let n = 0; n < 6; n += 1) {
      past
        .lead()
        .captured(at('2018-03-01'))
        .mql(at(n < 1 ? '2018-03-31' : '2018-04-02'))
        .handedOff(at('2018-04-03'))
        .accepted(at('2018-04-04'));
    }
    const april = await report('flow', { from: '2018-04-01', to: '2018-05-01' });
    const step = conversion(april.total, 'MQL', 'SAL');
    expect(step).toMatchObject({ numerator: 6, denominator: 5, rate: 1.2 });
    expect(await drill(step.drill)).toHaveLength(6);
  });

  it('counts a return to SQL again by visit, and not on the lead basis', async () => {
    const lead = past
      .lead()
      .captured(at('2018-03-01'))
      .mql(at('2018-03-02'))
      .handedOff(at('2018-03-03'))
      .accepted(at('2018-03-04'))
      .sql(at('2018-03-05'))
      .opportunity(at('2018-03-06'), 100);
    lead.transition('OpportunityReturnedToQualification', 'SQL', at('2018-03-07'), {
      dealId: lead.dealId as string,
      reasonCode: 'budget_lost',
      fromDealStage: 'demo',
    });
    expect((await report('flow')).total.entries.SQL.count).toBe(2);
    expect((await report('flow', { basis: 'lead' })).total.entries.SQL.count).toBe(1);
    expect((await report('flow', { basis: 'cycle' })).total.entries.SQL.count).toBe(1);
  });
});

describe('stage durations (7.4)', () => {
  const inSal = (hours: number) => {
    const lead = past
      .lead()
      .captured(at('2018-03-01'))
      .mql(at('2018-03-01'))
      .handedOff(at('2018-03-01'))
      .accepted(at('2018-03-02'));
    return { lead, exit: at('2018-03-02') + hours * HOUR };
  };
  const salOf = (body: Body): Body => body.total.stages.find((stage: Body) => stage.state === 'SAL');

  it('has p50 48 h and p90 168 h for SAL visits of 24, 48, 48 and 168 h', async () => {
    for (const hours of [24, 48, 48, 168]) {
      const { lead, exit } = inSal(hours);
      if (hours === 168) lead.recycled(exit);
      else lead.sql(exit);
    }
    const sal = salOf(await report('stage-durations'));
    expect(sal.visits).toMatchObject({ n: 4, p50: 48, p90: 168, p95: 168, mean: 72 });
    expect(sal.byExit.map((exit: Body) => [exit.exitKind, exit.n, exit.p50])).toEqual([
      ['forward', 3, 48],
      ['recycled', 1, 168],
    ]);
    expect(await drill(sal.byExit[1].drill)).toEqual(['lead-0004']);
  });

  it('takes the nearest rank: p50 of 24, 48, 96, 144 is 48 and p90 is 144', async () => {
    for (const hours of [24, 48, 96, 144]) {
      const { lead, exit } = inSal(hours);
      lead.sql(exit);
    }
    expect(salOf(await report('stage-durations')).visits).toMatchObject({ p50: 48, p90: 144 });
  });

  it('counts the visits that ended in the period, and leaves time on hold out of active durations', async () => {
    const { lead, exit } = inSal(100);
    lead.fact('PutOnHold', at('2018-03-03'), { reasonCode: 'budget_cycle' });
    lead.fact('ResumedFromHold', at('2018-03-04'), { heldForS: 86_400 });
    lead.sql(exit);
    expect(salOf(await report('stage-durations', { duration: 'active' })).visits.p50).toBe(76);
    expect(salOf(await report('stage-durations')).visits.p50).toBe(100);
    expect(salOf(await report('stage-durations', { to: '2018-03-06' }))).toBeUndefined();
    expect(salOf(await report('stage-durations', { from: '2018-03-06', to: '2018-03-07' })).visits.n).toBe(1);
  });

  it('sums a lead over its visits', async () => {
    const { lead, exit } = inSal(10);
    lead
      .recycled(exit)
      .mql(exit + DAY)
      .handedOff(exit + DAY)
      .accepted(exit + 2 * DAY)
      .sql(exit + 2 * DAY + 5 * HOUR);
    const sal = salOf(await report('stage-durations'));
    expect(sal.visits).toMatchObject({ n: 2, p50: 5, max: 10 });
    expect(sal.leads).toMatchObject({ n: 1, p50: 15 });
  });
});

describe('acceptance (7.5)', () => {
  it('is 17 of 19 decided, below the target, and 0.85 of 20 offered', async () => {
    for (let n = 0; n < 20; n += 1) {
      const lead = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-03'));
      if (n < 16) lead.accepted(at('2018-03-04'));
      else if (n === 16) lead.sql(at('2018-03-04'), { implicitAcceptance: true, skippedStages: ['SAL'] });
      else if (n < 19) lead.rejected(at('2018-03-05'), { reasonCode: 'territory', failedCriteria: ['r1', 'r2'] });
    }
    const { total } = await report('acceptance');
    expect(total.acceptance).toMatchObject({ numerator: 17, denominator: 19, rate: 0.894737 });
    expect(total.rejection).toMatchObject({ numerator: 2, rate: 0.105263 });
    expect(total.ofOffered).toMatchObject({ numerator: 17, denominator: 20, rate: 0.85 });
    expect(total).toMatchObject({ target: 0.9, meetsTarget: false, implicit: { count: 1 }, open: { count: 1 } });
    expect(total.rejectionReasons).toMatchObject([{ reasonCode: 'territory', numerator: 2, rate: 1 }]);
    expect(total.failedCriteria.map((one: Body) => [one.ruleId, one.numerator])).toEqual([
      ['r1', 2],
      ['r2', 2],
    ]);
    expect(await drill(total.failedCriteria[0].drill)).toEqual(['lead-0018', 'lead-0019']);
    expect(await drill(total.acceptance.drillDenominator)).toHaveLength(19);
  });

  it('meets the target at exactly 0.90', async () => {
    for (let n = 0; n < 10; n += 1) {
      const lead = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-03'));
      if (n < 9) lead.accepted(at('2018-03-04'));
      else lead.rejected(at('2018-03-04'));
    }
    expect((await report('acceptance')).total).toMatchObject({ meetsTarget: true, acceptance: { rate: 0.9 } });
    expect((await report('acceptance', { target: '0.91' })).total.meetsTarget).toBe(false);
  });

  it('leaves a withdrawn handoff out of what was offered and counts a new offer as a new handoff', async () => {
    const lead = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-03'));
    lead.transition('QualificationWithdrawn', 'LEAD', at('2018-03-04'), { reason: 'error' });
    lead.mql(at('2018-03-05')).handedOff(at('2018-03-06')).rejected(at('2018-03-07'));
    lead.mql(at('2018-03-08')).handedOff(at('2018-03-09')).accepted(at('2018-03-10'));
    const { total } = await report('acceptance');
    expect(total.acceptance).toMatchObject({ numerator: 1, denominator: 2 });
    expect(total).toMatchObject({ cancelled: { count: 1 }, ofOffered: { denominator: 2 } });
    const before = (await report('acceptance', { asOf: '2018-03-06T12:00:00Z' })).total;
    expect(before).toMatchObject({ open: { count: 1 }, meetsTarget: null, acceptance: { rate: null } });
  });

  it('moves a decision with the corrected time of its acceptance', async () => {
    const lead = past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-03'));
    lead.accepted(at('2018-03-04'));
    lead.fact('OccurredAtCorrected', at('2018-03-10'), {
      correctedEventId: lead.visits.at(-1)?.eventId as string,
      old: '2018-03-04T00:00:00.000Z',
      new: '2018-03-06T00:00:00.000Z',
      reason: 'typo',
      approvedBy: 'gil',
    });
    expect((await report('acceptance', { asOf: '2018-03-05' })).total.open.count).toBe(1);
    expect((await report('acceptance', { asOf: '2018-03-06' })).total.accepted.count).toBe(1);
  });

  it('opens a handoff again when its acceptance is voided', async () => {
    past
      .lead()
      .captured(at('2018-03-01'))
      .mql(at('2018-03-02'))
      .handedOff(at('2018-03-03'))
      .accepted(at('2018-03-04'))
      .voided(at('2018-03-05'));
    expect((await report('acceptance')).total).toMatchObject({ open: { count: 1 }, accepted: { count: 0 } });
  });
});

describe('sla (7.6, 7.7)', () => {
  const of = (body: Body, type: string): Body => body.total.clocks.find((clock: Body) => clock.clockType === type);
  const contacted = (hours: number) => {
    const lead = past.lead().captured(at('2018-03-01'));
    const clock = lead.clock('first_contact', at('2018-03-02'), at('2018-03-04'));
    lead.clockStopped(clock, at('2018-03-02'), at('2018-03-02') + hours * HOUR, 'met');
    return lead;
  };

  it('is 0.75 for 3 clocks met and 1 breached', async () => {
    for (const hours of [20, 22, 24.5]) contacted(hours);
    const late = past.lead().captured(at('2018-03-01'));
    const clock = late.clock('first_contact', at('2018-03-02'), at('2018-03-04'));
    late.breached(clock, at('2018-03-04'));
    const first = of(await report('sla'), 'first_contact');
    expect(first.attainment).toMatchObject({ numerator: 3, denominator: 4, rate: 0.75 });
    expect(await drill(first.standing.drill)).toEqual(['lead-0004']);
    expect(await drill(first.attainment.drillDenominator)).toHaveLength(4);
  });

  it('has a median response of 22 h for 20, 22 and 24.5 h', async () => {
    for (const hours of [20, 22, 24.5]) contacted(hours);
    const first = of(await report('sla'), 'first_contact');
    expect(first.responseOpen).toMatchObject({ n: 3, p50: 22, p90: 24.5 });
    expect(first.responseWall.p50).toBe(22);
  });

  it('counts a clock past its due instant as broken although no sweeper saw it, and not before', async () => {
    past.lead().captured(at('2018-03-01')).clock('first_contact', at('2018-03-02'), at('2018-03-04'));
    expect(of(await report('sla', { asOf: '2018-03-04' }), 'first_contact').standing.count).toBe(1);
    expect(of(await report('sla', { asOf: '2018-03-03T23:59:59.999Z' }), 'first_contact')).toBeUndefined();
  });

  it('leaves a retracted breach out of the standing ones and shows it', async () => {
    const lead = past.lead().captured(at('2018-03-01'));
    const clock = lead.clock('first_contact', at('2018-03-02'), at('2018-03-04'));
    lead.breached(clock, at('2018-03-04'));
    lead.fact('SlaBreachRetracted', at('2018-03-04'), {
      clockId: clock,
      evidenceEventId: 'x',
      reason: 'late_evidence',
    });
    lead.clockStopped(clock, at('2018-03-02'), at('2018-03-03'), 'met');
    const first = of(await report('sla'), 'first_contact');
    expect(first).toMatchObject({
      met: { count: 1 },
      standing: { count: 0 },
      retracted: { count: 1 },
      breached: { count: 1 },
      attainment: { rate: 1 },
    });
    const listed = await listBreaches(await viewOf(past), { show: 'retracted' }, context);
    expect(listed.items).toMatchObject([{ clockId: clock, standing: false, retraction: { reason: 'late_evidence' } }]);
    expect((await listBreaches(await viewOf(past), { show: 'standing' }, context)).items).toEqual([]);
  });

  it('leaves a clock cancelled before its due instant out, and keeps one cancelled after its breach', async () => {
    const lead = past.lead().captured(at('2018-03-01'));
    const early = lead.clock('first_contact', at('2018-03-02'), at('2018-03-04'));
    lead.fact('SlaClockCancelled', at('2018-03-03'), { clockId: early, reason: 'recycled' });
    const late = lead.clock('first_contact', at('2018-03-05'), at('2018-03-06'));
    lead.breached(late, at('2018-03-06'));
    lead.fact('SlaClockCancelled', at('2018-03-07'), { clockId: late, reason: 'recycled' });
    expect(of(await report('sla'), 'first_contact').attainment).toMatchObject({ numerator: 0, denominator: 1 });
  });

  it('does not count a paused clock as due', async () => {
    const lead = past.lead().captured(at('2018-03-01'));
    const clock = lead.clock('first_contact', at('2018-03-02'), at('2018-03-04'));
    lead.fact('SlaClockPaused', at('2018-03-03'), { clockId: clock, reason: 'hold', consumedOpenS: 86_400 });
    expect(of(await report('sla'), 'first_contact')).toBeUndefined();
    lead.fact('SlaClockResumed', at('2018-03-08'), { clockId: clock, newDueAt: '2018-03-09T00:00:00.000Z' });
    expect(of(await report('sla', { from: '2018-03-09' }), 'first_contact').standing.count).toBe(1);
  });

  it('lists what runs by due instant, and gives the sweeper the next instant of each lead', async () => {
    const lead = past.lead().captured(at('2018-03-01'));
    const warned = lead.clock('first_contact', at('2018-03-02'), at('2018-03-04'), {
      warnOpenS: 86_400,
      warnAt: '2018-03-03T00:00:00.000Z',
    });
    const due = async () => (await viewOf(past)).scored(DUE_SET);
    expect(await due()).toEqual([[lead.leadId, at('2018-03-03')]]);
    lead.fact('SlaWarningRaised', at('2018-03-03'), { clockId: warned, level: 1, remainingOpenS: 86_400 });
    expect(await due()).toEqual([[lead.leadId, at('2018-03-04')]]);
    lead.breached(warned, at('2018-03-04'), { nextLevelAt: '2018-03-05T08:00:00.000Z' });
    expect(await due()).toEqual([[lead.leadId, at('2018-03-05 08:00')]]);
    const { items } = await listClocks(await viewOf(past), {}, context);
    expect(items).toMatchObject([{ clockId: warned, status: 'breached', overdue: true, level: 2 }]);
    lead.fact('SlaEscalated', at('2018-03-05 08:00'), { clockId: warned, level: 3, toRole: 'ops' });
    expect(await due()).toEqual([]);
  });
});

describe('sales cycle (7.8)', () => {
  it('is 25.1875 days for 30.25 and 20.125', async () => {
    past
      .lead()
      .captured(at('2018-03-01'))
      .won(at('2018-03-01') + 30.25 * DAY);
    past
      .lead()
      .captured(at('2018-03-01'))
      .won(at('2018-03-01') + 20.125 * DAY);
    past.lead().captured(at('2018-03-01')).lost(at('2018-03-11'));
    const { total } = await report('sales-cycle');
    expect(total.won).toMatchObject({ n: 2, mean: 25.1875, p50: 20.125, max: 30.25 });
    expect(total.inclLost).toMatchObject({ n: 3, mean: 20.125 });
    expect(await drill(total.won.drill)).toEqual(['lead-0001', 'lead-0002']);
  });

  it('runs from the first interaction of all, from the winning cycle, or from an entry to SQL or OPPORTUNITY', async () => {
    const lead = past.lead().captured(at('2018-03-10'));
    lead.fact('BehaviourRecorded', at('2018-03-08'), { behaviourId: 'b', kind: 'page_view', count: 1 });
    lead.mql(at('2018-03-11')).handedOff(at('2018-03-11')).accepted(at('2018-03-12')).recycled(at('2018-03-15'));
    lead.mql(at('2018-04-01')).handedOff(at('2018-04-01')).accepted(at('2018-04-02')).sql(at('2018-04-03'));
    lead.opportunity(at('2018-04-05'), 100).won(at('2018-04-08'));
    const days = async (start: string) => (await report('sales-cycle', { start })).total.won.mean;
    expect(await days('interaction')).toBe(31);
    expect(await days('cycle')).toBe(7);
    expect(await days('sql')).toBe(5);
    expect(await days('opportunity')).toBe(3);
  });

  it('has nothing to count from where the stage was skipped', async () => {
    past.lead().captured(at('2018-03-01')).won(at('2018-03-11'));
    const { total } = await report('sales-cycle', { start: 'sql' });
    expect(total).toMatchObject({ won: { n: 0, mean: null }, withoutStart: { count: 1 } });
  });

  it('counts a clamped sale at its adjusted time', async () => {
    past.lead().captured(at('2018-03-10')).won(at('2018-03-10'), {
      closedAt: '2018-03-08T20:00:00.000Z',
      claimedOccurredAt: '2018-03-08T20:00:00.000Z',
    });
    expect((await report('sales-cycle')).total.won).toMatchObject({ n: 1, mean: 0 });
    const { items } = await listAudit(await viewOf(past), { 'filter[kind]': 'adjusted' }, context);
    expect(items).toMatchObject([{ type: 'DealWon', claimedOccurredAt: '2018-03-08T20:00:00.000Z' }]);
  });
});

describe('win rate (7.11)', () => {
  it('is 2 of 3 by count and 24,000 of 33,000 by value, recycled closings apart', async () => {
    const opened = () => past.lead().captured(at('2018-03-01')).sql(at('2018-03-02'));
    opened().opportunity(at('2018-03-03'), 1_500_000).won(at('2018-03-10'));
    opened().opportunity(at('2018-03-03'), 900_000).won(at('2018-03-10'));
    opened().opportunity(at('2018-03-03'), 900_000).lost(at('2018-03-10'));
    opened().opportunity(at('2018-03-03'), 700_000).recycled(at('2018-03-10'));
    const { total } = await report('win-rate', { from: '2018-03-01', to: '2018-04-01' });
    expect(total.byCount).toMatchObject({ numerator: 2, denominator: 3, rate: 0.666667 });
    expect(total.byValue).toMatchObject([
      { currency: 'EUR', numerator: 2_400_000, denominator: 3_300_000, rate: 0.727273 },
    ]);
    expect(total.recycled).toMatchObject({ count: 1, value: [{ currency: 'EUR', amountMinor: 700_000 }] });
    expect(await drill(total.byCount.drillDenominator)).toHaveLength(3);
    expect((await report('win-rate', { from: '2018-04-01' })).total.byCount.rate).toBeNull();
  });
});

describe('lists', () => {
  it('pages through leads, the last changed first, each once', async () => {
    for (let n = 1; n <= 5; n += 1) past.lead().captured(at(`2018-03-0${n}`));
    const view = await viewOf(past);
    const first = await listLeads(view, { limit: '2' }, context);
    expect(first.items.map(({ leadId }) => leadId)).toEqual(['lead-0005', 'lead-0004']);
    const second = await listLeads(view, { limit: '3', cursor: first.nextCursor as string }, context);
    expect(second.items.map(({ leadId }) => leadId)).toEqual(['lead-0003', 'lead-0002', 'lead-0001']);
    expect(second.nextCursor).toBeNull();
  });

  it('finds leads by state and owner, without personal data', async () => {
    past.lead().captured(at('2018-03-01')).mql(at('2018-03-02')).handedOff(at('2018-03-02')).accepted(at('2018-03-03'));
    past.lead().captured(at('2018-03-01'));
    const view = await viewOf(past);
    const { items } = await listLeads(view, { 'filter[state]': 'SAL', 'filter[owner]': 'sam' }, context);
    expect(items).toMatchObject([{ leadId: 'lead-0001', state: 'SAL', ownerId: 'sam', teamId: 'sales', cycleNo: 1 }]);
  });

  it('shows in the audit what was skipped, voided, back-dated and overridden, and by whom', async () => {
    const lead = past.lead().captured(at('2018-03-01'));
    lead.sql(at('2018-03-02'), {
      skippedStages: ['MQL', 'SAL'],
      skipRule: 'inbound_hand_raise',
      override: { by: 'gil', reason: 'known customer' },
    });
    lead.transition(
      'Disqualified',
      'DISQUALIFIED',
      at('2018-03-03'),
      { reasonCode: 'no_need' },
      {
        recordedMs: at('2018-03-03 02:00'),
        actor: { type: 'user', id: 'olga', role: 'ops' },
      },
    );
    lead.voided(at('2018-03-04'), { approvedBy: 'gil' }, { actor: { type: 'user', id: 'omar', role: 'ops' } });
    const view = await viewOf(past, [2]);
    const kinds = async (kind: string) =>
      (await listAudit(view, { 'filter[kind]': kind }, context)).items.map(({ type }) => type);
    expect(await kinds('skipped')).toEqual(['MarkedSQL']);
    expect(await kinds('overridden')).toEqual(['MarkedSQL']);
    expect(await kinds('backdated')).toEqual(['Disqualified']);
    expect(await kinds('back-dated')).toEqual(['Disqualified']);
    const { items } = await listAudit(view, { 'filter[actor]': 'olga', 'filter[reason]': 'no_need' }, context);
    expect(items).toMatchObject([
      {
        kinds: ['voided', 'backdated', 'manual'],
        fromState: 'SQL',
        voided: { actor: { id: 'omar' }, approvedBy: 'gil', reason: 'entered for the wrong lead' },
      },
    ]);
  });

  it('pages through the audit in order of time, across days, each transition once', async () => {
    for (let n = 1; n <= 9; n += 1)
      past
        .lead()
        .captured(at(`2018-03-0${n}`))
        .mql(at(`2018-03-${20 - n}`));
    const view = await viewOf(past);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Body = await listAudit(view, { limit: '4', ...(cursor === null ? {} : { cursor }) }, context);
      seen.push(...page.items.map((item: Body) => item.occurredAt));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toHaveLength(18);
    expect(seen).toEqual([...seen].sort().reverse());
  });
});

describe('parameters', () => {
  it.each([
    [{ form: '2018-01-01' }, 'form'],
    [{ from: '2018-02-30' }, 'from'],
    [{ from: '2018-03-01', to: '2018-03-01' }, 'to'],
    [{ tz: '+02:00' }, 'tz'],
    [{ tz: 'Mars/Base' }, 'tz'],
    [{ by: 'source,shoe' }, 'by'],
    [{ 'filter[shoe]': 'x' }, 'filter[shoe]'],
    [{ 'filter[constructor]': 'x' }, 'filter[constructor]'],
    [{ mode: 'strictly' }, 'mode'],
    [{ from: ['2018-01-01', '2018-01-02'] }, 'from'],
    [{ groupBy: 'year' }, 'groupBy'],
  ])('refuses %j and names the parameter', async (query, field) => {
    await expect(report('funnel', query)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      status: 400,
      fields: [{ field }],
    });
  });

  it('says that it cannot answer from what was known in the past', async () => {
    await expect(report('funnel', { knownAt: '2018-01-01' })).rejects.toMatchObject({
      code: 'AS_OF_NOT_SUPPORTED',
      status: 422,
    });
  });

  it('reads a date as the start of the local day', async () => {
    const body = await report('funnel', { from: '2018-03-25', to: '2018-03-26', tz: 'Europe/Berlin' });
    expect(body.period).toEqual({ from: '2018-03-24T23:00:00.000Z', to: '2018-03-25T22:00:00.000Z' });
  });
});
