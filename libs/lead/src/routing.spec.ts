import { describe, expect, it } from '@jest/globals';
import { person, Scenario } from './given-when-then.js';
import type { RoutingDesk } from './routing-desk.js';
import { weekStartMs } from './routing.js';

const OCCURRED = { occurredAt: '2026-01-01T00:00:00.000Z' };
const MONDAY = Date.parse('2026-03-02T00:00:00.000Z');

/** Leads of this week by person, and whose last one came first. */
function desk(leads: Readonly<Record<string, number>> = {}, accountOwnerIds: string[] = []): RoutingDesk {
  const lastMs = (repId: string) => Object.keys(leads).indexOf(repId);
  return { accountOwnerIds, load: (repId) => ({ leads: leads[repId] ?? 0, lastMs: lastMs(repId) }) };
}

function given(
  routing: object | null,
  reps: Readonly<Record<string, number | undefined>>,
  loads: RoutingDesk | undefined,
): Scenario {
  const lead = new Scenario();
  if (routing !== null) lead.configured('team-sales', 'RoutingRuleSet', { ...OCCURRED, ...routing });
  for (const [repId, weeklyLeadCapacity] of Object.entries(reps))
    lead.configured(`rep-${repId}`, 'RepJoined', { ...OCCURRED, repId, teamId: 'sales', weeklyLeadCapacity });
  lead.routing = loads;
  return lead;
}
const captured = (lead: Scenario, more: object = {}) =>
  lead.do('CaptureLead', {
    person: { email: 'ann@example.com' },
    source: { channel: 'search' },
    consents: [{ purpose: 'email_marketing', basis: 'consent' }],
    ...more,
  });
const offered = (lead: Scenario, more: object = {}) => lead.do('MarkMQL', { reason: 'fits', ...more });
const IN_TURN = { strategies: ['round_robin'] };

