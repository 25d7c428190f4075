import { beforeEach, describe, expect, it } from '@jest/globals';
import { ALERT_CONDITIONS, type AlertCondition } from '#libs/alert/src/alert-conditions.js';
import type { AlertFinding } from '#libs/alert/src/alert.js';
import { alertFindings } from './alert-findings.js';
import { at, Past, policyBook, viewOf } from './given-when-then.js';
import { drillLeads, listLeads } from './reports.js';

/** Each condition of spec §8.5, just failing and just not: given what happened to leads, then the ledger warns. */

const DAY = 86_400_000;
/** A Thursday. */
const NOW = at('2018-06-14 12:00');
type ConfigEvent = Parameters<typeof policyBook>[number];

let past: Past;
beforeEach(() => {
  past = new Past();
});

async function found(config: ConfigEvent[] = [], nowMs = NOW): Promise<Map<string, AlertFinding>> {
  const context = { nowMs, defaultTz: 'UTC', policies: policyBook(...config) };
  const findings = await alertFindings(await viewOf(past), context);
  return new Map(findings.map((finding) => [finding.key, finding]));
}
const failing = async (key: string, config: ConfigEvent[] = [], nowMs = NOW): Promise<boolean> =>
  (await found(config, nowMs)).get(key)?.failing === true;
async function drill(link: string, nowMs = NOW): Promise<string[]> {
  const query: Record<string, string[]> = {};
  for (const [key, value] of new URL(link, 'http://ledger').searchParams) (query[key] ??= []).push(value);
  const flat = Object.fromEntries(
    Object.entries(query).map(([key, values]) => [key, values.length === 1 ? (values[0] as string) : values]),
  );
  return drillLeads(await viewOf(past), flat, { nowMs, defaultTz: 'UTC', policies: policyBook(), position: null });
}

const times = (n: number, act: (index: number) => void): void => {
  for (let index = 0; index < n; index += 1) act(index);
};
const captured = (atMs: number) => past.lead().captured(atMs);
const offered = (atMs: number) => captured(atMs).mql(atMs).handedOff(atMs);
const opportunity = (atMs: number, amountMinor = 1000, data = {}) =>
  captured(atMs).sql(atMs).opportunity(atMs, amountMinor, data);
const recently = NOW - DAY;
const benchmark = (metric: string, value: number, stage?: string): ConfigEvent => ({
  stream: `target-benchmark-${metric}${stage === undefined ? '' : `.${stage}`}`,
  type: 'BenchmarkSet',
  data: {
    occurredAt: '2018-01-01T00:00:00.000Z',
    metric,
    value,
    by: 'olga',
    ...(stage === undefined ? {} : { stage }),
  },
});
const target = (period: string, amountMinor: number): ConfigEvent => ({
  stream: `target-${period}-all`,
  type: 'RevenueTargetSet',
  data: {
    occurredAt: '2018-01-01T00:00:00.000Z',
    period,
    scope: 'all',
    amount: { amountMinor, currency: 'EUR' },
    by: 'olga',
  },
});

describe('a ledger without leads', () => {
  it('warns of nothing', async () => {
    expect([...(await found()).values()].filter((finding) => finding.failing)).toEqual([]);
  });
});

describe('acceptance', () => {
  const decide = (accepted: number, rejected: number, atMs = recently) => {
    times(accepted, () => offered(atMs).accepted(atMs + 1));
    times(rejected, () => offered(atMs).rejected(atMs + 1, { reasonCode: 'territory', failedCriteria: ['region'] }));
  };

  it('fails at 17 of 19 decided, and not at 18 of 20', async () => {
    decide(17, 2);
    const finding = (await found()).get('acceptance') as AlertFinding;
    expect(finding).toMatchObject({ failing: true, value: 0.894737, threshold: 0.9, n: 19, windowDays: 30 });
    expect(finding.text).toContain('miscommunication or conflict');
    expect(finding.text).toContain('territory (2)');
    expect(finding.text).toContain('region (2)');
    expect(await drill(finding.drill as string)).toHaveLength(19);
    decide(1, 0);
    expect(await failing('acceptance')).toBe(false);
  });

  it('needs ten decisions, of handoffs offered in the last thirty days', async () => {
    decide(0, 9);
    decide(0, 5, NOW - 31 * DAY);
    expect(await failing('acceptance')).toBe(false);
    decide(0, 1);
    expect(await failing('acceptance')).toBe(true);
  });

  it('tells each team apart where there are several, by the target of its agreement or a benchmark', async () => {
    times(10, () =>
      captured(recently)
        .mql(recently)
        .handedOff(recently, { teamId: 'north' })
        .rejected(recently + 1),
    );
    decide(10, 0);
    const findings = await found();
    expect(findings.get('acceptance.north')).toMatchObject({ failing: true, value: 0 });
    expect(findings.get('acceptance.sales')).toMatchObject({ failing: false, value: 1 });
    expect(await failing('acceptance', [benchmark('alert.acceptance', 0.5)])).toBe(false);
  });
});

