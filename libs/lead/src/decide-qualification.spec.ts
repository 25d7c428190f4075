import { describe, expect, it } from '@jest/globals';
import { given, person, ts, YES } from './given-when-then.js';
import { standingOutcome } from './sla-clocks.js';
import { leadStatus } from './state.js';

const CALL = { channel: 'phone', outcome: 'connected' };

describe('marking (T4)', () => {
  it('hands off in the same append and starts the response clock now', () => {
    const lead = given('LEAD').at('2026-03-02 12:00');
    lead.do('MarkMQL', { reason: 'fits', occurredAt: ts('2026-03-02 11:00') });
    expect(lead.types()).toEqual(['MarkedMQL', 'HandedOffToSales', 'SlaClockStarted']);
    expect(lead.data('MarkedMQL')).toMatchObject({ fromState: 'LEAD', toState: 'MQL', mode: 'manual', cycleNo: 1 });
    expect(lead.data('SlaClockStarted')).toMatchObject({ startedAt: ts('2026-03-02 12:00'), teamId: 'sales' });
    expect(lead.data('HandedOffToSales')).toMatchObject({
      teamId: 'sales',
      agreementId: 'standard',
      agreementVersion: 1,
    });
  });

  it('without automatic handoff leaves the offer to a command', () => {
    const lead = given('LEAD').underPipeline({ autoHandoff: false }).do('MarkMQL', { reason: 'fits' });
    expect(lead.types()).toEqual(['MarkedMQL']);
    expect(lead.refused('AcceptLead').code).toBe('NOT_HANDED_OFF');
    expect(lead.do('HandOffToSales', { summary: 'wants a demo' }).types()).toEqual([
      'HandedOffToSales',
      'SlaClockStarted',
    ]);
  });

  it('by a person below the threshold needs a reason, by product its use', () => {
    expect(given('LEAD').refused('MarkMQL', {}).code).toBe('SCORE_BELOW_THRESHOLD');
    expect(given('LEAD').refused('MarkMQL', { reason: ' ' }).code).toBe('SCORE_BELOW_THRESHOLD');
    expect(given('LEAD').refused('MarkPQL', {}).code).toBe('SCORE_BELOW_THRESHOLD');
    expect(given('LEAD').withoutModel().refused('MarkMQL', {}).code).toBe('REASON_REQUIRED');
    expect(given('LEAD').do('MarkPQL', { keyActions: ['invited_team'] }).lead.state).toBe('MQL');
  });

  it('takes a customer again only with product or service basis, in a new cycle', () => {
    const lead = given('CUSTOMER');
    expect(lead.refused('MarkMQL', { reason: 'x' }).code).toBe('INVALID_TRANSITION');
    lead.do('MarkServiceQualified', { offer: 'cross_sell' }, person('sdr'));
    expect(lead.lead).toMatchObject({ state: 'MQL', cycleNo: 2 });
  });

  it('waits for the cool-down of a recycled lead and stops the re-engagement clock', () => {
    const lead = given('RECYCLED').underPipeline({ recycleCooldownDays: 7 }).at('2026-03-04 10:00');
    expect(lead.refused('MarkMQL', { reason: 'back' }).code).toBe('RECYCLE_COOLDOWN');
    lead.at('2026-03-09 10:00').do('MarkMQL', { reason: 'back' });
    expect(lead.types()).toEqual(['MarkedMQL', 'SlaClockStopped', 'HandedOffToSales', 'SlaClockStarted']);
    expect(lead.data('SlaClockStopped').clockId).toBe(lead.data('MarkedMQL').clocks?.stopped?.[0]);
    expect(lead.lead.cycleNo).toBe(2);
  });

  it('leaves people alone who withdrew every consent', () => {
    const lead = given('LEAD').do('WithdrawConsent', { purpose: 'email_marketing' });
    expect(lead.refused('MarkMQL', { reason: 'x' }).code).toBe('CONSENT_WITHDRAWN');
    expect(
      lead.do('RecordConsent', { purpose: 'phone', basis: 'consent' }).do('MarkMQL', { reason: 'x' }).lead.state,
    ).toBe('MQL');
  });

  it('is not for sales', () => {
    expect(given('LEAD').refused('MarkMQL', { reason: 'x' }, person('sales')).code).toBe('FORBIDDEN_ROLE');
  });
});