describe('a lead that is offered to a team', () => {
  it('goes to whoever has the least of the capacity agreed on, in the append of the offer', () => {
    const lead = given(IN_TURN, { rita: 10, rolf: 2 }, desk({ rita: 4, rolf: 1 }));
    offered(captured(lead));
    expect(lead.types()).toEqual(['MarkedMQL', 'HandedOffToSales', 'SlaClockStarted', 'OwnerAssigned']);
    expect(lead.data('OwnerAssigned')).toEqual({
      leadId: 'lead',
      occurredAt: '2026-03-02T10:00:00.000Z',
      ownerId: 'rita',
      teamId: 'sales',
      reason: 'routing',
    });
    expect(lead.latest.at(-1)).toMatchObject({ by: 'system:routing' });
    expect(lead.lead).toMatchObject({ ownerId: 'rita', teamId: 'sales' });
    expect([...lead.lead.clocks.values()][0]).toMatchObject({ clockType: 'handoff_response', ownerId: 'rita' });
  });

  it('goes round among people who have the same', () => {
    const lead = given(IN_TURN, { rita: 5, rolf: 5, rosa: 5 }, desk({ rolf: 1, rosa: 1, rita: 1 }));
    expect(offered(captured(lead)).lead.ownerId).toBe('rolf');
  });

  it.each([
    ['the person who serves the country', 'DE', 'rita'],
    ['the next strategy where nobody does', 'FR', 'rolf'],
  ])('goes to %s', (_, country, ownerId) => {
    const territories = [{ countries: ['AT', 'DE'], repIds: ['rita'] }];
    const rules = { strategies: ['territory', 'round_robin'], territories };
    const lead = given(rules, { rita: 5, rolf: 5 }, desk({ rita: 4 }));
    offered(captured(lead, { location: { country } }));
    expect(lead.lead.ownerId).toBe(ownerId);
  });

  it('goes to whoever looks after its account, also in a full week, and says so', () => {
    const rules = { strategies: ['account_owner', 'round_robin'] };
    const lead = given(rules, { rita: 1, rolf: 5 }, desk({ rita: 3 }, ['left', 'rita']));
    offered(captured(lead));
    expect(lead.data('OwnerAssigned')).toMatchObject({ ownerId: 'rita', policyWarnings: ['CAPACITY_EXCEEDED'] });
  });

  it('passes over who is out of office until the day they are back', () => {
    const lead = given(IN_TURN, { rita: 9, rolf: 9 }, desk({ rolf: 5 }));
    const until = '2026-03-06T00:00:00.000Z';
    lead.configured('rep-rita', 'RepCapacityChanged', { ...OCCURRED, repId: 'rita', weeklyLeadCapacity: 0, until });
    expect(offered(captured(lead)).lead.ownerId).toBe('rolf');
    lead.do('VoidTransition', { eventId: lead.lead.latestTransition?.eventId, reason: 'too early' });
    expect(lead.lead).toMatchObject({ state: 'LEAD', ownerId: null });
    expect(offered(lead.at('2026-03-06 09:00')).lead.ownerId).toBe('rita');
  });

  it('goes to the fallback team when everybody is full, and stays with a warning when that one is full too', () => {
    const rules = { ...IN_TURN, fallbackTeamId: 'night' };
    const full = () => {
      const lead = given(rules, { rita: 2 }, desk({ rita: 2, nora: 1 }));
      const { teamId: _, ...team } = lead.policies.team('sales')!;
      return lead.configured('team-night', 'TeamDefined', { ...OCCURRED, ...team, name: 'Night' });
    };
    const nora = (weeklyLeadCapacity: number) => ({ ...OCCURRED, repId: 'nora', teamId: 'night', weeklyLeadCapacity });
    const lead = full().configured('rep-nora', 'RepJoined', nora(5));
    offered(captured(lead));
    expect(lead.data('HandedOffToSales').teamId).toBe('night');
    expect(lead.data('OwnerAssigned')).toMatchObject({ ownerId: 'nora', teamId: 'night' });
    expect(lead.data('OwnerAssigned')).not.toHaveProperty('policyWarnings');

    const nowhere = full().configured('rep-nora', 'RepJoined', nora(1));
    offered(captured(nowhere));
    expect(nowhere.data('OwnerAssigned')).toMatchObject({ ownerId: 'rita', policyWarnings: ['CAPACITY_EXCEEDED'] });
  });

  it.each([
    ['there are no rules', given(null, { rita: 5 }, desk())],
    ['nobody is there', given(IN_TURN, { rita: 0 }, desk())],
    ['nobody has read what others have to do', given(IN_TURN, { rita: 5 }, undefined)],
  ])('waits for the whole team when %s', (_, lead) => {
    offered(captured(lead));
    expect(lead.types()).not.toContain('OwnerAssigned');
    expect(lead.lead).toMatchObject({ teamId: 'sales', ownerId: null });
  });

  it('goes to the person it is offered to by name', () => {
    const lead = given(IN_TURN, { rita: 5, rolf: 5 }, desk({ rolf: 3 }));
    expect(offered(captured(lead), { ownerId: 'rolf' }).types()).not.toContain('OwnerAssigned');
    expect(lead.lead.ownerId).toBe('rolf');
  });

  it('comes back to whoever had it, unless that one has left', () => {
    const had = () => {
      const lead = captured(given(IN_TURN, { rita: 5, rolf: 5 }, desk({ rolf: 3 })));
      return lead.do('AssignOwner', { ownerId: 'rolf' });
    };
    expect(offered(had()).lead.ownerId).toBe('rolf');
    const left = had().configured('rep-rolf', 'RepLeft', { ...OCCURRED, repId: 'rolf' });
    offered(left);
    expect(left.data('OwnerAssigned')).toMatchObject({ ownerId: 'rita', previousOwnerId: 'rolf' });
  });
});

describe('a lead given to somebody by hand', () => {
  it('carries a warning when the week of that person is full', () => {
    const lead = captured(given(null, { rita: 3, rolf: 3 }, desk({ rita: 3, rolf: 2 })));
    lead.do('AssignOwner', { ownerId: 'rita' }, person('ops'));
    expect(lead.data('OwnerAssigned').policyWarnings).toEqual(['CAPACITY_EXCEEDED']);
    lead.do('AssignOwner', { ownerId: 'rolf' }, person('ops'));
    expect(lead.data('OwnerAssigned')).not.toHaveProperty('policyWarnings');
  });
});

describe('a week', () => {
  it.each([
    ['2026-03-02T00:00:00.000Z', MONDAY],
    ['2026-03-08T23:59:59.999Z', MONDAY],
    ['2026-03-09T00:00:00.000Z', MONDAY + 7 * 86_400_000],
    ['2026-03-01T23:59:59.999Z', MONDAY - 7 * 86_400_000],
  ])('of %s begins on its Monday', (instant, start) => {
    expect(weekStartMs(Date.parse(instant))).toBe(start);
  });
});
