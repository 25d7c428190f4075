import { describe, expect, it } from '@jest/globals';
import { EUR, given, ts, YES } from './given-when-then.js';

const OPEN = { amount: EUR(5000), expectedCloseDate: '2026-06-30' };

describe('opening an opportunity (T11)', () => {
  it('begins at the first deal stage of the pipeline', () => {
    const lead = given('SQL').do('OpenOpportunity', OPEN);
    expect(lead.types()).toEqual(['OpportunityOpened']);
    expect(lead.data('OpportunityOpened')).toMatchObject({
      fromState: 'SQL',
      toState: 'OPPORTUNITY',
      dealStage: 'meeting_booked',
      pipelineId: 'default',
      pipelineVersion: 1,
      horizon: 'short',
    });
  });

  it('from SAL qualifies and opens in one append, skipping nothing', () => {
    const lead = given('SAL')
      .do('LogResponse', { channel: 'email' })
      .do('OpenOpportunity', { ...OPEN, qualification: YES });
    expect(lead.types()).toEqual(['QualificationAnswered', 'MarkedSQL', 'OpportunityOpened', 'LeadScored']);
    expect(lead.data('OpportunityOpened').skippedStages).toBeUndefined();
    expect(given('SAL').refused('OpenOpportunity', OPEN).code).toBe('QUALIFICATION_INCOMPLETE');
  });

  it.each([
    ['AMOUNT_INVALID', { ...OPEN, amount: EUR(0) }],
    ['AMOUNT_INVALID', { ...OPEN, amount: { amountMinor: 1, currency: 'euro' } }],
    ['UNKNOWN_DEAL_STAGE', { ...OPEN, dealStage: 'closed_won' }],
    ['CLOSE_DATE_IN_PAST', { ...OPEN, expectedCloseDate: '2026-03-01' }],
  ])('answers %s', (code, body) => {
    expect(given('SQL').refused('OpenOpportunity', body).code).toBe(code);
  });

  it('waits for a successful discovery where the pipeline says so', () => {
    const lead = given('SQL').underPipeline({ opportunityRule: 'discovery_success' });
    expect(lead.refused('OpenOpportunity', OPEN).code).toBe('DISCOVERY_NOT_HELD');
    lead.do('LogMeeting', { kind: 'discovery', outcome: 'unsuccessful' });
    expect(lead.refused('OpenOpportunity', OPEN).code).toBe('DISCOVERY_NOT_HELD');
    lead.do('LogMeeting', { kind: 'discovery', outcome: 'successful' });
    expect(lead.do('OpenOpportunity', OPEN).lead.state).toBe('OPPORTUNITY');
  });

  it('is not possible beside an open deal', () => {
    const lead = given('OPPORTUNITY').do('ReturnToQualification', { reasonCode: 'budget_lost' });
    expect(lead.refused('OpenOpportunity', OPEN).code).toBe('DEAL_ALREADY_OPEN');
  });
});

describe('deal stages (T12)', () => {
  it('go forward step by step and back with a reason', () => {
    const lead = given('OPPORTUNITY').do('ChangeDealStage', { to: 'demo' });
    expect(lead.data('DealStageChanged')).toMatchObject({
      from: 'meeting_booked',
      to: 'demo',
      direction: 'forward',
      skipped: [],
    });
    expect(lead.refused('ChangeDealStage', { to: 'meeting_booked' }).code).toBe('REASON_REQUIRED');
    lead.do('ChangeDealStage', { to: 'meeting_booked', reason: 'wrong person' });
    expect(lead.data('DealStageChanged').direction).toBe('backward');
  });

  it('are skipped forward only where the pipeline permits', () => {
    expect(given('OPPORTUNITY').refused('ChangeDealStage', { to: 'negotiation' }).code).toBe('STAGE_SKIP_NOT_ALLOWED');
    const lead = given('OPPORTUNITY').underPipeline({ allowForwardStageSkip: true });
    lead.do('ChangeDealStage', { to: 'quote_development' });
    expect(lead.data('DealStageChanged').skipped).toEqual(['demo']);
  });

  it('ask for the criteria of the stage entered', () => {
    const lead = given('OPPORTUNITY');
    const { dealStages } = lead.policies.pipeline('new_business', lead.nowMs);
    const strict = dealStages.map((stage) =>
      stage.code === 'demo' ? { ...stage, requiredFields: ['challenge'] } : stage,
    );
    lead.underPipeline({ dealStages: strict });
    expect(lead.refused('ChangeDealStage', { to: 'demo' })).toMatchObject({
      code: 'STAGE_CRITERIA_MISSING',
      facts: { missing: ['challenge'], fields: [{ field: 'fields.challenge' }] },
    });
    lead.do('ChangeDealStage', { to: 'demo', fields: { challenge: 'slow quotes' } });
    expect(lead.data('DealStageChanged').criteria).toEqual(['challenge']);
  });

  it('are those of the open deal', () => {
    expect(given('OPPORTUNITY').refused('ChangeDealStage', { to: 'nowhere' }).code).toBe('UNKNOWN_DEAL_STAGE');
    expect(given('OPPORTUNITY').refused('ChangeDealStage', { to: 'demo', dealId: 'x' }).code).toBe('UNKNOWN_DEAL');
    expect(given('SQL').refused('ChangeDealStage', { to: 'demo' }).code).toBe('INVALID_TRANSITION');
  });
});

