import { describe, expect, it } from '@jest/globals';
import { given, person, type Stage, ts } from './given-when-then.js';

const RECYCLE = { reasonCode: 'timing', nurtureTrackId: 'spring' };

describe('recycling (T17)', () => {
  it.each<Stage>(['SAL', 'SQL', 'OPPORTUNITY', 'LOST'])(
    'returns a lead from %s and starts marketing’s clock',
    (stage) => {
      const lead = given(stage).do('RecycleLead', { ...RECYCLE, revisitOn: '2026-09-01' });
      expect(lead.lead).toMatchObject({ state: 'RECYCLED', cycleNo: 1, deal: null });
      expect(lead.data('RecycledNotReady').recycleKind).toBe('not_ready');
      expect(lead.data('SlaClockStarted')).toMatchObject({ clockType: 'recycle_reengagement', teamId: 'marketing' });
    },
  );

  it('cancels the promises of sales and closes an open deal as neither won nor lost', () => {
    expect(given('SAL').do('RecycleLead', RECYCLE).data('SlaClockCancelled').reason).toBe('recycled');
    const lead = given('OPPORTUNITY');
    const { dealId } = lead.data('OpportunityOpened');
    expect(lead.do('RecycleLead', RECYCLE).data('RecycledNotReady').closedDealId).toBe(dealId);
  });

  it.each([
    ['UNKNOWN_REASON_CODE', { ...RECYCLE, reasonCode: 'mood' }],
    ['NOTE_REQUIRED', { ...RECYCLE, reasonCode: 'other' }],
    ['NURTURE_TRACK_REQUIRED', { reasonCode: 'timing' }],
    ['SEQUENCE_NOT_EXHAUSTED', { ...RECYCLE, reasonCode: 'unresponsive' }],
    ['REVISIT_DATE_INVALID', { ...RECYCLE, revisitOn: '2026-03-02' }],
  ])('answers %s', (code, body) => {
    expect(given('SAL').refused('RecycleLead', body).code).toBe(code);
  });

  it('as unresponsive follows the whole sequence, or a manager', () => {
    const body = { ...RECYCLE, reasonCode: 'unresponsive' };
    const lead = given('SAL');
    for (const channel of ['phone', 'email', 'phone', 'email', 'social', 'post']) {
      lead.do('LogContactAttempt', { channel, outcome: 'sent' });
    }
    expect(lead.do('RecycleLead', body).lead.state).toBe('RECYCLED');
    const override = { reason: 'company closed' };
    expect(given('SAL').refused('RecycleLead', { ...body, override }).code).toBe('FORBIDDEN_ROLE');
    expect(given('SAL').do('RecycleLead', { ...body, override }, person('sales_manager')).lead.state).toBe('RECYCLED');
  });

  it('is for sales; from LOST for marketing and ops too', () => {
    expect(given('SAL').refused('RecycleLead', RECYCLE, person('marketing')).code).toBe('FORBIDDEN_ROLE');
    expect(given('SAL').refused('RecycleLead', RECYCLE, person('ops')).code).toBe('FORBIDDEN_ROLE');
    expect(given('LOST').do('RecycleLead', RECYCLE, person('marketing')).lead.state).toBe('RECYCLED');
    expect(given('MQL').refused('RecycleLead', RECYCLE).code).toBe('INVALID_TRANSITION');
  });

  it('ends a hold', () => {
    const lead = given('SAL').do('PutOnHold', { reasonCode: 'legal_review' }).do('RecycleLead', RECYCLE);
    expect(lead.lead.onHold).toBeNull();
    expect(lead.data('SlaClockCancelled').reason).toBe('recycled');
  });
});

