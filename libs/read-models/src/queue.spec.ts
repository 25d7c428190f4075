import { describe, expect, it } from '@jest/globals';
import { given, instant, type Scenario, ts } from '#libs/lead/src/given-when-then.js';
import { Past, policyBook, viewOf } from './given-when-then.js';
import type { QueueOf } from './queue.js';
import { listQueue } from './reports.js';
import { readRows } from './scan.js';
import { unownedTooLong } from './work.js';

/** The leads as their own rules made them, folded in batches of a few events as after many restarts. */
async function viewWith(...leads: Scenario[]) {
  const past = new Past();
  for (const lead of leads) {
    lead.stored.forEach(({ event, eventId, recordedAtMs }, revision) => {
      past.events.push({
        id: eventId,
        stream: `lead-${lead.lead.leadId}`,
        revision,
        position: past.events.length.toString(16).padStart(16, '0'),
        type: event.type,
        data: { ...event.data },
        metadata: { source: { system: 'api' } },
        recordedAtMs,
      });
    });
  }
  return viewOf(past, [2, 5, 1]);
}

const context = (now: string) => ({
  nowMs: instant(now),
  defaultTz: 'UTC',
  policies: policyBook(),
  position: null,
});
const asked = async (leads: Scenario[], of: QueueOf, now: string, query: Record<string, string> = {}) =>
  listQueue(await viewWith(...leads), query, context(now), of);
const told = async (...args: Parameters<typeof asked>) =>
  (await asked(...args)).items.map(({ clockType, kind, leadId }) => [leadId, kind, clockType]);

const SALES = { teamId: 'sales' };

describe('the queue of a team', () => {
  it('has what is due first at its top, promises of every kind', async () => {
    const leads = [
      given('CUSTOMER', 'won'),
      given('SAL', 'accepted'),
      given('MQL', 'offered'),
      given('SQL', 'qualified').do('DeferContact', { until: ts('2026-03-03 12:00'), requestedBy: 'sales' }),
    ];
    const { items } = await asked(leads, SALES, '2026-03-02 11:00');
    expect(items.map(({ clockType, kind, leadId }) => [leadId, kind, clockType])).toEqual([
      ['offered', 'handoff', 'handoff_response'],
      ['qualified', 'call_back', null],
      ['accepted', 'clock', 'first_contact'],
      ['won', 'clock', 'post_sale_followup'],
    ]);
    expect(items.every(({ dueAt }, n) => n === 0 || items[n - 1]!.dueAt <= dueAt)).toBe(true);
    expect(items[0]).toMatchObject({
      since: ts('2026-03-02 10:00'),
      overdue: false,
      teamId: 'sales',
      ownerId: null,
      lead: { state: 'MQL', openHandoff: true },
    });
  });

  it('keeps what is overdue, and can tell it apart', async () => {
    const leads = [given('SAL', 'late'), given('CUSTOMER', 'won')];
    const { items } = await asked(leads, SALES, '2026-03-10 11:00', { due: 'overdue' });
    expect(items.map(({ leadId, overdue }) => [leadId, overdue])).toEqual([['late', true]]);
    expect(await told(leads, SALES, '2026-03-10 11:00')).toHaveLength(2);
  });

  it('can be asked for one kind, and for what nobody has', async () => {
    const leads = [given('MQL', 'offered'), given('SAL', 'accepted')];
    expect(await told(leads, SALES, '2026-03-02 11:00', { 'filter[kind]': 'handoff' })).toEqual([
      ['offered', 'handoff', 'handoff_response'],
    ]);
    expect(await told(leads, SALES, '2026-03-02 11:00', { 'filter[owner]': '' })).toHaveLength(1);
  });

  it('goes on page by page without leaving any out', async () => {
    const leads = Array.from({ length: 7 }, (_, n) => given('MQL', `lead-${n}`));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query = { limit: '3', ...(cursor === '' ? {} : { cursor }) };
      const page: Awaited<ReturnType<typeof asked>> = await asked(leads, SALES, '2026-03-02 11:00', query);
      seen.push(...page.items.map(({ leadId }) => leadId));
      cursor = page.nextCursor;
    }
    expect(seen.sort()).toEqual(leads.map(({ lead }) => lead.leadId).sort());
  });
});

