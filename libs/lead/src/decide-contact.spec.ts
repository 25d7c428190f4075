import { describe, expect, it } from '@jest/globals';
import { given, ts } from './given-when-then.js';
import { standingOutcome } from './sla-clocks.js';
import { leadStatus } from './state.js';

const CALL = { channel: 'phone', outcome: 'voicemail' };

describe('behaviour', () => {
  it('is recorded once under its id', () => {
    const lead = given('LEAD').do('RecordBehaviour', { kind: 'guide', behaviourId: 'b1' });
    expect(lead.types()).toEqual(['BehaviourRecorded']);
    expect(lead.do('RecordBehaviour', { kind: 'guide', behaviourId: 'b1' }).types()).toEqual([]);
    expect(lead.do('RecordBehaviour', { kind: 'guide' }).types()).toEqual(['BehaviourRecorded']);
  });

  it('must be of a known kind', () => {
    expect(given('LEAD').refused('RecordBehaviour', { kind: 'wink' }).code).toBe('UNKNOWN_BEHAVIOUR');
  });

  it('promotes a subscriber when it shows interest (T2), opening a mail does not', () => {
    const lead = given('SUBSCRIBER').do('RecordBehaviour', { kind: 'email_open' });
    expect(lead.types()).toEqual(['BehaviourRecorded']);
    lead.do('RecordBehaviour', { kind: 'pricing_page' });
    expect(lead.types()).toEqual(['BehaviourRecorded', 'PromotedToLead']);
    expect(lead.lead.state).toBe('LEAD');
  });

  it('promotes in the order of transitions, also when it arrives late', () => {
    const lead = given('SUBSCRIBER').at('2026-03-03 10:00');
    lead.do('RecordBehaviour', { kind: 'guide', occurredAt: ts('2026-03-01 09:00') });
    expect(lead.data('BehaviourRecorded').occurredAt).toBe(ts('2026-03-01 09:00'));
    expect(lead.data('PromotedToLead').occurredAt).toBe(ts('2026-03-02 10:00'));
  });

  it('to unsubscribe withdraws consent too', () => {
    const lead = given('LEAD').do('RecordBehaviour', { kind: 'unsubscribe' });
    expect(lead.types()).toEqual(['BehaviourRecorded', 'ConsentWithdrawn']);
    expect(lead.lead.consents.get('email_marketing')).toBe('withdrawn');
  });
});

it('consent is for a known purpose', () => {
  const lead = given('LEAD').do('RecordConsent', { purpose: 'profiling', basis: 'consent' });
  expect(lead.lead.consents.get('profiling')).toBe('granted');
  expect(lead.do('WithdrawConsent', { purpose: 'profiling' }).lead.consents.get('profiling')).toBe('withdrawn');
  expect(lead.refused('RecordConsent', { purpose: 'all', basis: 'consent' }).code).toBe('CONSENT_INVALID');
  expect(lead.refused('WithdrawConsent', { purpose: 'all' }).code).toBe('CONSENT_INVALID');
});

