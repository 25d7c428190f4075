import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { EUR, given, instant, person, Scenario, ts } from './given-when-then.js';
import { silentFromMs } from './silence.js';

/** Everything begins on Monday 2026-03-02 at 10:00. Limits in days: LEAD 90, PROSPECT 30, MQL 5, SAL 7, demo 21, else 14. */
const DAY_MS = 86_400_000;
const CALL = { channel: 'phone', outcome: 'connected' };
const stale = (lead: Scenario) => lead.latest.flatMap((event) => (event.type === 'LeadWentStale' ? [event.data] : []));

describe('a lead about which nothing happens', () => {
  it('goes stale after the limit of its state, once, told at the instant the limit passed', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL).at('2026-03-09 10:00').sweep();
    expect(stale(lead)).toEqual([]);
    lead.nowMs += 1;
    lead.sweep();
    expect(stale(lead)).toEqual([
      {
        leadId: 'lead',
        occurredAt: ts('2026-03-09 10:00'),
        state: 'SAL',
        since: ts('2026-03-02 10:00'),
        limitS: 7 * 86_400,
      },
    ]);
    expect(lead.at('2026-05-01 10:00').sweep().types()).toEqual([]);
  });

  it('is told of late by whoever comes first, at its own time', () => {
    const lead = given('LEAD').at('2026-09-01 10:00').do('RecordBehaviour', { kind: 'guide' });
    expect(lead.types()).toEqual(['LeadWentStale', 'BehaviourRecorded']);
    expect(stale(lead)[0]?.occurredAt).toBe(ts('2026-05-31 10:00'));
    // A new silence.
    lead.at('2026-12-01 10:00').sweep();
    expect(stale(lead)[0]).toMatchObject({ since: ts('2026-09-01 10:00'), occurredAt: ts('2026-11-30 10:00') });
  });

  it('was not stale when an activity of before is only logged late', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL).at('2026-03-10 10:00');
    lead.do('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-08 10:00') });
    expect(stale(lead)).toEqual([]);
    expect(stale(lead.at('2026-03-15 10:01').sweep())[0]?.since).toBe(ts('2026-03-08 10:00'));
  });

  it('in a deal goes by the limit of its stage', () => {
    const lead = given('OPPORTUNITY').do('ChangeDealStage', { to: 'demo' });
    expect(stale(lead.at('2026-03-23 10:00').sweep())).toEqual([]);
    expect(stale(lead.at('2026-03-23 10:01').sweep())[0]).toMatchObject({
      state: 'OPPORTUNITY',
      dealStage: 'demo',
      limitS: 21 * 86_400,
    });
  });

  it.each([
    ['LEAD', ['RecordBehaviour', { kind: 'page_view' }], true],
    ['LEAD', ['LogContactAttempt', CALL], false],
    ['PROSPECT', ['LogResponse', { channel: 'email' }], true],
    ['SAL', ['LogContactAttempt', CALL], true],
    ['SAL', ['RecordBehaviour', { kind: 'page_view' }], false],
    ['SAL', ['BookMeeting', { at: ts('2026-03-05 10:00') }], true],
    ['SAL', ['AssignOwner', { ownerId: 'zoe' }], false],
    ['OPPORTUNITY', ['SendProposal', { costIncluded: true, implementationSteps: true }], true],
    ['OPPORTUNITY', ['ChangeDealAmount', { amount: EUR(5), reason: 'x' }], true],
    ['OPPORTUNITY', ['RaiseObjection', { code: 'price' }], false],
  ] as const)('in %s: %j breaks the silence: %s', (stage, [name, body], breaks) => {
    const lead = given(stage).at('2026-03-03 10:00').do(name, body);
    expect(lead.lead.silence?.sinceMs).toBe(instant(breaks ? '2026-03-03 10:00' : '2026-03-02 10:00'));
  });

  it('waits while it is on hold or has asked for quiet', () => {
    const held = given('SQL').at('2026-03-03 10:00').do('PutOnHold', { reasonCode: 'legal_review' });
    expect(stale(held.at('2026-06-01 10:00').sweep())).toEqual([]);
    held.do('ResumeFromHold');
    expect(stale(held.at('2026-06-14 10:00').sweep())).toEqual([]);
    expect(stale(held.at('2026-06-14 10:01').sweep())[0]).toMatchObject({
      since: ts('2026-03-02 10:00'),
      limitS: 14 * 86_400,
    });
    const quiet = given('SQL').do('DeferContact', { until: ts('2026-03-12 10:00') });
    expect(stale(quiet.at('2026-03-26 10:00').sweep())).toEqual([]);
    expect(stale(quiet.at('2026-03-26 10:01').sweep())).toHaveLength(1);
  });

  it('does not go stale out of the funnel, nor where no limit is set', () => {
    for (const stage of ['CUSTOMER', 'LOST', 'DISQUALIFIED', 'JUNK'] as const)
      expect(stale(given(stage).at('2027-03-02 10:00').sweep())).toEqual([]);
    const unlimited = given('SAL').underPipeline({ staleDays: {} });
    expect(stale(unlimited.at('2027-03-02 10:00').sweep())).toEqual([]);
  });

  it('is no matter of imports: only what happens here is awaited here', () => {
    const imported = new Scenario({ jobId: 'j', outOfOrder: 'refuse' });
    imported.do('CaptureLead', { occurredAt: ts('2020-01-01 10:00') }, person('ops'));
    imported.do('MarkMQL', { occurredAt: ts('2020-02-01 10:00') }, person('ops'));
    expect(imported.lead.silence).toBeNull();
    expect(imported.sweep().types()).toEqual([]);
  });
});

it('pauses that overlap count once', () => {
  const pause = fc
    .tuple(fc.nat({ max: 60 }), fc.nat({ max: 30 }))
    .map(([from, length]) => [from * DAY_MS, (from + length) * DAY_MS] as const);
  fc.assert(
    fc.property(fc.nat({ max: 40 }), fc.array(pause, { maxLength: 6 }), (since, pauses) => {
      // Day by day.
      let days = 0;
      for (let day = since; day < 100; day++)
        if (pauses.some(([from, to]) => from <= day * DAY_MS && (day + 1) * DAY_MS <= to)) days += 1;
      expect(silentFromMs({ sinceMs: since * DAY_MS, pauses, wentStale: false })).toBe((since + days) * DAY_MS);
    }),
  );
});
