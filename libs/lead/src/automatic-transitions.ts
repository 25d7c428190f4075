import type { Decision } from './decision.js';

/** What the ledger's own policies do when a fact is recorded (spec §3.3 "P:…"), in the same append as the fact. */

/** Behaviours that do not show interest in a product: they leave a subscriber a subscriber (spec §1). */
const NO_INTEREST: ReadonlySet<string> = new Set([
  'newsletter_subscribed',
  'email_open',
  'email_click',
  'unsubscribe',
  'complaint',
  'bounce',
]);
export const showsInterest = (behaviourKind: string): boolean => !NO_INTEREST.has(behaviourKind);

/** T2: a subscriber that showed interest is a lead. Of a late fact the transition keeps the order of transitions. */
export function promoteSubscriber(decision: Decision, evidenceEventId: string): void {
  const { lead } = decision;
  if (lead.state !== 'SUBSCRIBER') return;
  const atMs = Math.max(decision.atMs, lead.lastTransitionAtMs);
  decision.move('PromotedToLead', 'LEAD', { evidenceEventId }, { atMs });
}

/**
 * T3: the first reply, response or held meeting makes two-way communication. A subscriber or lead becomes a prospect; in other
 * states it is a dated fact only.
 */
export function noteTwoWay(decision: Decision, evidenceEventId: string, channel: string): void {
  const { lead, state } = decision;
  if (lead.twoWaySinceMs !== null) return;
  const moves = state === 'SUBSCRIBER' || state === 'LEAD';
  const atMs = moves ? Math.max(decision.atMs, lead.lastTransitionAtMs) : decision.atMs;
  decision.move('BecameProspect', moves ? 'PROSPECT' : state, { evidenceEventId, channel }, { atMs });
}
