import { describe, expect, it } from '@jest/globals';
import { standardAgreement } from '#libs/policy/src/defaults.js';
import { given, Scenario, ts, YES } from './given-when-then.js';
import { standingOutcome } from './sla-clocks.js';

/** Accepted on Monday 2026-03-02 at 10:00; the office is open from 9 to 17, a gap between attempts is at most 16 of its hours. */
const CALL = { channel: 'phone', outcome: 'no_answer' };
const cadences = ({ lead }: Scenario) =>
  [...lead.clocks.values()].filter(({ clockType }) => clockType === 'contact_cadence');
const outcomes = (lead: Scenario) => cadences(lead).map((clock) => standingOutcome(clock));

describe('an attempt that nobody answered', () => {
  it('promises the next within 16 office hours, by its own time', () => {
    const lead = given('SAL')
      .at('2026-03-02 15:00')
      .do('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-02 14:00') });
    expect(lead.types()).toEqual(['ContactAttempted', 'SlaClockStopped', 'SlaClockStarted']);
    // 3 h on Monday, 8 h on Tuesday, 5 h on Wednesday.
    expect(lead.data('SlaClockStarted')).toMatchObject({
      clockType: 'contact_cadence',
      startedAt: ts('2026-03-02 14:00'),
      dueAt: ts('2026-03-04 14:00'),
      targetOpenS: 16 * 3600,
      stepNo: 2,
      teamId: 'sales',
      ownerId: 'sam',
    });
  });

  it('is followed in time, or late', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL).at('2026-03-04 10:00').do('LogContactAttempt', CALL);
    expect(lead.types()).toEqual(['ContactAttempted', 'SlaClockStopped', 'SlaClockStarted']);
    expect(lead.data('SlaClockStopped')).toMatchObject({ outcome: 'met', elapsedOpenS: 16 * 3600 });
    lead.at('2026-03-06 10:00').sweep();
    expect(lead.data('SlaBreached')).toMatchObject({ clockType: 'contact_cadence', dueAt: ts('2026-03-06 10:00') });
    lead.at('2026-03-06 12:00').do('LogContactAttempt', CALL);
    expect(lead.data('SlaClockStopped')).toMatchObject({ outcome: 'late', overdueWallS: 7200 });
    expect(outcomes(lead)).toEqual(['met', 'breached', 'pending']);
  });

  it('needs no other when the person answers, at once or later', () => {
    const answered = given('SAL').do('LogContactAttempt', { channel: 'phone', outcome: 'connected' });
    expect(cadences(answered)).toEqual([]);
    const later = given('SAL')
      .do('LogContactAttempt', CALL)
      .at('2026-03-03 10:00')
      .do('LogResponse', { channel: 'phone' });
    expect(later.types()).toEqual(['LeadResponded', 'SlaClockStopped', 'BecameProspect']);
    expect(outcomes(later)).toEqual(['met']);
    later.do('LogContactAttempt', CALL);
    expect(later.types()).toEqual(['ContactAttempted']);
    const met = given('SAL').do('LogContactAttempt', CALL).do('LogMeeting', { outcome: 'unsuccessful' });
    expect(outcomes(met)).toEqual(['met']);
    const missed = given('SAL').do('LogContactAttempt', CALL).do('LogMeeting', { outcome: 'no_show' });
    expect(outcomes(missed)).toEqual(['pending']);
  });

  it('needs no other once the lead is an SQL, or is returned', () => {
    const sql = given('SAL').do('LogContactAttempt', CALL).at('2026-03-03 10:00').do('MarkSQL', { qualification: YES });
    expect(outcomes(sql)).toEqual(['met']);
    expect(sql.data('MarkedSQL').clocks?.stopped).toEqual([cadences(sql)[0]!.clockId]);
    const late = given('SAL')
      .do('LogContactAttempt', CALL)
      .at('2026-03-04 11:00')
      .do('MarkSQL', { qualification: YES });
    expect(outcomes(late)).toEqual(['breached']);
    sql.do('LogContactAttempt', CALL);
    expect(cadences(sql)).toHaveLength(1);
    const recycled = given('SAL').do('LogContactAttempt', CALL);
    recycled.do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' });
    expect(outcomes(recycled)).toEqual(['cancelled']);
  });

  it('promises nothing before the acceptance, when it does not count, or when it is logged after a newer one', () => {
    expect(cadences(given('MQL').do('LogContactAttempt', CALL))).toEqual([]);
    expect(cadences(given('SAL').do('LogContactAttempt', { channel: 'email', outcome: 'bounced' }))).toEqual([]);
    const lead = given('SAL').at('2026-03-03 12:00').do('LogContactAttempt', CALL);
    lead.do('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-03 09:00') });
    expect(cadences(lead).map(({ startedAtMs }) => startedAtMs)).toEqual([Date.parse(ts('2026-03-03 12:00'))]);
  });

  it('was followed in time although it was logged late, swept or not', () => {
    const timely = { ...CALL, occurredAt: ts('2026-03-04 09:30') };
    const all = [false, true].map((swept) => {
      const lead = given('SAL').do('LogContactAttempt', CALL).at('2026-03-04 12:00');
      if (swept) lead.sweep();
      return outcomes(lead.do('LogContactAttempt', timely));
    });
    expect(all).toEqual([
      ['met', 'pending'],
      ['met', 'pending'],
    ]);
  });

  it('waits with its promise while the lead is on hold, or has asked for quiet', () => {
    const lead = given('SAL')
      .do('LogContactAttempt', CALL)
      .at('2026-03-03 10:00')
      .do('PutOnHold', { reasonCode: 'legal_review' });
    lead.at('2026-03-20 10:00').sweep();
    expect(lead.types()).toEqual([]);
    lead.do('ResumeFromHold');
    // 8 of 16 hours are left: Friday 10:00 and 7 h, Monday 1 h.
    expect(lead.data('SlaClockResumed').newDueAt).toBe(ts('2026-03-23 10:00'));
    const held = given('SAL').do('PutOnHold', { reasonCode: 'legal_review' }).do('LogContactAttempt', CALL);
    expect(cadences(held)[0]?.status).toBe('paused');
    expect(cadences(held.do('ResumeFromHold'))[0]?.status).toBe('running');
    const quiet = given('SAL')
      .do('DeferContact', { until: ts('2026-03-09 10:00') })
      .do('LogContactAttempt', CALL);
    expect(cadences(quiet)[0]).toMatchObject({ status: 'paused', pausedUntilMs: Date.parse(ts('2026-03-09 10:00')) });
  });

  it('is not to be followed by another when the person has withdrawn its consent', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL).do('WithdrawConsent', { purpose: 'phone' });
    expect(lead.types()).toEqual(['ConsentWithdrawn', 'SlaClockCancelled']);
  });
});

