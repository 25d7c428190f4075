import { describe, expect, it } from '@jest/globals';
import { EUR, given, type Stage, ts } from './given-when-then.js';

const HOLD = { reasonCode: 'legal_review' };

describe('a hold (T21)', () => {
  it.each<Stage>(['SAL', 'SQL', 'OPPORTUNITY'])('keeps %s and its visit', (stage) => {
    const lead = given(stage);
    const visits = lead.lead.visits.length;
    lead.do('PutOnHold', HOLD);
    expect(lead.lead).toMatchObject({ state: stage, onHold: { reasonCode: 'legal_review', sinceMs: lead.nowMs } });
    lead.at('2026-03-04 10:00').do('ResumeFromHold');
    expect(lead.data('ResumedFromHold').heldForS).toBe(172_800);
    expect(lead.lead).toMatchObject({ state: stage, onHold: null });
    expect(lead.lead.visits).toHaveLength(visits);
  });

  it('refuses to go on, but lets facts in', () => {
    const sal = given('SAL').do('PutOnHold', HOLD);
    expect(sal.refused('MarkSQL')).toMatchObject({ code: 'LEAD_ON_HOLD', status: 423 });
    expect(sal.refused('PutOnHold', HOLD).code).toBe('LEAD_ON_HOLD');
    expect(sal.do('LogResponse', { channel: 'email' }).types()).toContain('LeadResponded');
    const deal = given('OPPORTUNITY').do('PutOnHold', HOLD);
    expect(deal.refused('WinDeal', { amount: EUR(1) }).code).toBe('LEAD_ON_HOLD');
    expect(deal.refused('ChangeDealStage', { to: 'demo' }).code).toBe('LEAD_ON_HOLD');
    expect(deal.do('LoseDeal', { reasonCode: 'price' }).lead).toMatchObject({ state: 'LOST', onHold: null });
  });

  it.each([
    ['UNKNOWN_REASON_CODE', { reasonCode: 'mood' }],
    ['NOTE_REQUIRED', { reasonCode: 'other' }],
    ['HOLD_TOO_LONG', { ...HOLD, until: ts('2026-08-30 10:00') }],
    ['HOLD_TOO_LONG', { ...HOLD, until: ts('2026-03-01 10:00') }],
  ])('answers %s', (code, body) => {
    expect(given('SAL').refused('PutOnHold', body).code).toBe(code);
  });

  it('lasts up to 180 days and is nothing of earlier stages', () => {
    expect(given('SAL').do('PutOnHold', { ...HOLD, until: ts('2026-08-29 10:00') }).lead.onHold).not.toBeNull();
    expect(given('SAL').refused('ResumeFromHold').code).toBe('NOT_ON_HOLD');
    expect(given('LEAD').refused('PutOnHold', HOLD).code).toBe('INVALID_TRANSITION');
  });

  it('pauses the first contact and gives back what was left of it', () => {
    const lead = given('SAL').at('2026-03-03 10:00').do('PutOnHold', HOLD);
    expect(lead.types()).toEqual(['SlaWarningRaised', 'PutOnHold', 'SlaClockPaused']);
    expect(lead.data('SlaClockPaused')).toMatchObject({ reason: 'on_hold', consumedOpenS: 86_400 });
    expect(lead.at('2026-03-10 10:00').sweep().types()).toEqual([]);
    lead.do('ResumeFromHold');
    expect(lead.types()).toEqual(['ResumedFromHold', 'SlaClockResumed']);
    expect(lead.data('SlaClockResumed').newDueAt).toBe(ts('2026-03-11 10:00'));
    expect(lead.at('2026-03-11 10:00').sweep().types()).toEqual(['SlaBreached']);
  });

  it('does not save a promise broken already', () => {
    const lead = given('SAL').at('2026-03-04 10:00').do('PutOnHold', HOLD);
    expect(lead.types()).toEqual(['SlaBreached', 'PutOnHold']);
  });

  it('ends while the lead still asked for quiet: the promise waits on', () => {
    const lead = given('SAL')
      .do('PutOnHold', HOLD)
      .do('DeferContact', { until: ts('2026-03-09 10:00') });
    expect(lead.types()).toEqual(['ContactDeferred']);
    lead.at('2026-03-04 10:00').do('ResumeFromHold');
    expect(lead.types()).toEqual(['ResumedFromHold', 'SlaClockPaused']);
    expect(lead.at('2026-03-09 10:00').sweep().types()).toEqual(['SlaClockResumed']);
  });
});
