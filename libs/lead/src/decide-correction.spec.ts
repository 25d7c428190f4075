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
    // The contact stopped the clock too late: it is the evidence that nobody has to name.
    lead.do('RetractBreach', { clockId, approvedBy: 'boss' });
    expect(lead.data('SlaBreachRetracted').evidenceEventId).toBe(body.evidenceEventId);
    expect(standingOutcome(lead.lead.clocks.get(clockId)!)).toBe('met');
    expect(lead.refused('RetractBreach', body).code).toBe('UNKNOWN_CLOCK');
  });

  it('is a manager’s only within the grace after the deadline', () => {
    const manager = { type: 'user', id: 'maria', role: 'sales_manager', teams: ['sales'] } as const;
    const breached = () => {
      const lead = given('SAL').at('2026-03-05 09:00').sweep();
      const { clockId, dueAt } = lead.all('SlaBreached')[0]!;
      const body = { clockId, evidenceEventId: lead.idOf('AcceptedBySales'), approvedBy: 'boss' };
      return { lead, body, graceEndsMs: Date.parse(dueAt) + 86_400_000 };
    };
    const minute = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
    const early = breached();
    early.lead.at(minute(early.graceEndsMs)).do('RetractBreach', early.body, manager);
    expect(early.lead.types()).toContain('SlaBreachRetracted');
    const late = breached();
    late.lead.at(minute(late.graceEndsMs + 60_000));
    expect(late.lead.refused('RetractBreach', late.body, manager).code).toBe('GRACE_EXPIRED');
    late.lead.do('RetractBreach', late.body);
    expect(late.lead.types()).toContain('SlaBreachRetracted');
  });
});

describe('a corrected time moves the promises that hang on it (spec §9.5)', () => {
  const CALL = { channel: 'phone', outcome: 'connected' };
  const firstContact = ({ lead }: Scenario) =>
    [...lead.clocks.values()].find((one) => one.clockType === 'first_contact')!;
  const correct = (lead: Scenario, type: Parameters<Scenario['idOf']>[0], time: string) =>
    lead.do('CorrectOccurredAt', {
      eventId: lead.idOf(type),
      new: ts(time),
      reason: 'typed wrong',
      approvedBy: 'boss',
    });

  it('the deadline, when it was the start', () => {
    const lead = given('MQL').at('2026-03-03 12:00').do('AcceptLead');
    expect(firstContact(lead).dueAtMs).toBe(Date.parse(ts('2026-03-05 12:00')));
    correct(lead, 'AcceptedBySales', '2026-03-03 10:00');
    // The offer's promise was stopped by the same acceptance: 16:00 of 17:00 is kept either way.
    expect(lead.data('SlaClockRebased')).toMatchObject({
      oldDueAt: ts('2026-03-05 12:00'),
      newDueAt: ts('2026-03-05 10:00'),
      newWarnAt: ts('2026-03-04 10:00'),
      newStartedAt: ts('2026-03-03 10:00'),
      approvedBy: 'boss',
    });
    expect(lead.at('2026-03-05 10:00').sweep().types()).toContain('SlaBreached');
  });

  it('at once broken, when the corrected deadline has passed', () => {
    const lead = given('MQL').at('2026-03-04 12:00').do('AcceptLead');
    correct(lead.at('2026-03-04 13:00'), 'AcceptedBySales', '2026-03-02 11:00');
    expect(lead.types()).toEqual([
      'OccurredAtCorrected',
      'SlaBreachRetracted',
      'SlaClockStopped',
      'SlaClockRebased',
      'SlaBreached',
    ]);
    expect(lead.at('2026-03-04 13:01').sweep().types()).toEqual([]);
  });

  it('kept or broken, when it was the end', () => {
    const late = given('SAL').at('2026-03-04 12:00').do('LogContactAttempt', CALL);
    expect(standingOutcome(firstContact(late))).toBe('breached');
    correct(late, 'ContactAttempted', '2026-03-04 09:00');
    expect(late.types()).toEqual(['OccurredAtCorrected', 'SlaBreachRetracted', 'SlaClockStopped']);
    expect(late.data('SlaBreachRetracted')).toMatchObject({ reason: 'late_evidence', approvedBy: 'boss' });
    expect(standingOutcome(firstContact(late))).toBe('met');

    const timely = given('SAL').at('2026-03-04 09:00').do('LogContactAttempt', CALL);
    correct(timely.at('2026-03-04 15:00'), 'ContactAttempted', '2026-03-04 11:00');
    expect(timely.types()).toEqual(['OccurredAtCorrected', 'SlaBreached', 'SlaClockStopped']);
    expect(timely.data('SlaClockStopped')).toMatchObject({ outcome: 'late', overdueWallS: 3600 });
    expect(standingOutcome(firstContact(timely))).toBe('breached');
    expect(timely.refold()).toEqual(timely.lead);
  });
});

