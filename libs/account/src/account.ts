import type { AccountFacts } from '#libs/lead/src/account-facts.js';
import type { Firmographics } from '#libs/policy/src/icp-fit.js';
import type { AccountEvent, AccountEventData } from './account-events.js';

/** The fold of one account's stream. Immutable; times are epoch ms. */
export interface Account {
  readonly accountId: string;
  /** False before it was registered. */
  readonly exists: boolean;
  readonly name: string;
  readonly domains: readonly string[];
  readonly firmographics: Firmographics;
  readonly icpFit: Pick<AccountEventData<'AccountIcpAssessed'>, 'icpId' | 'icpVersion' | 'result' | 'failures'> | null;
  /** Lead → its role in the account's buying decisions. One who left is no longer among them. */
  readonly buyingRoles: ReadonlyMap<string, AccountEventData<'BuyingRoleRecorded'>['role']>;
  readonly decisionMakersLeft: readonly { readonly leadId: string | null; readonly atMs: number }[];
  readonly nurtureTracks: readonly string[];
  readonly research: readonly { readonly topic: string; readonly text: string; readonly atMs: number }[];
  /** Merged into that account; nothing happens here any more. */
  readonly survivorId: string | null;
}

export const initialAccount = (accountId: string): Account => ({
  accountId,
  exists: false,
  name: '',
  domains: [],
  firmographics: {},
  icpFit: null,
  buyingRoles: new Map(),
  decisionMakersLeft: [],
  nurtureTracks: [],
  research: [],
  survivorId: null,
});

/** Never throws and ignores types it does not know. */
export function evolveAccount(account: Account, event: AccountEvent): Account {
  switch (event.type) {
    case 'AccountRegistered': {
      const { name, domains, industry, country } = event.data;
      return { ...account, exists: true, name, domains, firmographics: withKnown({}, { industry, country }) };
    }
    case 'FirmographicsUpdated': {
      const { industry, annualRevenue, employees, country } = event.data;
      const firmographics = withKnown(account.firmographics, { industry, annualRevenue, employees, country });
      return { ...account, firmographics };
    }
    case 'AccountIcpAssessed': {
      const { icpId, icpVersion, result, failures } = event.data;
      return { ...account, icpFit: { icpId, icpVersion, result, failures } };
    }
    case 'BuyingRoleRecorded':
      return { ...account, buyingRoles: new Map(account.buyingRoles).set(event.data.leadId, event.data.role) };
    case 'DecisionMakerLeft': {
      const { leadId = null, at } = event.data;
      const buyingRoles = new Map(account.buyingRoles);
      if (leadId !== null) buyingRoles.delete(leadId);
      const left = [...account.decisionMakersLeft, { leadId, atMs: Date.parse(at) }];
      return { ...account, buyingRoles, decisionMakersLeft: left };
    }
    case 'AccountEnrolledInNurture':
      return { ...account, nurtureTracks: [...account.nurtureTracks, event.data.trackId] };
    case 'AccountResearchAdded': {
      const { topic, text, occurredAt } = event.data;
      return { ...account, research: [...account.research, { topic, text, atMs: Date.parse(occurredAt) }] };
    }
    case 'AccountMerged':
      return { ...account, survivorId: event.data.survivorId };
    default:
      event satisfies never;
      return account;
  }
}

/** What a decision about a lead needs of it; null: there is no such account. */
export const factsOf = ({ exists, accountId, firmographics, survivorId }: Account): AccountFacts | null =>
  exists ? { accountId, firmographics, survivorId } : null;

/** What is not told stays as it was. */
function withKnown(before: Firmographics, told: Firmographics): Firmographics {
  const known = Object.entries(told).filter(([, value]) => value !== undefined);
  return { ...before, ...(Object.fromEntries(known) as Firmographics) };
}