describe('a deal in work', () => {
  it('changes amount in its currency, which voids the verification', () => {
    const lead = given('OPPORTUNITY').do('VerifyDealValue', { evidence: 'order_form' });
    expect(lead.lead.deal).toMatchObject({ verified: true, amount: EUR(100_000) });
    expect(lead.data('DealValueVerified').verifiedBy).toBe('sam');
    lead.do('ChangeDealAmount', { amount: EUR(90_000), reason: 'fewer seats' });
    expect(lead.data('DealAmountChanged')).toMatchObject({ old: EUR(100_000), new: EUR(90_000) });
    expect(lead.lead.deal?.verified).toBe(false);
    const dollars = { amount: { amountMinor: 1, currency: 'USD' }, reason: 'x' };
    expect(lead.refused('ChangeDealAmount', dollars).code).toBe('CURRENCY_MISMATCH');
    expect(given('SQL').refused('ChangeDealAmount', { amount: EUR(1), reason: 'x' }).code).toBe('UNKNOWN_DEAL');
  });

  it('moves its close date ahead only', () => {
    const lead = given('OPPORTUNITY').do('ChangeCloseDate', { expectedCloseDate: '2026-07-31', reason: 'holidays' });
    expect(lead.data('DealCloseDateChanged')).toMatchObject({ old: '2026-06-30', new: '2026-07-31' });
    const past = { expectedCloseDate: '2026-03-01', reason: 'x' };
    expect(lead.refused('ChangeCloseDate', past).code).toBe('CLOSE_DATE_IN_PAST');
  });

  it('is proposed with cost and steps', () => {
    const proposal = { costIncluded: true, implementationSteps: true };
    expect(given('OPPORTUNITY').refused('SendProposal', { costIncluded: true })).toMatchObject({
      code: 'PROPOSAL_INCOMPLETE',
      facts: { missing: ['implementationSteps'] },
    });
    expect(given('OPPORTUNITY').do('SendProposal', proposal).data('ProposalSent').amount).toEqual(EUR(100_000));
  });

  it('has objections raised and resolved', () => {
    const lead = given('OPPORTUNITY').do('RaiseObjection', { code: 'price', objectionId: 'o1' });
    expect(lead.do('RaiseObjection', { code: 'price', objectionId: 'o1' }).types()).toEqual([]);
    expect(lead.refused('ResolveObjection', { objectionId: 'o2', how: 'x' }).code).toBe('UNKNOWN_OBJECTION');
    lead.do('ResolveObjection', { objectionId: 'o1', how: 'three years' });
    expect(lead.lead.deal?.openObjections.size).toBe(0);
  });
});