describe('handoff (T5)', () => {
  it('is open once', () => {
    expect(given('MQL').refused('HandOffToSales').code).toBe('ALREADY_HANDED_OFF');
  });

  it('goes to a team with an agreement in force', () => {
    const lead = given('LEAD').underPipeline({ autoHandoff: false }).do('MarkMQL', { reason: 'x' });
    expect(lead.refused('HandOffToSales', { teamId: 'nobody' }).code).toBe('UNKNOWN_TEAM');
    const team = lead.policies.team('sales')!;
    const data = { ...team, agreementId: 'none', occurredAt: ts('2026-01-01 00:00') };
    lead.configured('team-south', 'TeamDefined', data);
    expect(lead.refused('HandOffToSales', { teamId: 'south' }).code).toBe('NO_ACTIVE_AGREEMENT');
  });
});

describe('acceptance (T6)', () => {
  it('stops the response clock, starts the first contact and makes the actor owner', () => {
    const lead = given('MQL')
      .at('2026-03-02 12:00')
      .do('AcceptLead', { occurredAt: ts('2026-03-02 11:30') });
    expect(lead.types()).toEqual(['AcceptedBySales', 'SlaClockStopped', 'SlaClockStarted']);
    expect(lead.data('AcceptedBySales')).toMatchObject({
      acceptedBy: 'sam',
      ownerId: 'sam',
      teamId: 'sales',
      handoffId: lead.all('HandedOffToSales')[0]!.handoffId,
      clocks: { started: [lead.data('SlaClockStarted').clockId], stopped: [lead.data('SlaClockStopped').clockId] },
    });
    expect(lead.data('SlaClockStopped')).toMatchObject({ outcome: 'met', stoppedAt: ts('2026-03-02 11:30') });
    expect(lead.data('SlaClockStarted')).toMatchObject({
      clockType: 'first_contact',
      startedAt: ts('2026-03-02 11:30'),
      dueAt: ts('2026-03-04 11:30'),
      ownerId: 'sam',
    });
  });

  it('keeps an owner that marketing named, and takes one that is named now', () => {
    const named = given('LEAD').do('MarkMQL', { reason: 'x', ownerId: 'zoe' }).do('AcceptLead');
    expect(named.data('AcceptedBySales')).toMatchObject({ acceptedBy: 'sam', ownerId: 'zoe' });
    expect(given('MQL').do('AcceptLead', { ownerId: 'pat' }).lead.ownerId).toBe('pat');
  });

  it('is for the assigned team', () => {
    const outsider = person('sales', 'olga', ['other']);
    expect(given('MQL').refused('AcceptLead', {}, outsider)).toMatchObject({
      code: 'NOT_IN_ASSIGNED_TEAM',
      status: 403,
    });
    expect(given('MQL').do('AcceptLead', {}, person('admin', 'root', [])).lead.state).toBe('SAL');
  });

  it('by ops names whom it is for', () => {
    expect(given('MQL').refused('AcceptLead', {}, person('ops')).code).toBe('FORBIDDEN_ROLE');
    const lead = given('MQL').do('AcceptLead', {}, { ...person('ops'), onBehalfOf: 'sam' });
    expect(lead.data('AcceptedBySales')).toMatchObject({ acceptedBy: 'sam', ownerId: 'sam' });
  });

  it('happens once: the second of two finds the lead accepted', () => {
    const error = given('SAL').refused('AcceptLead');
    expect(error).toMatchObject({ code: 'INVALID_TRANSITION', status: 422 });
    expect(error.facts).toMatchObject({ from: 'SAL', command: 'AcceptLead', currentState: 'SAL' });
    expect(error.facts.allowed).toContain('MarkSQL');
    expect(error.facts.allowed).not.toContain('AcceptLead');
  });

  it('of another offer than the open one is refused', () => {
    expect(given('MQL').refused('AcceptLead', { handoffId: 'old' }).code).toBe('NOT_HANDED_OFF');
  });

  it('after the due instant is late and the breach stands', () => {
    const lead = given('MQL').at('2026-03-03 10:00').do('AcceptLead');
    expect(lead.types()).toEqual(['AcceptedBySales', 'SlaClockStopped', 'SlaClockStarted']);
    const late = given('MQL').at('2026-03-03 10:01').do('AcceptLead');
    expect(late.types()).toEqual(['SlaBreached', 'AcceptedBySales', 'SlaClockStopped', 'SlaClockStarted']);
    expect(late.data('SlaClockStopped').outcome).toBe('late');
  });

  it('refused after the due instant leaves the breach behind, and nothing else', () => {
    const lead = given('MQL').at('2026-03-03 12:00');
    const timely = { occurredAt: ts('2026-03-03 09:00') };
    expect(lead.refused('AcceptLead', timely, person('sales', 'olga', ['other'])).code).toBe('NOT_IN_ASSIGNED_TEAM');
    expect(lead.types()).toEqual(['SlaBreached']);
    expect(lead.data('SlaBreached').detectedBy).toBe('settle_on_write');
    lead.do('AcceptLead', timely);
    expect(lead.types()).toEqual(['AcceptedBySales', 'SlaBreachRetracted', 'SlaClockStopped', 'SlaClockStarted']);
  });
});