describe('the queue of a person', () => {
  it('follows the lead to another owner', async () => {
    const lead = given('SAL', 'moved');
    const before = { ownerId: lead.lead.ownerId! };
    expect(await told([lead], before, '2026-03-02 11:00')).toEqual([['moved', 'clock', 'first_contact']]);
    lead.do('AssignOwner', { ownerId: 'rita', teamId: 'sales' });
    expect(await told([lead], before, '2026-03-02 11:00')).toEqual([]);
    expect(await told([lead], { ownerId: 'rita' }, '2026-03-02 11:00')).toEqual([['moved', 'clock', 'first_contact']]);
  });

  it('loses what is done', async () => {
    const lead = given('SAL', 'called');
    const mine = { ownerId: lead.lead.ownerId! };
    lead.do('LogContactAttempt', { channel: 'phone', outcome: 'connected' }).do('LogResponse', { channel: 'phone' });
    expect(await told([lead], mine, '2026-03-02 11:00')).toEqual([]);
  });

  it('has the call that was put off, until somebody has tried about then', async () => {
    const lead = given('SQL', 'later').do('DeferContact', { until: ts('2026-03-20 10:00') });
    const mine = { ownerId: lead.lead.ownerId! };
    const calls = async () => (await told([lead], mine, '2026-03-02 11:00')).filter(([, kind]) => kind === 'call_back');
    const call = { channel: 'phone', outcome: 'no_answer' };
    lead.at('2026-03-10 10:00').do('LogContactAttempt', call);
    expect(await calls()).toHaveLength(1);
    lead.at('2026-03-19 16:00').do('LogContactAttempt', call);
    expect(await calls()).toEqual([]);
  });

  it('has the day on which a recycled lead is to be looked at again, until it is taken up', async () => {
    const lead = given('SAL', 'again');
    const mine = { ownerId: lead.lead.ownerId! };
    lead.do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 'spring', revisitOn: '2026-04-01' });
    const { items } = await asked([lead], mine, '2026-03-02 11:00', { 'filter[kind]': 'revisit' });
    expect(items).toMatchObject([{ leadId: 'again', dueAt: '2026-04-01T00:00:00.000Z', lead: { state: 'RECYCLED' } }]);
    lead.do('MarkMQL', { reason: 'they called' });
    expect(await told([lead], mine, '2026-03-02 11:00', { 'filter[kind]': 'revisit' })).toEqual([]);
  });

  it('leaves out what is on hold without an end, and brings it back', async () => {
    const lead = given('SAL', 'held');
    const mine = { ownerId: lead.lead.ownerId! };
    lead.do('PutOnHold', { reasonCode: 'legal_review' });
    expect(await told([lead], mine, '2026-03-02 11:00')).toEqual([]);
    lead.at('2026-03-05 10:00').do('ResumeFromHold');
    expect(await told([lead], mine, '2026-03-05 11:00')).toEqual([['held', 'clock', 'first_contact']]);
  });
});

describe('an offer that was routed', () => {
  const routed = () => {
    const lead = given('LEAD', 'routed');
    const occurredAt = '2026-01-01T00:00:00.000Z';
    lead.configured('team-sales', 'RoutingRuleSet', { occurredAt, strategies: ['round_robin'] });
    lead.configured('rep-rita', 'RepJoined', { occurredAt, repId: 'rita', teamId: 'sales' });
    lead.routing = { accountOwnerIds: [], load: () => ({ leads: 0, lastMs: 0 }) };
    return lead.do('MarkMQL', { reason: 'fits' });
  };
  const rita = { ownerId: 'rita' };

  it('is the work of whom it was routed to', async () => {
    expect(await told([routed()], rita, '2026-03-02 11:00')).toEqual([['routed', 'handoff', 'handoff_response']]);
  });

  it('is nobody’s once the mark is taken back, here as in the lead', async () => {
    const lead = routed();
    lead.do('VoidTransition', { eventId: lead.lead.latestTransition!.eventId, reason: 'too early' });
    expect(await told([lead], rita, '2026-03-02 11:00')).toEqual([]);
    const [row] = await readRows(await viewWith(lead), ['routed']);
    expect({ owner: row?.owner, team: row?.team }).toEqual({ owner: null, team: null });
    expect(lead.lead).toMatchObject({ ownerId: null, teamId: null });
  });

  it('stays with whoever has got it since', async () => {
    const lead = routed().do('AssignOwner', { ownerId: 'rolf', teamId: 'sales' });
    lead.do('VoidTransition', { eventId: lead.lead.latestTransition!.eventId, reason: 'too early' });
    const [row] = await readRows(await viewWith(lead), ['routed']);
    expect([row?.owner, lead.lead.ownerId]).toEqual(['rolf', 'rolf']);
  });
});

it('offers that nobody has had for an hour are found, and those that somebody has are not', async () => {
  const owned = given('LEAD', 'owned').do('MarkMQL', { reason: 'fits', ownerId: 'rita' });
  const leads = [given('MQL', 'unowned'), owned, given('SAL', 'accepted')];
  const view = await viewWith(...leads);
  expect(await unownedTooLong(view, instant('2026-03-02 11:00'))).toEqual([]);
  expect(await unownedTooLong(view, instant('2026-03-02 11:01'))).toEqual(['unowned']);
});