describe('silence', () => {
  it('fails above 15 % of stale open leads, not at 15 %', async () => {
    times(3, () => captured(NOW - 91 * DAY));
    times(17, () => captured(recently));
    expect(await failing('stale_share')).toBe(false);
    captured(NOW - 91 * DAY);
    expect((await found()).get('stale_share')).toMatchObject({ failing: true, value: 0.190476, n: 21 });
  });

  it('fails above 20 % of open leads stuck in MQL', async () => {
    times(2, () => captured(NOW - 6 * DAY).mql(NOW - 6 * DAY));
    times(8, () => captured(recently));
    expect(await failing('mql_stuck')).toBe(false);
    captured(NOW - 6 * DAY).mql(NOW - 6 * DAY);
    const finding = (await found()).get('mql_stuck') as AlertFinding;
    expect(finding).toMatchObject({ failing: true, value: 0.272727 });
    expect(await drill(finding.drill as string)).toEqual(['lead-0001', 'lead-0002', 'lead-0011']);
  });
});

describe('promises', () => {
  const promise = (kept: boolean) => {
    const startMs = NOW - 3 * DAY;
    const lead = offered(startMs).accepted(startMs);
    const clock = lead.clock('first_contact', startMs, startMs + DAY);
    if (kept) lead.clockStopped(clock, startMs, startMs + 1000, 'met');
    else lead.breached(clock, startMs + DAY, { nextLevelAt: new Date(NOW - DAY).toISOString() });
    return { lead, clock };
  };

  it('fails below 95 % of promises kept, by their kind', async () => {
    times(19, () => promise(true));
    promise(false);
    expect(await failing('sla_attainment.first_contact')).toBe(false);
    promise(false);
    expect((await found()).get('sla_attainment.first_contact')).toMatchObject({
      failing: true,
      n: 21,
      value: 0.904762,
    });
  });

  it('fails for a broken promise that was escalated, until it is made good', async () => {
    const { clock, lead } = promise(false);
    expect(await failing('breach_escalation')).toBe(false);
    lead.fact('SlaEscalated', NOW - DAY, { clockId: clock, level: 3, toRole: 'sales_manager' });
    expect((await found()).get('breach_escalation')).toMatchObject({ failing: true, value: 1 });
    lead.clockStopped(clock, NOW - 3 * DAY, NOW, 'late');
    expect(await failing('breach_escalation')).toBe(false);
  });
});

