import type { Firmographics } from '#libs/policy/src/icp-fit.js';

/** What a decision about a lead needs to know of other streams; whoever hands a command to `decide` reads them. */

export interface AccountFacts {
  readonly accountId: string;
  readonly firmographics: Firmographics;
  /** Of a merged account: the one that goes on. */
  readonly survivorId: string | null;
}

export interface KnownCampaigns {
  /** While no campaign was ever planned, any name is taken as it comes. */
  readonly size: number;
  has(campaignId: string): boolean;
}