describe('a contact attempt', () => {
  it.each([
    [{ channel: 'phone', outcome: 'voicemail' }, true],
    [{ channel: 'email', outcome: 'sent' }, true],
    [{ channel: 'email', outcome: 'sent', oneToOne: false }, false],
    [{ channel: 'email', outcome: 'sent', automated: true }, false],
    [{ channel: 'phone', outcome: 'wrong_person' }, false],
    [{ channel: 'email', outcome: 'bounced' }, false],
    [{ channel: 'phone', outcome: 'connected', qualifies: false }, false],
    [{ channel: 'email', outcome: 'sent', automated: true, qualifies: true }, false],
  ])('%j counts as contact: %s', (attempt, qualifies) => {
    const lead = given('SAL').do('LogContactAttempt', attempt);
    expect(lead.data('ContactAttempted').qualifies).toBe(qualifies);
    expect(lead.types().includes('SlaClockStopped')).toBe(qualifies);
  });

  it('is recorded once under its id', () => {
    const lead = given('SAL').do('LogContactAttempt', { ...CALL, attemptId: 'a1' });
    expect(lead.do('LogContactAttempt', { ...CALL, attemptId: 'a1' }).types()).toEqual([]);
  });

  it('needs that the person has not said no to the channel', () => {
    const lead = given('SAL').do('WithdrawConsent', { purpose: 'phone' });
    expect(lead.refused('LogContactAttempt', CALL).code).toBe('NO_CONSENT');
    lead.do('WithdrawConsent', { purpose: 'email_marketing' });
    const newsletter = { channel: 'email', outcome: 'sent', oneToOne: false };
    expect(lead.refused('LogContactAttempt', newsletter).code).toBe('NO_CONSENT');
    expect(lead.do('LogContactAttempt', { channel: 'email', outcome: 'sent' }).lead.attempts).toHaveLength(1);
  });

  it('only stops the clock when it connected, where the pipeline says so', () => {
    const lead = given('SAL').underPipeline({ firstContactStop: 'connected' });
    lead.do('LogContactAttempt', CALL);
    const firstContact = () => [...lead.lead.clocks.values()].find(({ clockType }) => clockType === 'first_contact');
    expect(firstContact()?.status).toBe('running');
    lead.do('LogContactAttempt', { channel: 'phone', outcome: 'connected' });
    expect(firstContact()?.status).toBe('stopped');
  });

  it('exhausts the agreed sequence at its last step, once, when nobody answered', () => {
    const lead = given('SAL');
    const steps = ['phone', 'email', 'phone', 'email', 'social'];
    for (const channel of steps) lead.do('LogContactAttempt', { channel, outcome: 'sent' });
    expect(lead.all('ContactSequenceExhausted')).toEqual([]);
    lead.do('LogContactAttempt', { channel: 'message', outcome: 'sent' });
    expect(lead.data('ContactSequenceExhausted')).toMatchObject({
      sequenceId: 'standard',
      attemptsMade: 6,
      responses: 0,
    });
    lead.do('LogContactAttempt', { channel: 'message', outcome: 'sent' });
    expect(lead.types()).toEqual(['ContactAttempted']);
  });

  it('does not exhaust the sequence without its two phone calls, nor after an answer', () => {
    const lead = given('SAL');
    for (let i = 0; i < 7; i++) lead.do('LogContactAttempt', { channel: 'email', outcome: 'sent' });
    expect(lead.all('ContactSequenceExhausted')).toEqual([]);
    lead.do('LogResponse', { channel: 'email' });
    lead.do('LogContactAttempt', CALL).do('LogContactAttempt', CALL);
    expect(lead.all('ContactSequenceExhausted')).toEqual([]);
  });
});

describe('two-way communication (T3)', () => {
  it('makes a prospect of a lead at the first answer, and only then', () => {
    const lead = given('LEAD').do('LogResponse', { channel: 'email', occurredAt: ts('2026-03-02 10:00') });
    expect(lead.types()).toEqual(['LeadResponded', 'BecameProspect']);
    expect(lead.data('BecameProspect')).toMatchObject({
      fromState: 'LEAD',
      toState: 'PROSPECT',
      stageVisitNo: 2,
      evidenceEventId: lead.idOf('LeadResponded'),
    });
    expect(lead.do('LogResponse', { channel: 'email' }).types()).toEqual(['LeadResponded', 'LeadScored']);
  });

  it('is a dated fact and no visit in later states', () => {
    const lead = given('SAL').do('LogMeeting', { outcome: 'unsuccessful' });
    expect(lead.data('BecameProspect')).toMatchObject({ fromState: 'SAL', toState: 'SAL', stageVisitNo: 3 });
    expect(lead.lead).toMatchObject({ state: 'SAL', twoWaySinceMs: lead.nowMs });
    expect(lead.lead.visits).toHaveLength(3);
  });

  it('does not come from a meeting that nobody attended', () => {
    const lead = given('LEAD').do('LogMeeting', { outcome: 'no_show' });
    expect(lead.types()).toEqual(['MeetingHeld']);
    expect(lead.lead.responses).toEqual([]);
  });

  it('with an opt-out withdraws consent', () => {
    const lead = given('SAL').do('LogResponse', { channel: 'phone', sentiment: 'opt_out' });
    expect(lead.types()).toEqual(['LeadResponded', 'ConsentWithdrawn', 'BecameProspect']);
    expect(lead.data('ConsentWithdrawn').purpose).toBe('phone');
  });
});

