import type { Fact } from '#libs/projections/src/projection.js';
import { LAST_PART } from './dimensions.js';
import type { LeadRow } from './lead-row.js';
import type { ReadView } from './store/read-store.js';

/** The leads of an account, and the accounts that have leads. */

/** Partition the account, key the lead. */
const ACCOUNT_LEADS_TABLE = 'account_lead';
/** What an account may be called; history may hold names that are none of ours. */
const ACCOUNT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function accountLeadFacts({ leadId, profile: { account } }: LeadRow): Fact[] {
  if (account === null || !ACCOUNT_ID.test(account)) return [];
  return [{ kind: 'row', table: ACCOUNT_LEADS_TABLE, part: account, key: leadId, value: '' }];
}

/** Accounts that have leads. */
export const accountsWithLeads = (view: ReadView): Promise<string[]> => view.partitions(ACCOUNT_LEADS_TABLE);

/** Says of a lead whether it belongs to one of these accounts; null among them: to none. */
export async function accountFilter(
  view: ReadView,
  accounts: readonly (string | null)[] | undefined,
): Promise<(leadId: string) => boolean> {
  if (accounts === undefined) return () => true;
  const named = accounts.filter((account) => account !== null);
  const ofNamed = new Set((await Promise.all(named.map((account) => leadsOfAccount(view, account)))).flat());
  if (!accounts.includes(null)) return (leadId) => ofNamed.has(leadId);
  const linked = new Set((await view.rowsBetween(ACCOUNT_LEADS_TABLE, '', LAST_PART)).map(([, leadId]) => leadId));
  return (leadId) => ofNamed.has(leadId) || !linked.has(leadId);
}

/** The leads linked to an account, by id. */
export async function leadsOfAccount(view: ReadView, accountId: string): Promise<string[]> {
  if (!ACCOUNT_ID.test(accountId)) return [];
  return [...(await view.rows(ACCOUNT_LEADS_TABLE, accountId)).keys()].sort();
}
