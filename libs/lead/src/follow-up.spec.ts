import { describe, expect, it } from '@jest/globals';
import { followUpOf, journeyStageOf } from './follow-up.js';
import { given, type Stage } from './given-when-then.js';
import type { BuyingQuestions } from './state.js';

const answers = (change: Partial<BuyingQuestions> = {}): BuyingQuestions => ({
  productKnowledge: 0,
  ourKnowledgeOfBusiness: 0,
  visitFrequencyPer30d: 0,
  understandsValue: 0,
  hasBudget: 'no',
  wantsProposal: 'no',
  ...change,
});

describe('the follow-up level of the six buying questions', () => {
  it('is intense in the worked example of spec §5.7: 2 + 1 + 2, 4 visits, budget, wants a proposal = 12', () => {
    const worked = answers({
      productKnowledge: 2,
      ourKnowledgeOfBusiness: 1,
      understandsValue: 2,
      visitFrequencyPer30d: 4,
      hasBudget: 'yes',
      wantsProposal: 'yes',
    });
    expect(followUpOf(worked)).toEqual({ sum: 12, level: 'intense' });
  });

  it.each([
    [5, 'light', { productKnowledge: 3, understandsValue: 2 }],
    [6, 'normal', { productKnowledge: 3, understandsValue: 3 }],
    [10, 'normal', { productKnowledge: 3, understandsValue: 3, visitFrequencyPer30d: 4, hasBudget: 'yes' as const }],
    [11, 'intense', { productKnowledge: 3, understandsValue: 3, ourKnowledgeOfBusiness: 3, visitFrequencyPer30d: 100 }],
  ] as const)('of %i is %s', (sum, level, change) => {
    expect(followUpOf(answers(change))).toEqual({ sum, level });
  });

  it('counts one point for each of the two that is not known, and one for up to three visits', () => {
    expect(followUpOf(answers({ hasBudget: 'unknown', wantsProposal: 'unknown' })).sum).toBe(2);
    expect([0, 1, 3, 4].map((visits) => followUpOf(answers({ visitFrequencyPer30d: visits })).sum)).toEqual([
      0, 1, 1, 2,
    ]);
  });
});

describe('the stage of the buyer journey', () => {
  it.each<[Stage, string]>([
    ['SUBSCRIBER', 'awareness'],
    ['LEAD', 'awareness'],
    ['PROSPECT', 'consideration'],
    ['MQL', 'consideration'],
    ['SAL', 'consideration'],
    ['SQL', 'decision'],
    ['OPPORTUNITY', 'decision'],
    ['CUSTOMER', 'decision'],
    ['RECYCLED', 'consideration'],
    ['LOST', 'decision'],
    ['JUNK', 'awareness'],
  ])('of %s is %s', (state, stage) => {
    expect(journeyStageOf(given(state).lead)).toBe(stage);
  });

  it('is the observed one as soon as somebody observed it', () => {
    const lead = given('LEAD').do('ObserveJourneyStage', { stage: 'decision', basis: 'conversation' });
    expect(journeyStageOf(lead.lead)).toBe('decision');
    expect(journeyStageOf(lead.do('MarkMQL', { reason: 'fits' }).lead)).toBe('decision');
  });
});