describe('rejection (T7)', () => {
  it('returns the lead to marketing, whose clock starts', () => {
    const lead = given('MQL').do('RejectLead', { reasonCode: 'icp_mismatch', failedCriteria: ['industry'] });
    expect(lead.types()).toEqual(['RejectedBySales', 'SlaClockStopped', 'SlaClockStarted']);
    expect(lead.data('RejectedBySales')).toMatchObject({ toState: 'RECYCLED', recycleKind: 'rejected', cycleNo: 1 });
    expect(lead.data('SlaClockStarted')).toMatchObject({ clockType: 'recycle_reengagement', teamId: 'marketing' });
  });

  it('gives a known reason, with a note where the reason asks for one', () => {
    expect(given('MQL').refused('RejectLead', { reasonCode: 'mood' }).code).toBe('UNKNOWN_REASON_CODE');
    expect(given('MQL').refused('RejectLead', { reasonCode: 'other' }).code).toBe('NOTE_REQUIRED');
    expect(given('MQL').do('RejectLead', { reasonCode: 'other', note: 'see call' }).lead.state).toBe('RECYCLED');
    expect(given('LEAD').refused('RejectLead', { reasonCode: 'other' }).code).toBe('INVALID_TRANSITION');
  });

  it.each([
    ['disqualify', 'student', 'DISQUALIFIED'],
    ['junk', 'spam', 'JUNK'],
  ])('may %s in the same step', (next, thenReasonCode, state) => {
    const body = JSON.parse(`{"reasonCode": "bad_data", "then": "${next}"}`) as object;
    const lead = given('MQL').do('RejectLead', { ...body, thenReasonCode });
    expect(lead.lead.state).toBe(state);
    expect(lead.types()).not.toContain('SlaClockStarted');
    expect(lead.latest.at(-1)?.data).toMatchObject({ reasonCode: thenReasonCode });
    expect(given('MQL').refused('RejectLead', { ...body, thenReasonCode: 'mood' }).code).toBe('UNKNOWN_REASON_CODE');
    const forTheSameReason = given('MQL').do('RejectLead', body);
    expect(forTheSameReason.lead.state).toBe(state);
    expect(forTheSameReason.latest.at(-1)?.data).toMatchObject({ reasonCode: 'bad_data' });
  });
});

describe('withdrawal (T8)', () => {
  it('before acceptance gives the lead back and cancels the response clock', () => {
    const lead = given('MQL').do('WithdrawQualification');
    expect(lead.types()).toEqual(['QualificationWithdrawn', 'SlaClockCancelled']);
    expect(lead.lead).toMatchObject({ state: 'LEAD', openHandoff: null, cycleNo: 1 });
    const answered = given('PROSPECT').do('MarkMQL', { reason: 'x' }).do('WithdrawQualification', { reason: 'error' });
    expect(answered.lead.state).toBe('PROSPECT');
    expect(given('SAL').refused('WithdrawQualification').code).toBe('INVALID_TRANSITION');
  });
});

