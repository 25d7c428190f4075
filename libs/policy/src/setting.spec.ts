import { describe, expect, it } from '@jest/globals';
import { defaultConfigEvents } from './defaults.js';
import { PolicyError } from './errors.js';
import { PolicyBook } from './policy-book.js';
import { decideSetting, type SettingCommand } from './setting.js';
import type { DecidedEvent } from './versioned-document.js';

const DAY_MS = 86_400_000;

/** Streams of teams, people and targets beside the seeded configuration. */
class Desk {
  readonly policies = new PolicyBook();
  readonly streams = new Map<string, DecidedEvent[]>();
  nowMs = Date.parse('2026-11-22T18:00:00.000Z');

  constructor() {
    for (const event of defaultConfigEvents(this.nowMs)) {
      this.policies.apply(event);
      if (event.stream.startsWith('team-'))
        this.streams.set(event.stream, [{ type: event.type, data: { ...event.data } }]);
    }
  }

  do(stream: string, command: SettingCommand): string {
    const before = this.streams.get(stream) ?? [];
    try {
      const events = decideSetting(before, command, { policies: this.policies, nowMs: this.nowMs, by: 'olga' });
      this.streams.set(stream, [...before, ...events]);
      for (const event of events) this.policies.apply({ stream, ...event });
      return events.map(({ type }) => type).join(' ') || 'nothing';
    } catch (error) {
      if (error instanceof PolicyError) return error.code;
      throw error;
    }
  }
  join = (repId: string, teamId = 'sales', weeklyLeadCapacity?: number) =>
    this.do(`rep-${repId}`, { act: 'join', repId, teamId, weeklyLeadCapacity, skills: [] });
}

describe('A team', () => {
  const north = {
    name: 'North',
    function: 'sales',
    agreementId: 'standard',
    calendarId: 'office',
    timeZone: 'Europe/Oslo',
  };
  const define = (desk: Desk, change: object = {}) =>
    desk.do('team-north', { act: 'define-team', document: { ...north, ...change } });

  it('is defined on an agreement and calendars that exist, in a zone that exists', () => {
    const desk = new Desk();
    expect(define(desk, { agreementId: 'none' })).toBe('UNKNOWN_AGREEMENT');
    expect(define(desk, { calendarId: 'none' })).toBe('UNKNOWN_CALENDAR');
    expect(define(desk, { clockCalendars: { first_contact: 'none' } })).toBe('UNKNOWN_CALENDAR');
    expect(define(desk, { timeZone: 'Europe/Atlantis' })).toBe('TIME_ZONE_INVALID');
    expect(desk.policies.team('north')).toBeNull();
    expect(define(desk)).toBe('TeamDefined');
    expect(define(desk)).toBe('nothing');
    expect(desk.policies.missing(desk.nowMs, 'north')).toEqual([]);
  });

  it('is another one from its next definition on', () => {
    const desk = new Desk();
    define(desk);
    desk.nowMs += DAY_MS;
    expect(define(desk, { name: 'Far north' })).toBe('TeamDefined');
    expect(desk.policies.team('north', desk.nowMs - 1)?.name).toBe('North');
    expect(desk.policies.team('north', desk.nowMs)?.name).toBe('Far north');
  });

  it('routes to its own people', () => {
    const desk = new Desk();
    const rules = (repIds: string[]) => ({
      strategies: ['territory' as const],
      territories: [{ countries: ['NO'], repIds }],
    });
    const set = (repIds: string[], fallbackTeamId?: string) =>
      desk.do('team-sales', { act: 'set-routing', teamId: 'sales', document: { ...rules(repIds), fallbackTeamId } });
    desk.join('rita');
    expect(set(['bob'])).toBe('UNKNOWN_REP');
    expect(set(['rita'], 'sales')).toBe('UNKNOWN_TEAM');
    expect(set(['rita'], 'marketing')).toBe('RoutingRuleSet');
    expect(desk.policies.routing('sales')).toMatchObject({ fallbackTeamId: 'marketing' });
  });
});

