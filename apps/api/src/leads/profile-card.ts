import { completenessOf, missingFields } from '#libs/lead/src/data-quality.js';
import { followUpOf, journeyStageOf } from '#libs/lead/src/follow-up.js';
import type { LeadState } from '#libs/lead/src/state.js';
import { toIso } from '#libs/platform/src/clock.js';

/** The part of a lead's card that says who it is, what it wants and how to work it (spec §3.7, §5.7, 7.26). */
export function profileCard(lead: LeadState, personal: boolean) {
  const { buyingQuestions, contactPerson, dataQuality, deal, goal, icpFit } = lead;
  const left = deal?.decisionMaker?.kind === 'left' && lead.state === 'OPPORTUNITY';
  return {
    role: lead.role,
    contactPerson,
    personaId: lead.personaId,
    journeyStage: journeyStageOf(lead),
    icpFit,
    goal:
      goal === null
        ? null
        : {
            text: personal ? goal.text : null,
            challengeCode: goal.challengeCode,
            interestedInBuying: goal.interestedInBuying,
          },
    buyingIntent: lead.buyingIntent,
    buyingQuestions,
    /** Null until the six buying questions are answered. */
    followUp: buyingQuestions === null ? null : followUpOf(buyingQuestions),
    dataQuality: {
      completeness: completenessOf(lead),
      missingFields: missingFields(lead),
      staleFields: dataQuality?.staleFields ?? [],
      verifiedAt: dataQuality === null ? null : toIso(dataQuality.verifiedAtMs),
    },
    /** What the ledger advises and leaves to people (EP-12). */
    proposals: left ? [{ action: 'return-to-qualification', reasonCode: 'decision_maker_left' }] : [],
  };
}
