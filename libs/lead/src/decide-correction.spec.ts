import { describe, expect, it } from '@jest/globals';
import { EUR, given, person, type Stage, type Scenario, ts } from './given-when-then.js';
import { standingOutcome } from './sla-clocks.js';

const latest = (lead: Scenario) => lead.lead.latestTransition!.eventId;
const voiding = (lead: Scenario, more: object = {}) => ({
  eventId: latest(lead),
  reason: 'wrong lead',
  approvedBy: 'boss',
  ...more,
});

describe('voiding a transition (T23)', () => {
  it('gives back the state before, its visit and its clocks', () => {
    const lead = given('MQL');
    const before = lead.lead;
    lead.at('2026-03-02 12:00').do('AcceptLead');
    const accepted = latest(lead);
    lead.at('2026-03-02 13:00').do('VoidTransition', { eventId: accepted, reason: 'wrong lead' });
    expect(lead.types()).toEqual(['TransitionVoided', 'SlaClockCancelled']);
    const [responseClock] = [...before.clocks.keys()];
    expect(lead.data('TransitionVoided')).toMatchObject({
      fromState: 'SAL',
      toState: 'MQL',
      restoredState: 'MQL',
      cycleNo: 1,
      stageVisitNo: 2,
      voidedEventId: accepted,
      voidedOccurredAt: ts('2026-03-02 12:00'),
      reopenedClockIds: [responseClock],
    });
    expect(lead.data('SlaClockCancelled').reason).toBe('voided');
    expect(lead.lead).toMatchObject({
      state: 'MQL',
      openHandoff: before.openHandoff,
      ownerId: null,
      visits: before.visits,
    });
    expect(lead.lead.clocks.get(responseClock!)?.status).toBe('running');
    lead.do('AcceptLead', {}, person('sales', 'zoe'));
    expect(lead.lead).toMatchObject({ state: 'SAL', ownerId: 'zoe' });
  });

  it.each<Stage>([
    'PROSPECT',
    'MQL',
    'SAL',
    'SQL',
    'OPPORTUNITY',
    'CUSTOMER',
    'LOST',
    'RECYCLED',
    'DISQUALIFIED',
    'JUNK',
  ])('of %s restores state, cycle, deal, owner and offer as they were', (stage) => {
    const lead = given(stage);
    const before = lead.lead.latestTransition!.before;
    lead.do('VoidTransition', voiding(lead));
    const { state, cycleNo, deal, ownerId, teamId, openHandoff, onHold, twoWaySinceMs } = before;
    expect(lead.lead).toMatchObject({ state, cycleNo, deal, ownerId, teamId, openHandoff, onHold, twoWaySinceMs });
    expect(lead.lead.visits.at(-1)).toMatchObject({ state, exitedAtMs: null });
    expect(lead.refold()).toEqual(lead.lead);
  });

  it('goes back across cycles', () => {
    const lead = given('RECYCLED').do('MarkMQL', { reason: 'again' });
    expect(lead.lead.cycleNo).toBe(2);
    lead.do('VoidTransition', voiding(lead));
    expect(lead.lead).toMatchObject({ state: 'RECYCLED', cycleNo: 1, openHandoff: null });
    const clocks = [...lead.lead.clocks.values()].map(({ clockType, status }) => [clockType, status]);
    expect(clocks).toContainEqual(['recycle_reengagement', 'running']);
    expect(clocks.filter(([type, status]) => type === 'handoff_response' && status === 'running')).toEqual([]);
  });

  it('takes the deal’s changes along that were made in the meantime', () => {
    const lead = given('OPPORTUNITY').do('ReturnToQualification', { reasonCode: 'value_unverified' });
    lead.do('ChangeDealAmount', { amount: EUR(70_000), reason: 'counted anew' }).do('VoidTransition', voiding(lead));
    expect(lead.lead).toMatchObject({ state: 'OPPORTUNITY', deal: { status: 'open', amount: EUR(70_000) } });
  });

  it('brings back a hold that the voided transition had ended, with its paused clock', () => {
    const lead = given('SAL').do('PutOnHold', { reasonCode: 'legal_review' });
    lead.do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }).do('VoidTransition', voiding(lead));
    expect(lead.lead.onHold).toMatchObject({ reasonCode: 'legal_review' });
    expect([...lead.lead.clocks.values()].map(({ status }) => status)).toEqual(['stopped', 'paused', 'cancelled']);
  });

  it('takes back the breach of a promise that never was', () => {
    const lead = given('SAL').at('2026-03-04 12:00').sweep();
    lead.do('VoidTransition', voiding(lead));
    expect(lead.types()).toEqual(['TransitionVoided', 'SlaBreachRetracted', 'SlaClockCancelled']);
    expect(lead.data('SlaBreachRetracted').reason).toBe('voided_transition');
  });

  it('reopens only what the transition had stopped, not what it had started itself', () => {
    const lead = given('MQL').do('LogContactAttempt', { channel: 'phone', outcome: 'connected' }).do('AcceptLead');
    const { clockId } = lead.all('SlaClockStarted')[0]!;
    lead.do('VoidTransition', voiding(lead));
    expect(lead.data('TransitionVoided').reopenedClockIds).toEqual([clockId]);
    expect([...lead.lead.clocks.values()].map(({ status }) => status)).toEqual(['running', 'cancelled']);
  });

  it('is of the latest transition only, and never of the capture', () => {
    const lead = given('SAL');
    expect(lead.refused('VoidTransition', voiding(lead, { eventId: lead.idOf('MarkedMQL') })).code).toBe(
      'NOT_LATEST_TRANSITION',
    );
    expect(lead.refused('VoidTransition', voiding(lead, { eventId: 'nothing' })).code).toBe('UNKNOWN_EVENT');
    expect(given('LEAD').refused('VoidTransition', { eventId: 'c1/0', reason: 'x' }).code).toBe(
      'NOT_LATEST_TRANSITION',
    );
    lead.do('VoidTransition', voiding(lead)).do('VoidTransition', voiding(lead));
    expect(lead.lead.state).toBe('LEAD');
  });

  it('from SQL on takes a second person', () => {
    const lead = given('SQL');
    expect(lead.refused('VoidTransition', voiding(lead, { approvedBy: undefined })).code).toBe(
      'SECOND_APPROVER_REQUIRED',
    );
    expect(lead.refused('VoidTransition', voiding(lead, { approvedBy: 'ops' })).code).toBe('SECOND_APPROVER_REQUIRED');
    expect(lead.do('VoidTransition', voiding(lead)).lead.state).toBe('SAL');
  });

  it('is for ops', () => {
    const lead = given('SAL');
    expect(lead.refused('VoidTransition', voiding(lead), person('sales')).code).toBe('FORBIDDEN_ROLE');
  });
});