describe('People', () => {
  it('join, learn, take less for a while, and leave', () => {
    const desk = new Desk();
    expect(desk.join('rita', 'nobody')).toBe('UNKNOWN_TEAM');
    expect(desk.join('rita', 'sales', 20)).toBe('RepJoined');
    expect(desk.join('rita', 'sales', 20)).toBe('nothing');
    expect(desk.do('rep-rita', { act: 'train', repId: 'rita', topic: 'pricing' })).toBe('RepTrained');
    const until = new Date(desk.nowMs + 7 * DAY_MS).toISOString();
    const away = { act: 'change-capacity', repId: 'rita', weeklyLeadCapacity: 0, until } as const;
    expect(desk.do('rep-rita', away)).toBe('RepCapacityChanged');
    const capacity = (atMs: number) => desk.policies.reps('sales', atMs).map((rep) => rep.weeklyLeadCapacity);
    expect([capacity(desk.nowMs - 1), capacity(desk.nowMs), capacity(Date.parse(until))]).toEqual([[], [0], [20]]);
    expect(desk.policies.rep('rita')).toMatchObject({ trained: ['pricing'], active: true });

    expect(desk.do('rep-rita', { act: 'leave', repId: 'rita', successorId: 'bob' })).toBe('UNKNOWN_REP');
    desk.join('bob');
    desk.nowMs += DAY_MS;
    expect(desk.do('rep-rita', { act: 'leave', repId: 'rita', successorId: 'bob' })).toBe('RepLeft');
    expect(desk.do('rep-rita', { act: 'leave', repId: 'rita' })).toBe('nothing');
    expect(desk.do('rep-rita', { act: 'train', repId: 'rita', topic: 'closing' })).toBe('UNKNOWN_REP');
    expect(desk.policies.reps('sales', desk.nowMs).map(({ repId }) => repId)).toEqual(['bob']);
    expect(desk.policies.reps('sales', desk.nowMs - 1).map(({ repId }) => repId)).toEqual(['rita', 'bob']);
  });
});

describe('Targets and benchmarks', () => {
  const target = (amountMinor: number, currency = 'EUR') => ({
    period: '2026-Q4',
    scope: 'all',
    amount: { amountMinor, currency },
  });

  it('are set once, changed with a reason, and known as they were', () => {
    const desk = new Desk();
    const set = (amountMinor: number, reason?: string, currency?: string) =>
      desk.do('target-2026-Q4-all', { act: 'set-target', document: target(amountMinor, currency), reason });
    expect(desk.policies.hasTarget('sales', desk.nowMs)).toBe(false);
    expect(set(6_000_000)).toBe('RevenueTargetSet');
    expect(set(6_000_000)).toBe('nothing');
    expect(set(7_000_000)).toBe('VALIDATION_FAILED');
    expect(set(7_000_000, 'new market', 'USD')).toBe('VALIDATION_FAILED');
    desk.nowMs += DAY_MS;
    expect(set(7_000_000, 'new market')).toBe('RevenueTargetChanged');
    const amount = (atMs: number) => desk.policies.target('2026-Q4', 'all', atMs)?.amount.amountMinor;
    expect([amount(desk.nowMs - 1), amount(desk.nowMs)]).toEqual([6_000_000, 7_000_000]);
    expect(desk.policies.hasTarget('sales', desk.nowMs)).toBe(true);
    expect(desk.policies.target('2027', 'all', desk.nowMs)).toBeNull();
  });

  it('of a stage fall back on those of the metric', () => {
    const desk = new Desk();
    const set = (stream: string, document: { metric: string; stage?: string; value: number }) =>
      desk.do(stream, { act: 'set-benchmark', document });
    set('target-benchmark-stage_win_rate', { metric: 'stage_win_rate', value: 0.6 });
    set('target-benchmark-stage_win_rate.demo', { metric: 'stage_win_rate', stage: 'demo', value: 0.7 });
    expect(desk.policies.benchmark('stage_win_rate', 'demo', desk.nowMs)).toBe(0.7);
    expect(desk.policies.benchmark('stage_win_rate', 'negotiation', desk.nowMs)).toBe(0.6);
    expect(desk.policies.benchmark('lvr', undefined, desk.nowMs)).toBeNull();
  });
});
