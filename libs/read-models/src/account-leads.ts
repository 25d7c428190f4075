import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventData } from '#libs/lead/src/events.js';
import type { Fact } from '#libs/projections/src/projection.js';
import type { ReadView } from './store/read-store.js';

/** Where a lead belongs and how it fits: its account, persona and ICP result, and the leads of an account. */

export interface LeadProfile {
  account: string | null;
  persona: string | null;
  icpResult: 'pass' | 'fail' | 'unknown' | null;
}

export const emptyProfile = (): LeadProfile => ({ account: null, persona: null, icpResult: null });

/** True when the event changed it; as libs/lead folds the same events. */
export function evolveProfile(profile: LeadProfile, { data, type }: Pick<RecordedEvent, 'data' | 'type'>): boolean {
  switch (type) {
    case 'LeadCaptured':
      profile.account = (data as LeadEventData<'LeadCaptured'>).accountId ?? null;
      return true;
    case 'LinkedToAccount':
      profile.account = (data as LeadEventData<'LinkedToAccount'>).accountId;
      profile.icpResult = null;
      return true;
    case 'UnlinkedFromAccount':
      profile.account = null;
      profile.icpResult = null;
      return true;
    case 'PersonaAssigned':
      profile.persona = (data as LeadEventData<'PersonaAssigned'>).personaId;
      return true;
    case 'IcpFitAssessed':
      profile.icpResult = (data as LeadEventData<'IcpFitAssessed'>).result;
      return true;
    default:
      return false;
  }
}

/** Nothing while nothing is known: most leads of a long history are so. */
export const packProfile = ({ account, persona, icpResult }: LeadProfile): (string | null)[] =>
  account === null && persona === null && icpResult === null ? [] : [account, persona, icpResult];

export const loadProfile = ([account = null, persona = null, icpResult = null]: readonly (
  string | null
)[]): LeadProfile => ({ account, persona, icpResult: icpResult as LeadProfile['icpResult'] });

/** Partition the account, key the lead. */
const ACCOUNT_LEADS_TABLE = 'account_lead';
/** What an account may be called; history may hold names that are none of ours. */
const ACCOUNT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function accountLeadFacts({
  leadId,
  profile: { account },
}: {
  readonly leadId: string;
  readonly profile: LeadProfile;
}): Fact[] {
  if (account === null || !ACCOUNT_ID.test(account)) return [];
  return [{ kind: 'row', table: ACCOUNT_LEADS_TABLE, part: account, key: leadId, value: '' }];
}

/** Accounts that have leads. */
export const accountsWithLeads = (view: ReadView): Promise<string[]> => view.partitions(ACCOUNT_LEADS_TABLE);

/** The leads linked to an account, by id. */
export async function leadsOfAccount(view: ReadView, accountId: string): Promise<string[]> {
  return [...(await view.rows(ACCOUNT_LEADS_TABLE, accountId)).keys()].sort();
}