describe('correcting a time', () => {
  it('keeps the order of transitions', () => {
    const lead = given('LEAD')
      .at('2026-03-03 10:00')
      .do('MarkMQL', { reason: 'x' })
      .at('2026-03-04 10:00')
      .do('AcceptLead');
    const body = { eventId: lead.idOf('MarkedMQL'), reason: 'typed wrong', approvedBy: 'boss' };
    expect(lead.refused('CorrectOccurredAt', { ...body, new: ts('2026-03-04 10:01') }).code).toBe('OUT_OF_ORDER');
    expect(lead.refused('CorrectOccurredAt', { ...body, new: ts('2026-03-02 09:59') }).code).toBe('OUT_OF_ORDER');
    lead.do('CorrectOccurredAt', { ...body, new: ts('2026-03-02 18:00') });
    expect(lead.data('OccurredAtCorrected')).toMatchObject({
      old: ts('2026-03-03 10:00'),
      new: ts('2026-03-02 18:00'),
    });
    expect(lead.lead.visits.map(({ enteredAtMs, exitedAtMs }) => [enteredAtMs, exitedAtMs])).toEqual([
      [Date.parse(ts('2026-03-02 10:00')), Date.parse(ts('2026-03-02 18:00'))],
      [Date.parse(ts('2026-03-02 18:00')), Date.parse(ts('2026-03-04 10:00'))],
      [Date.parse(ts('2026-03-04 10:00')), null],
    ]);
  });

  it('moves a fact, within 90 days and not ahead', () => {
    const lead = given('SAL').do('LogContactAttempt', { channel: 'phone', outcome: 'voicemail' });
    const body = { eventId: lead.idOf('ContactAttempted'), reason: 'typed wrong', approvedBy: 'boss' };
    lead.do('CorrectOccurredAt', { ...body, new: ts('2026-03-01 10:00') });
    expect(lead.lead.attempts[0]!.atMs).toBe(Date.parse(ts('2026-03-01 10:00')));
    expect(lead.refused('CorrectOccurredAt', { ...body, new: ts('2026-03-03 10:00') }).code).toBe('OCCURRED_IN_FUTURE');
    expect(lead.refused('CorrectOccurredAt', { ...body, new: ts('2025-11-01 10:00') }).code).toBe(
      'BACKDATE_LIMIT_EXCEEDED',
    );
    expect(lead.refused('CorrectOccurredAt', { ...body, eventId: 'x', new: ts('2026-03-01 10:00') }).code).toBe(
      'UNKNOWN_EVENT',
    );
  });
});

describe('retracting a breach by hand', () => {
  it('takes evidence and a second person', () => {
    const lead = given('SAL').at('2026-03-06 10:00').sweep();
    lead.do('LogContactAttempt', { channel: 'phone', outcome: 'connected', occurredAt: ts('2026-03-04 09:00') });
    const { clockId } = lead.all('SlaBreached')[0]!;
    const body = { clockId, evidenceEventId: lead.idOf('ContactAttempted'), approvedBy: 'boss' };
    expect(standingOutcome(lead.lead.clocks.get(clockId)!)).toBe('breached');
    expect(lead.refused('RetractBreach', { ...body, approvedBy: 'ops' }).code).toBe('SECOND_APPROVER_REQUIRED');
    expect(lead.refused('RetractBreach', { ...body, evidenceEventId: 'x' }).code).toBe('UNKNOWN_EVIDENCE');
    expect(lead.refused('RetractBreach', { ...body, clockId: 'x' }).code).toBe('UNKNOWN_CLOCK');
    lead.do('RetractBreach', body);
    expect(standingOutcome(lead.lead.clocks.get(clockId)!)).toBe('met');
    expect(lead.refused('RetractBreach', body).code).toBe('UNKNOWN_CLOCK');
  });
});