describe('meetings', () => {
  it('are booked ahead and held as booked', () => {
    const lead = given('SAL').do('BookMeeting', { at: ts('2026-03-05 15:00'), kind: 'demo', meetingId: 'm1' });
    lead.at('2026-03-05 16:00').do('LogMeeting', { outcome: 'successful' });
    expect(lead.data('MeetingHeld').meetingId).toBe('m1');
    expect(lead.lead.meetings).toEqual([
      { meetingId: 'm1', kind: 'demo', held: { atMs: lead.nowMs, revision: 10, successful: true } },
    ]);
    expect(lead.refused('BookMeeting', { at: ts('2026-03-05 15:00') }).code).toBe('MEETING_TIME_INVALID');
  });
});

describe('a deferral', () => {
  it('asked for by the lead pauses the first contact until then', () => {
    const lead = given('SAL').do('DeferContact', { until: ts('2026-03-09 10:00') });
    expect(lead.types()).toEqual(['ContactDeferred', 'SlaClockPaused']);
    lead.at('2026-03-09 11:00').sweep();
    expect(lead.types()).toEqual(['SlaClockResumed']);
    expect(lead.data('SlaClockResumed')).toMatchObject({
      occurredAt: ts('2026-03-09 10:00'),
      newDueAt: ts('2026-03-11 10:00'),
    });
  });

  it('asked for by sales pauses nothing', () => {
    const lead = given('SAL').do('DeferContact', { until: ts('2026-03-09 10:00'), requestedBy: 'sales' });
    expect(lead.types()).toEqual(['ContactDeferred']);
    expect(lead.refused('DeferContact', { until: ts('2026-03-02 09:00') }).code).toBe('MEETING_TIME_INVALID');
  });

  it('before the acceptance keeps the promise waiting from its start', () => {
    const lead = given('MQL').do('DeferContact', { until: ts('2026-03-09 10:00') });
    lead.do('AcceptLead');
    expect(lead.types()).toEqual(['AcceptedBySales', 'SlaClockStopped', 'SlaClockStarted', 'SlaClockPaused']);
  });
});

