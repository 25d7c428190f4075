import type { Decision } from './decision.js';

/**
 * Campaigns are planned where their cost matters; until the first one is, a name of the organisation's own will do, and so it will
 * in history.
 * @throws LeadError UNKNOWN_CAMPAIGN
 */
export function requireCampaign(decision: Decision, campaignId: string | undefined, field: string): void {
  const { campaigns } = decision.context;
  if (campaignId === undefined || campaigns === undefined || campaigns.size === 0 || decision.isImport) return;
  decision.guard(campaigns.has(campaignId), 'UNKNOWN_CAMPAIGN', `no campaign ${campaignId}`, { field });
}