describe('deals', () => {
  it('fails for a stage with ten resolved deals below its benchmark', async () => {
    const close = (won: boolean) => {
      const lead = opportunity(NOW - 10 * DAY);
      if (won) lead.won(recently);
      else lead.lost(recently);
    };
    times(7, () => close(true));
    times(2, () => close(false));
    expect(await failing('stage_benchmark.demo', [benchmark('stage_win_rate', 0.9, 'demo')])).toBe(false);
    close(false);
    expect((await found()).get('stage_benchmark.demo')).toMatchObject({
      failing: true,
      value: 0.7,
      threshold: 0.75,
      n: 10,
    });
  });

  it('fails when ten more were lost to a departed decision maker by ten points', async () => {
    const lose = (n: number, left: number, atMs: number) =>
      times(n, (index) => {
        opportunity(atMs - DAY).lost(atMs, { reasonCode: index < left ? 'decision_maker_left' : 'price' });
      });
    lose(10, 1, NOW - 100 * DAY);
    lose(10, 1, recently);
    expect(await failing('decision_maker_losses')).toBe(false);
    lose(2, 2, recently);
    const finding = (await found()).get('decision_maker_losses');
    expect(finding).toMatchObject({ failing: true, value: 0.15, n: 10 });
  });

  it('fails when over a quarter of the open value is unverified for over thirty days', async () => {
    times(10, () => opportunity(NOW - 20 * DAY));
    times(3, () => opportunity(NOW - 40 * DAY));
    expect(await failing('unverified_value')).toBe(false);
    opportunity(NOW - 40 * DAY);
    expect((await found()).get('unverified_value')).toMatchObject({ failing: true, value: 0.285714, n: 14 });
  });

  it('fails when over 80 % of the open value is on one horizon', async () => {
    times(8, () => opportunity(recently));
    times(2, () => opportunity(recently, 1000, { horizon: 'long' }));
    expect(await failing('one_horizon')).toBe(false);
    opportunity(recently);
    expect((await found()).get('one_horizon')).toMatchObject({ failing: true, value: 0.818182, n: 11 });
  });
});

describe('targets', () => {
  it('fails when open deals cover less than what is still to be won in the period', async () => {
    const due = { expectedCloseDate: '2018-06-20' };
    opportunity(NOW - 3 * DAY).won(recently, { amount: { amountMinor: 40_000, currency: 'EUR' } });
    opportunity(recently, 50_000, due);
    expect((await found([target('2018-06', 100_000)])).get('coverage')).toMatchObject({
      failing: true,
      value: 0.833333,
    });
    opportunity(recently, 10_000, due);
    expect(await failing('coverage', [target('2018-06', 100_000)])).toBe(false);
    expect((await found()).has('coverage')).toBe(false);
  });

  it('fails when fewer leads are qualified than the rest of the target takes', async () => {
    // One won of two: on average 10 000, so 50 000 still to be won take ten opportunities.
    opportunity(NOW - 3 * DAY).won(recently, { amount: { amountMinor: 10_000, currency: 'EUR' } });
    opportunity(NOW - 3 * DAY).lost(recently);
    times(9, () => captured(recently).sql(recently));
    expect((await found([target('2018-Q2', 60_000)])).get('qualified_stock')).toMatchObject({
      failing: true,
      value: 0.9,
    });
    captured(recently).sql(recently);
    expect(await failing('qualified_stock', [target('2018-Q2', 60_000)])).toBe(false);
  });
});

describe('flow', () => {
  it('fails at a working day gap of two in the inflow, weekends left out', async () => {
    captured(at('2018-06-08 12:00'));
    expect(await failing('inflow_gap', [], at('2018-06-12 11:59'))).toBe(false);
    expect(await failing('inflow_gap', [], at('2018-06-12 12:00'))).toBe(true);
    captured(at('2018-06-12 12:00'));
    expect(await failing('inflow_gap', [], at('2018-06-13 12:00'))).toBe(false);
  });

  it('fails when fewer leads qualified in each of the last two whole months', async () => {
    times(4, () => captured(at('2018-03-05')).sql(at('2018-03-06')));
    times(3, () => captured(at('2018-04-05')).sql(at('2018-04-06')));
    times(3, () => captured(at('2018-05-05')).sql(at('2018-05-06')));
    expect(await failing('velocity')).toBe(false);
    captured(at('2018-04-05')).sql(at('2018-04-06'));
    expect(await failing('velocity')).toBe(false);
    captured(at('2018-03-05')).sql(at('2018-03-06'));
    const finding = (await found()).get('velocity') as AlertFinding;
    expect(finding).toMatchObject({ failing: true, value: -0.25 });
    expect(await drill(finding.drill as string)).toHaveLength(3);
  });

  it('fails for the stage that holds the others up, by its name', async () => {
    // The last thirty days took two days where the ninety before took one.
    times(12, (n) => captured(NOW - 80 * DAY + n).mql(NOW - 79 * DAY + n));
    times(12, (n) => captured(NOW - 20 * DAY + n).mql(NOW - 18 * DAY + n));
    captured(NOW - 5 * DAY);
    expect((await found()).get('bottleneck.LEAD')).toMatchObject({ failing: true, n: 12 });
    past = new Past();
    times(24, (n) => captured(NOW - 80 * DAY + 3 * n * DAY).mql(NOW - 79 * DAY + 3 * n * DAY));
    expect([...(await found()).keys()].filter((key) => key.startsWith('bottleneck.LEAD'))).toEqual([]);
  });
});