describe('rebasing a clock (spec §6.2)', () => {
  const rebase = (lead: Scenario, more: object = {}) => ({
    clockId: [...lead.lead.clocks.values()].at(-1)!.clockId,
    reason: 'a holiday',
    approvedBy: 'boss',
    ...more,
  });
  const holiday = (lead: Scenario, date: string) => {
    const weekly = [1, 2, 3, 4, 5].map((weekday) => ({ weekday, from: '00:00', to: '24:00' }));
    const next = { occurredAt: ts('2026-03-02 10:00'), version: 2 };
    lead.configured('calendar-weekdays', 'CalendarDefined', { ...next, timeZone: 'UTC', weekly, holidays: [date] });
    return lead.configured('calendar-weekdays', 'CalendarActivated', { ...next, effectiveFrom: next.occurredAt });
  };

  it('moves its deadline and its warning to the calendar of today, and nothing moves without it', () => {
    const lead = holiday(given('SAL'), '2026-03-03');
    expect(lead.at('2026-03-03 10:00').sweep().types()).toEqual(['SlaWarningRaised']);
    const other = holiday(given('SAL'), '2026-03-03');
    other.do('RebaseClock', rebase(other));
    expect(other.types()).toEqual(['SlaClockRebased']);
    expect(other.data('SlaClockRebased')).toMatchObject({
      oldDueAt: ts('2026-03-04 10:00'),
      newDueAt: ts('2026-03-05 10:00'),
      newWarnAt: ts('2026-03-04 10:00'),
      calendarVersion: 2,
    });
    expect(other.at('2026-03-04 09:00').sweep().types()).toEqual([]);
    expect(other.at('2026-03-05 10:00').sweep().types()).toEqual(['SlaBreached']);
    expect(other.refold()).toEqual(other.lead);
  });

  it('leaves pauses out', () => {
    const lead = given('SAL').at('2026-03-02 12:00').do('PutOnHold', { reasonCode: 'legal_review' });
    lead.at('2026-03-04 12:00').do('ResumeFromHold');
    expect([...lead.lead.clocks.values()].at(-1)?.dueAtMs).toBe(Date.parse(ts('2026-03-06 10:00')));
    lead.do('RebaseClock', rebase(lead));
    expect(lead.data('SlaClockRebased').newDueAt).toBe(ts('2026-03-06 10:00'));
    holiday(lead, '2026-03-05').do('RebaseClock', rebase(lead));
    expect(lead.data('SlaClockRebased').newDueAt).toBe(ts('2026-03-09 10:00'));
  });

  it('needs a second person and a clock that runs', () => {
    const lead = given('SAL');
    expect(lead.refused('RebaseClock', rebase(lead, { approvedBy: 'ops' })).code).toBe('SECOND_APPROVER_REQUIRED');
    expect(lead.refused('RebaseClock', rebase(lead, { clockId: 'none' })).code).toBe('UNKNOWN_CLOCK');
    expect(lead.refused('RebaseClock', rebase(lead), person('sales')).code).toBe('FORBIDDEN_ROLE');
    lead.at('2026-03-06 10:00').sweep();
    expect(lead.refused('RebaseClock', rebase(lead)).code).toBe('UNKNOWN_CLOCK');
  });
});