describe('a sequence', () => {
  it('ends with its sixth step: no further promise, and the lead may be returned as unresponsive', () => {
    const lead = given('SAL');
    ['phone', 'email', 'phone', 'email', 'social'].forEach((channel, i) =>
      lead.at(`2026-03-0${2 + i} 11:00`).do('LogContactAttempt', { channel, outcome: 'sent' }),
    );
    const give_up = { reasonCode: 'unresponsive', nurtureTrackId: 't' };
    expect(lead.refused('RecycleLead', give_up).code).toBe('SEQUENCE_NOT_EXHAUSTED');
    lead.at('2026-03-07 11:00').do('LogContactAttempt', { channel: 'message', outcome: 'sent' });
    expect(lead.types()).toEqual(['ContactAttempted', 'SlaClockStopped', 'ContactSequenceExhausted']);
    expect(lead.data('ContactSequenceExhausted')).toMatchObject({
      sequenceId: 'standard',
      attemptsMade: 6,
      responses: 0,
    });
    expect(new Set(outcomes(lead))).toEqual(new Set(['met']));
    expect(lead.do('RecycleLead', give_up).lead.state).toBe('RECYCLED');
  });

  it('goes on while the channels it asks for are missing', () => {
    const lead = given('SAL');
    for (let i = 0; i < 6; i++) lead.do('LogContactAttempt', { channel: 'email', outcome: 'sent' });
    expect(lead.all('ContactSequenceExhausted')).toEqual([]);
    expect(outcomes(lead).at(-1)).toBe('pending');
  });

  it('may be started by hand, before the acceptance too, and promises its first step', () => {
    const lead = given('PROSPECT').do('StartContactSequence', { sequenceId: 'standard' });
    expect(lead.types()).toEqual(['ContactSequenceStarted', 'SlaClockStarted']);
    expect(lead.data('ContactSequenceStarted')).toMatchObject({ agreementVersion: 1, attemptsPlanned: 6 });
    expect(lead.data('SlaClockStarted')).toMatchObject({ clockType: 'contact_cadence', stepNo: 1 });
    expect(lead.do('StartContactSequence').types()).toEqual([]);
    lead.at('2026-03-03 10:00').do('LogContactAttempt', CALL);
    expect(lead.types()).toEqual(['ContactAttempted', 'SlaClockStopped', 'SlaClockStarted']);
    lead.do('LogResponse', { channel: 'phone' });
    expect(outcomes(lead)).toEqual(['met', 'met']);
    // Answered: it may be started anew, and counts from there.
    expect(lead.do('StartContactSequence').types()).toEqual(['ContactSequenceStarted', 'SlaClockStarted']);
  });

  it('is one of the agreement', () => {
    const refusal = given('SAL').refused('StartContactSequence', { sequenceId: 'gentle' });
    expect([refusal.code, refusal.facts.known]).toEqual(['UNKNOWN_SEQUENCE', ['standard']]);
    const held = given('SAL').do('PutOnHold', { reasonCode: 'legal_review' });
    expect(held.refused('StartContactSequence').code).toBe('LEAD_ON_HOLD');
  });

  it('without any in the agreement nothing is promised', () => {
    const lead = given('SAL');
    const next = { occurredAt: ts('2026-03-02 10:00'), version: 2 };
    lead.configured('agreement-standard', 'AgreementDrafted', { ...standardAgreement, ...next, sequences: [] });
    lead.configured('agreement-standard', 'AgreementActivated', { ...next, effectiveFrom: next.occurredAt });
    expect(lead.do('LogContactAttempt', CALL).types()).toEqual(['ContactAttempted', 'SlaClockStopped']);
  });
});