describe('qualification (T9)', () => {
  it('needs all answers with evidence, in this order, and timing known', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL);
    expect(lead.refused('MarkSQL').facts.missing).toEqual(['interest', 'need', 'budget', 'authority', 'timing']);
    const bare = { ...YES, budget: 'yes', timing: 'unknown' };
    const error = lead.refused('MarkSQL', { qualification: bare });
    expect(error).toMatchObject({ code: 'QUALIFICATION_INCOMPLETE', facts: { missing: ['budget', 'timing'] } });
    lead.do('AnswerQualification', { answers: YES }).do('MarkSQL');
    expect(lead.data('MarkedSQL')).toMatchObject({
      qualification: { interest: 'yes', need: 'yes', budget: 'yes', authority: 'yes', timing: 'yes' },
      mode: 'manual',
      implicitAcceptance: false,
    });
    expect(lead.data('MarkedSQL').skippedStages).toBeUndefined();
  });

  it('takes an event of this lead as evidence, and no other', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL);
    const interest = { value: 'yes', evidenceEventId: lead.idOf('ContactAttempted') };
    lead.do('AnswerQualification', { answers: { ...YES, interest } });
    expect(lead.do('MarkSQL').lead.state).toBe('SQL');
    const error = lead.refused('AnswerQualification', { answers: { need: { value: 'yes', evidenceEventId: 'x' } } });
    expect(error.code).toBe('UNKNOWN_EVIDENCE');
  });

  it('may be overridden by a manager who says why', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL);
    const override = { reason: 'board contact' };
    expect(lead.refused('MarkSQL', { override }).code).toBe('FORBIDDEN_ROLE');
    expect(lead.refused('MarkSQL', { override: { reason: '' } }, person('sales_manager')).code).toBe('REASON_REQUIRED');
    lead.do('MarkSQL', { override }, person('sales_manager', 'max'));
    expect(lead.data('MarkedSQL').override).toEqual({ by: 'max', reason: 'board contact' });
  });

  it('needs that somebody spoke with the person in this cycle', () => {
    expect(given('SAL').refused('MarkSQL', { qualification: YES }).code).toBe('NO_CONTACT_RECORDED');
    expect(given('SAL').do('LogResponse', { channel: 'email' }).do('MarkSQL', { qualification: YES }).lead.state).toBe(
      'SQL',
    );
  });

  it('does not count the contact of an earlier cycle that ended at the same instant', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL);
    lead.do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' });
    lead.do('MarkMQL', { reason: 'again' }).do('AcceptLead');
    expect(lead.lead.clocks.get(lead.data('SlaClockStarted').clockId)?.status).toBe('running');
    expect(leadStatus(lead.lead)).toBe('new');
    expect(lead.refused('MarkSQL', { qualification: YES }).code).toBe('NO_CONTACT_RECORDED');
    lead.do('LogContactAttempt', CALL).do('MarkSQL', { qualification: YES });
    expect(lead.lead.state).toBe('SQL');
  });

  it('does not count the contact of an earlier cycle', () => {
    const lead = given('SAL').do('LogContactAttempt', CALL);
    lead.at('2026-03-03 10:00').do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' });
    lead.at('2026-03-04 10:00').do('MarkMQL', { reason: 'again' }).do('AcceptLead');
    expect(lead.lead.cycleNo).toBe(2);
    expect(lead.refused('MarkSQL', { qualification: YES }).code).toBe('NO_CONTACT_RECORDED');
  });
});