describe('people and score', () => {
  it('fails while open leads belong to somebody who has left', async () => {
    const left = (type: string, data: object): ConfigEvent => ({
      stream: 'rep-sam',
      type,
      data: { occurredAt: '2018-06-01T00:00:00.000Z', repId: 'sam', ...data },
    });
    const config = [left('RepJoined', { teamId: 'sales', skills: [] }), left('RepLeft', {})];
    offered(recently).accepted(recently);
    expect(await failing('orphaned_leads')).toBe(false);
    expect((await found(config)).get('orphaned_leads')).toMatchObject({ failing: true, value: 1 });
    past = new Past();
    offered(recently).accepted(recently).recycled(recently).transition('Disqualified', 'DISQUALIFIED', recently, {
      reasonCode: 'no_need',
    });
    expect(await failing('orphaned_leads', config)).toBe(false);
  });

  it('fails while somebody has waited for over an hour for anybody to have the offer', async () => {
    offered(NOW - 3_600_000);
    expect(await failing('unowned_leads')).toBe(false);
    captured(recently).mql(recently).handedOff(recently, { ownerId: 'sam' });
    offered(recently).accepted(recently + 1);
    expect(await failing('unowned_leads')).toBe(false);
    const lead = offered(NOW - 3_600_001);
    const finding = (await found()).get('unowned_leads') as AlertFinding;
    expect(finding).toMatchObject({ failing: true, value: 1, drill: '/v1/leads?filter[unowned]=true' });
    const context = { nowMs: NOW, defaultTz: 'UTC', policies: policyBook(), position: null };
    const { items } = await listLeads(await viewOf(past), { 'filter[unowned]': 'true' }, context);
    expect(items.map(({ leadId }) => leadId)).toEqual([lead.leadId]);
  });

  it('fails when the score is right ten points less often than before', async () => {
    const scored = (accepted: number, rejected: number, atMs: number) => {
      const lead = () => captured(atMs).mql(atMs, { mode: 'auto' }).handedOff(atMs);
      times(accepted, () => lead().accepted(atMs + 1));
      times(rejected, () => lead().rejected(atMs + 1));
    };
    scored(9, 1, NOW - 100 * DAY);
    scored(17, 3, recently);
    expect(await failing('score_precision')).toBe(false);
    scored(0, 2, recently);
    expect((await found()).get('score_precision')).toMatchObject({ failing: true, value: 0.127273, n: 10 });
  });
});

describe('the table of conditions', () => {
  it('holds every condition that anything is found about, and no other', async () => {
    times(12, (n) => {
      const lead = offered(NOW - 40 * DAY + n).accepted(NOW - 40 * DAY + n);
      lead.clock('first_contact', NOW - 20 * DAY, NOW - 19 * DAY);
      lead.sql(NOW - 39 * DAY).opportunity(NOW - 39 * DAY, 1000, { expectedCloseDate: '2018-06-20' });
    });
    times(2, (n) => opportunity(NOW - (n === 0 ? 120 : 3) * DAY).lost(NOW - (n === 0 ? 100 : 1) * DAY));
    times(2, (n) => {
      const atMs = NOW - (n === 0 ? 100 : 1) * DAY;
      captured(atMs).mql(atMs, { mode: 'auto' }).handedOff(atMs).accepted(atMs);
    });
    times(40, (n) => captured(NOW - 80 * DAY + n).mql(NOW - 79 * DAY + n));
    times(12, (n) => captured(NOW - 20 * DAY + n).mql(NOW - 15 * DAY + n));
    const conditions = new Set(
      [...(await found([target('2018-06', 1000)])).values()].map(({ condition }) => condition),
    );
    const elsewhere: AlertCondition[] = ['review_overdue', 'alignment_overdue'];
    expect([...conditions, ...elsewhere].sort()).toEqual(Object.keys(ALERT_CONDITIONS).sort());
  });
});