describe('return to qualification and resumption (T13, T14)', () => {
  it('asks anew for authority only', () => {
    const lead = given('OPPORTUNITY')
      .at('2026-03-03 10:00')
      .do('ReturnToQualification', { reasonCode: 'decision_maker_left' });
    expect(lead.lead).toMatchObject({ state: 'SQL', cycleNo: 1, deal: { status: 'requalifying' } });
    lead.at('2026-03-04 10:00');
    expect(lead.refused('ResumeOpportunity')).toMatchObject({
      code: 'QUALIFICATION_INCOMPLETE',
      facts: { missing: ['authority'] },
    });
    lead.do('AnswerQualification', { answers: { authority: { value: 'yes', note: 'successor signs' } } });
    lead.do('ResumeOpportunity');
    expect(lead.data('OpportunityResumed')).toMatchObject({ dealStage: 'meeting_booked', stageVisitNo: 7 });
    const atOnce = given('OPPORTUNITY').do('ReturnToQualification', { reasonCode: 'decision_maker_left' });
    expect(atOnce.refused('ResumeOpportunity').code).toBe('QUALIFICATION_INCOMPLETE');
    expect(given('OPPORTUNITY').refused('ReturnToQualification', { reasonCode: 'x' }).code).toBe('UNKNOWN_REASON_CODE');
    expect(given('SQL').refused('ResumeOpportunity').code).toBe('INVALID_TRANSITION');
  });
});

describe('winning (T15)', () => {
  it('starts the after-sale promise', () => {
    const lead = given('OPPORTUNITY')
      .at('2026-03-03 10:00')
      .do('WinDeal', { amount: EUR(120_000) });
    expect(lead.types()).toEqual(['DealWon', 'SlaClockStarted']);
    expect(lead.data('DealWon')).toMatchObject({
      amount: EUR(120_000),
      closedAt: ts('2026-03-03 10:00'),
      fxRateToReporting: '1',
    });
    expect(lead.data('SlaClockStarted')).toMatchObject({
      clockType: 'post_sale_followup',
      dueAt: ts('2026-03-17 10:00'),
    });
  });

  it('needs an amount given or verified', () => {
    const lead = given('OPPORTUNITY');
    expect(lead.refused('WinDeal').code).toBe('AMOUNT_INVALID');
    expect(lead.do('VerifyDealValue', { evidence: 'contract' }).do('WinDeal').data('DealWon').amount).toEqual(
      EUR(100_000),
    );
    expect(given('OPPORTUNITY').refused('WinDeal', { amount: EUR(-1) }).code).toBe('AMOUNT_INVALID');
  });

  it('is dated when it was closed, and not ahead', () => {
    const lead = given('OPPORTUNITY').at('2026-03-05 10:00');
    lead.do('WinDeal', { amount: EUR(1), closedAt: ts('2026-03-04 09:00') });
    expect(lead.data('DealWon')).toMatchObject({
      occurredAt: ts('2026-03-04 09:00'),
      closedAt: ts('2026-03-04 09:00'),
    });
    const ahead = { amount: EUR(1), closedAt: ts('2026-03-06 09:00') };
    expect(given('OPPORTUNITY').refused('WinDeal', ahead).code).toBe('OCCURRED_IN_FUTURE');
    const two = { ...ahead, occurredAt: ts('2026-03-02 10:00') };
    expect(given('OPPORTUNITY').refused('WinDeal', two).code).toBe('VALIDATION_FAILED');
  });
});

describe('losing (T16)', () => {
  it('gives the reason and the stage lost from, and cancels every clock', () => {
    const lead = given('SAL')
      .do('LogResponse', { channel: 'email' })
      .do('OpenOpportunity', { ...OPEN, qualification: YES });
    lead.do('LoseDeal', { reasonCode: 'competitor', competitor: 'Acme' });
    expect(lead.types()).toEqual(['DealLost', 'SlaClockCancelled']);
    expect(lead.data('DealLost')).toMatchObject({ lostFromDealStage: 'meeting_booked', amount: EUR(5000) });
    expect(lead.data('SlaClockCancelled').reason).toBe('lost');
  });

  it('is possible while requalifying, not before any deal', () => {
    const lead = given('OPPORTUNITY').do('ReturnToQualification', { reasonCode: 'budget_lost' });
    expect(lead.do('LoseDeal', { reasonCode: 'no_budget' }).lead.state).toBe('LOST');
    expect(given('SQL').refused('LoseDeal', { reasonCode: 'price' }).code).toBe('INVALID_TRANSITION');
    expect(given('OPPORTUNITY').refused('LoseDeal').code).toBe('LOSS_REASON_REQUIRED');
    expect(given('OPPORTUNITY').refused('LoseDeal', { reasonCode: 'mood' }).code).toBe('UNKNOWN_REASON_CODE');
    expect(given('OPPORTUNITY').refused('LoseDeal', { reasonCode: 'other' }).code).toBe('NOTE_REQUIRED');
  });
});