describe('first contact', () => {
  it('in time is met, 24 h warns and 48 h breaches', () => {
    const lead = given('SAL').at('2026-03-03 10:00').sweep();
    expect(lead.data('SlaWarningRaised')).toMatchObject({ level: 1, atTs: ts('2026-03-03 10:00') });
    lead.at('2026-03-04 10:00').do('LogContactAttempt', CALL);
    expect(lead.data('SlaClockStopped')).toMatchObject({
      outcome: 'met',
      elapsedOpenS: 172_800,
      byEventId: lead.idOf('ContactAttempted'),
    });
  });

  it('too late breaches on write and stops late, whether or not a sweeper ran', () => {
    const lead = given('SAL').at('2026-03-04 10:30').do('LogContactAttempt', CALL);
    expect(lead.types()).toEqual(['SlaBreached', 'ContactAttempted', 'SlaClockStopped', 'SlaClockStarted']);
    expect(lead.data('SlaBreached')).toMatchObject({
      dueAt: ts('2026-03-04 10:00'),
      detectedBy: 'settle_on_write',
      detectionLagS: 1800,
    });
    expect(lead.data('SlaClockStopped')).toMatchObject({ outcome: 'late', overdueWallS: 1800 });
  });

  it('that happened in time but is logged late raises no breach, or takes it back', () => {
    const timely = { ...CALL, occurredAt: ts('2026-03-04 09:00') };
    const unswept = given('SAL').at('2026-03-04 12:00').do('LogContactAttempt', timely);
    expect(unswept.types()).toEqual(['ContactAttempted', 'SlaClockStopped', 'SlaClockStarted']);
    expect(unswept.data('SlaClockStopped').outcome).toBe('met');

    const swept = given('SAL').at('2026-03-04 11:00').sweep();
    expect(swept.types()).toEqual(['SlaBreached']);
    swept.at('2026-03-04 12:00').do('LogContactAttempt', timely);
    expect(swept.types()).toEqual(['ContactAttempted', 'SlaBreachRetracted', 'SlaClockStopped', 'SlaClockStarted']);
    const outcome = ({ lead }: typeof swept) =>
      standingOutcome([...lead.clocks.values()].find(({ clockType }) => clockType === 'first_contact')!);
    expect([outcome(unswept), outcome(swept)]).toEqual(['met', 'met']);
  });

  it('logged after the grace is stored, but the breach stands', () => {
    const lead = given('SAL').at('2026-03-05 10:01');
    lead.do('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-04 09:00') });
    expect(lead.types().slice(0, 4)).toEqual(['SlaBreached', 'SlaEscalated', 'ContactAttempted', 'SlaClockStopped']);
    expect(lead.data('SlaClockStopped').outcome).toBe('evidence_too_late');
  });

  it('already made between offer and acceptance is started and met in one append', () => {
    const lead = given('MQL')
      .at('2026-03-02 11:00')
      .do('LogContactAttempt', CALL)
      .at('2026-03-02 12:00')
      .do('AcceptLead');
    expect(lead.types()).toEqual(['AcceptedBySales', 'SlaClockStopped', 'SlaClockStarted', 'SlaClockStopped']);
    expect(lead.all('SlaClockStopped').at(-1)).toMatchObject({
      outcome: 'met',
      elapsedOpenS: 0,
      byEventId: lead.idOf('ContactAttempted'),
    });
  });

  it('made before the offer keeps no promise', () => {
    const lead = given('MQL').at('2026-03-02 12:00').do('AcceptLead');
    lead.do('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-02 09:00') });
    expect(lead.types()).toEqual(['ContactAttempted']);
  });
});

describe('after the sale', () => {
  it('the follow-up stops its clock', () => {
    const lead = given('CUSTOMER')
      .at('2026-03-10 10:00')
      .do('LogPostSaleFollowUp', { channel: 'phone', satisfaction: 9 });
    expect(lead.types()).toEqual(['PostSaleFollowUpLogged', 'SlaClockStopped']);
    expect(lead.data('SlaClockStopped').outcome).toBe('met');
    lead.do('RecordFeedback', { about: 'product', rating: 8 });
    expect(lead.types()).toEqual(['CustomerFeedbackRecorded']);
  });

  it('is a customer’s', () => {
    expect(given('SQL').refused('LogPostSaleFollowUp', { channel: 'phone' }).code).toBe('NOT_A_CUSTOMER');
    expect(given('SQL').refused('RecordFeedback', { about: 'product', rating: 1 }).code).toBe('NOT_A_CUSTOMER');
  });
});

it('the lead status follows from the facts', () => {
  const status = (stage: Parameters<typeof given>[0]) => leadStatus(given(stage).lead);
  expect(status('LEAD')).toBe('open');
  expect(status('PROSPECT')).toBe('connected');
  expect(status('SAL')).toBe('new');
  expect(status('CUSTOMER')).toBe('customer');
  expect(status('RECYCLED')).toBe('recycled_not_ready');
  expect(leadStatus(given('MQL').do('RejectLead', { reasonCode: 'bad_data' }).lead)).toBe('returned_rejected');
  expect(leadStatus(given('SAL').do('LogContactAttempt', CALL).lead)).toBe('attempting');
  expect(leadStatus(given('SAL').do('LogContactAttempt', CALL).do('LogResponse', { channel: 'phone' }).lead)).toBe(
    'connected',
  );
  expect(leadStatus(given('SAL').do('PutOnHold', { reasonCode: 'legal_review' }).lead)).toBe('on_hold');
});