describe('skipping acceptance (T10)', () => {
  const demo = { kind: 'demo_request' };

  it('is open to a hand-raise, and closes an open offer as accepted', () => {
    const lead = given('LEAD').do('RecordBehaviour', demo).do('MarkMQL', { reason: 'asked' });
    lead.at('2026-03-02 12:00').do('MarkSQL', { qualification: YES });
    expect(lead.types()).toEqual(['QualificationAnswered', 'MarkedSQL', 'SlaClockStopped', 'SlaClockStarted']);
    expect(lead.data('MarkedSQL')).toMatchObject({
      fromState: 'MQL',
      skippedStages: ['SAL'],
      skipRule: 'inbound_hand_raise',
      implicitAcceptance: true,
      ownerId: 'sam',
      handoffId: lead.all('HandedOffToSales')[0]!.handoffId,
    });
    expect(lead.data('SlaClockStarted')).toMatchObject({
      clockType: 'first_contact',
      startedAt: ts('2026-03-02 12:00'),
    });
  });

  it('from LEAD skips MQL and SAL, and starts no clock when contact was made in this cycle', () => {
    const lead = given('LEAD').do('RecordBehaviour', demo).do('LogContactAttempt', CALL);
    lead.do('MarkSQL', { qualification: YES });
    expect(lead.types()).toEqual(['QualificationAnswered', 'MarkedSQL']);
    expect(lead.data('MarkedSQL')).toMatchObject({ skippedStages: ['MQL', 'SAL'], implicitAcceptance: false });
  });

  it('needs a hand-raise not older than the pipeline says', () => {
    expect(given('LEAD').refused('MarkSQL', { qualification: YES }).code).toBe('STAGE_SKIP_NOT_ALLOWED');
    const lead = given('LEAD').do('RecordBehaviour', demo);
    expect(lead.at('2026-04-01 10:01').refused('MarkSQL', { qualification: YES }).code).toBe('STAGE_SKIP_NOT_ALLOWED');
    expect(lead.at('2026-04-01 10:00').do('MarkSQL', { qualification: YES }).lead.state).toBe('SQL');
  });

  it('from RECYCLED needs one made since, and begins a new cycle', () => {
    const lead = given('LEAD').do('RecordBehaviour', demo).do('MarkMQL', { reason: 'x' }).at('2026-03-02 11:00');
    lead.do('RejectLead', { reasonCode: 'territory' });
    expect(lead.refused('MarkSQL', { qualification: YES }).code).toBe('STAGE_SKIP_NOT_ALLOWED');
    lead.at('2026-03-02 12:00').do('RecordBehaviour', demo).do('MarkSQL', { qualification: YES });
    expect(lead.data('MarkedSQL')).toMatchObject({ fromState: 'RECYCLED', cycleNo: 2, skippedStages: ['MQL', 'SAL'] });
    expect(lead.types()).toEqual([
      'QualificationAnswered',
      'MarkedSQL',
      'SlaClockStopped',
      'SlaClockStarted',
      'LeadScored',
    ]);
  });

  it('asks people for the whole checklist', () => {
    const lead = given('LEAD').do('RecordBehaviour', demo);
    expect(lead.refused('MarkSQL').code).toBe('QUALIFICATION_INCOMPLETE');
  });

  it('by score is a policy’s, off by default, and cancels an open offer', () => {
    const system = { type: 'system', id: 'system:scoring', role: 'system', teams: [] } as const;
    const body = { skipRule: 'auto_sql_score' };
    expect(given('MQL').refused('MarkSQL', body).code).toBe('STAGE_SKIP_NOT_ALLOWED');
    expect(given('MQL').refused('MarkSQL', body, system).code).toBe('STAGE_SKIP_NOT_ALLOWED');
    const lead = given('MQL').underPipeline({ autoSql: true }).do('MarkSQL', body, system);
    expect(lead.types()).toEqual(['MarkedSQL', 'SlaClockCancelled', 'SlaClockStarted']);
    expect(lead.data('MarkedSQL')).toMatchObject({
      mode: 'auto',
      implicitAcceptance: false,
      skipRule: 'auto_sql_score',
    });
  });

  it('is nobody’s business where the pipeline does not require SAL', () => {
    const lead = given('MQL').underPipeline({ requireSAL: false }).do('MarkSQL', { qualification: YES });
    expect(lead.data('MarkedSQL')).toMatchObject({ skipRule: 'sal_not_required', implicitAcceptance: true });
  });

  it('is not possible where no rule of the pipeline says so', () => {
    const lead = given('LEAD').underPipeline({ skipRules: [] }).do('RecordBehaviour', demo);
    expect(lead.refused('MarkSQL', { qualification: YES }).code).toBe('STAGE_SKIP_NOT_ALLOWED');
  });

  it('starts the promise of a contact that a late-logged call of this cycle then keeps', () => {
    const lead = given('LEAD').do('RecordBehaviour', demo).at('2026-03-02 12:00').do('MarkSQL', { qualification: YES });
    lead.do('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-02 11:00') });
    expect(lead.data('SlaClockStopped')).toMatchObject({ outcome: 'met', elapsedOpenS: 0 });
    expect(standingOutcome([...lead.lead.clocks.values()].at(-1)!)).toBe('met');
  });
});
