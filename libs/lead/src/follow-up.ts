import type { BuyingQuestions, JourneyStage, LeadState } from './state.js';
import type { LeadStateName } from './states.js';

/** What a lead's answers and its place in the funnel say about how to work it (spec §3.7, §5.7). */

export type FollowUpLevel = 'light' | 'normal' | 'intense';

/** Spec §5.7: a sum of 0..16 from the six buying questions; ≤ 5 light, 6–10 normal, ≥ 11 intense. */
export function followUpOf(answers: BuyingQuestions): { readonly level: FollowUpLevel; readonly sum: number } {
  const { productKnowledge, ourKnowledgeOfBusiness, understandsValue, visitFrequencyPer30d: visits } = answers;
  const sum =
    productKnowledge +
    ourKnowledgeOfBusiness +
    understandsValue +
    (visits === 0 ? 0 : visits <= 3 ? 1 : 2) +
    { yes: 2, unknown: 1, no: 0 }[answers.hasBudget] +
    { yes: 3, unknown: 1, no: 0 }[answers.wantsProposal];
  return { sum, level: sum <= 5 ? 'light' : sum <= 10 ? 'normal' : 'intense' };
}

const BY_STATE: Readonly<Partial<Record<LeadStateName, JourneyStage>>> = {
  SUBSCRIBER: 'awareness',
  LEAD: 'awareness',
  PROSPECT: 'consideration',
  MQL: 'consideration',
  SAL: 'consideration',
  SQL: 'decision',
  OPPORTUNITY: 'decision',
  CUSTOMER: 'decision',
};

/** As observed, else by the state; a lead that has left the funnel is where it was when it left. Null before the capture. */
export function journeyStageOf({ journeyStage, visits }: LeadState): JourneyStage | null {
  if (journeyStage !== null) return journeyStage;
  for (const { state } of visits.toReversed()) {
    const stage = BY_STATE[state];
    if (stage !== undefined) return stage;
  }
  return null;
}
