import { noteTwoWay, promoteSubscriber, showsInterest } from './automatic-transitions.js';
import type { Rules } from './rule.js';
import type { LeadState } from './state.js';

/**
 * T2 and T3 by a person. The policies of `automatic-transitions.ts` do both as soon as a fact allows it; somebody is needed where
 * no fact comes any more: a subscriber who asked for something when he was captured, a promotion that was voided by mistake.
 */
export const promotionRules: Rules<'PromoteLead' | 'MarkProspect'> = {
  PromoteLead: {
    from: ['SUBSCRIBER'],
    offered: (lead) => interestOf(lead) !== undefined,
    transition: true,
    decide(decision) {
      const evidence = interestOf(decision.lead);
      decision.guard(evidence !== undefined, 'NO_INTEREST_SHOWN', 'no behaviour of the person shows interest');
      promoteSubscriber(decision, evidence ?? '');
    },
  },

  MarkProspect: {
    offered: (lead) => lead.twoWaySinceMs === null && lead.responses.length > 0,
    decide(decision, { channel }) {
      const evidence = decision.lead.responses.at(-1)?.eventId;
      decision.guard(evidence !== undefined, 'NO_TWO_WAY_EVIDENCE', 'the person has neither answered nor met anybody');
      noteTwoWay(decision, evidence ?? '', channel);
    },
  },
};

/** The latest behaviour that shows interest. */
function interestOf({ behaviours }: LeadState): string | undefined {
  let eventId: string | undefined;
  behaviours.some(({ what }) => {
    const shows = what.kind !== 'returned' && showsInterest(what.kind);
    if (shows) eventId = what.eventId;
    return shows;
  });
  return eventId;
}