describe('disqualifying (T18)', () => {
  it.each<Stage>(['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'SQL', 'RECYCLED'])(
    'is possible from %s',
    (stage) => {
      const lead = given(stage).do('DisqualifyLead', { reasonCode: 'no_need', failedCriteria: ['industry'] });
      expect(lead.lead).toMatchObject({ state: 'DISQUALIFIED', openHandoff: null });
      expect([...lead.lead.clocks.values()].every(({ status }) => status === 'cancelled' || status === 'stopped')).toBe(
        true,
      );
    },
  );

  it('comes after losing an open deal', () => {
    expect(given('OPPORTUNITY').refused('DisqualifyLead', { reasonCode: 'no_need' }).code).toBe('DEAL_OPEN');
    const requalifying = given('OPPORTUNITY').do('ReturnToQualification', { reasonCode: 'budget_lost' });
    expect(requalifying.refused('DisqualifyLead', { reasonCode: 'no_need' }).code).toBe('DEAL_OPEN');
    expect(given('CUSTOMER').refused('DisqualifyLead', { reasonCode: 'no_need' }).code).toBe('INVALID_TRANSITION');
    expect(given('LEAD').refused('DisqualifyLead', { reasonCode: 'spam' }).code).toBe('UNKNOWN_REASON_CODE');
  });
});

describe('junk (T19)', () => {
  it.each<Stage>(['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'RECYCLED'])('is possible from %s', (stage) => {
    expect(given(stage).do('MarkJunk', { reasonCode: 'bot', origin: 'outbound' }).lead.state).toBe('JUNK');
  });

  it('is not possible once qualified by sales, nor for sales', () => {
    expect(given('SQL').refused('MarkJunk', { reasonCode: 'bot' }).code).toBe('INVALID_TRANSITION');
    expect(given('LEAD').refused('MarkJunk', { reasonCode: 'price' }).code).toBe('UNKNOWN_REASON_CODE');
    expect(given('LEAD').refused('MarkJunk', { reasonCode: 'bot' }, person('sales')).code).toBe('FORBIDDEN_ROLE');
  });
});

describe('reopening (T20)', () => {
  it.each<Stage>(['LOST', 'DISQUALIFIED', 'JUNK'])('from %s follows a new fact and begins a cycle', (stage) => {
    const lead = given(stage).at('2026-03-03 10:00');
    expect(lead.refused('ReopenLead', { reasonCode: 'new_budget' }).code).toBe('NOTHING_NEW');
    lead.do('RecordBehaviour', { kind: 'pricing_page' }).do('ReopenLead', { reasonCode: 'new_budget' });
    expect(lead.data('LeadReopened')).toMatchObject({
      toState: 'LEAD',
      cycleNo: 2,
      newFactEventId: lead.idOf('BehaviourRecorded'),
    });
  });

  it('makes a prospect of who has answered before', () => {
    const lead = given('LOST').at('2026-03-03 10:00').do('LogResponse', { channel: 'email' });
    expect(lead.do('ReopenLead', { reasonCode: 'wrote' }).lead.state).toBe('PROSPECT');
  });

  it('does not follow what happened before the closing, whenever it is logged', () => {
    const lead = given('JUNK').at('2026-03-03 10:00');
    lead.do('RecordBehaviour', { kind: 'guide', occurredAt: ts('2026-03-01 10:00') });
    expect(lead.refused('ReopenLead', { reasonCode: 'x' }).code).toBe('NOTHING_NEW');
    const evidence = { reasonCode: 'x', newFactEventId: lead.idOf('BehaviourRecorded') };
    expect(lead.refused('ReopenLead', evidence).code).toBe('UNKNOWN_EVIDENCE');
  });

  it('may be decided by ops without one', () => {
    expect(given('JUNK').do('ReopenLead', { reasonCode: 'mistake' }, person('ops')).lead.state).toBe('LEAD');
    expect(given('LEAD').refused('ReopenLead', { reasonCode: 'x' }).code).toBe('INVALID_TRANSITION');
  });
});

it('cycles count each forward entry from off the funnel, not the way out', () => {
  const lead = given('RECYCLED');
  expect(lead.lead.cycleNo).toBe(1);
  lead.do('MarkMQL', { reason: 'again' });
  expect(lead.lead.cycleNo).toBe(2);
  lead.do('RejectLead', { reasonCode: 'territory' }).do('DisqualifyLead', { reasonCode: 'territory' });
  expect(lead.lead.cycleNo).toBe(2);
  lead.do('ReopenLead', { reasonCode: 'moved' }, person('ops'));
  expect(lead.lead).toMatchObject({ state: 'LEAD', cycleNo: 3 });
  expect(lead.do('MarkMQL', { reason: 'fits' }).lead.cycleNo).toBe(3);
  expect(lead.lead.visits.map(({ cycleNo }) => cycleNo)).toEqual([1, 1, 1, 1, 2, 2, 2, 3, 3]);
});
