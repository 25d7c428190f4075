import type { LeadStateName } from '#libs/lead/src/states.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { leadsOfAccount } from './account-leads.js';
import { type Dims, LAST_PART, valueOf } from './dimensions.js';
import { PATH_TABLE, presentStateOf } from './path.js';
import { readRows, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** Nobody works on these any more; customers are still looked after. */
const CLOSED: ReadonlySet<LeadStateName> = new Set<LeadStateName>(['LOST', 'DISQUALIFIED', 'JUNK', 'MERGED']);

/** The open leads of a person, by id. */
export async function leadsOwnedBy(view: ReadView, ownerId: string): Promise<string[]> {
  const leadIds: string[] = [];
  await scanFacts(view, PATH_TABLE, '', LAST_PART, (fact) => {
    if (valueOf(fact.dims, 'owner') === ownerId && !CLOSED.has(presentStateOf(fact))) leadIds.push(fact.key);
  });
  return leadIds.sort();
}

/** Says of a lead whether it is open and its owner has left (spec §8.2 orphaned leads); `asked`: `true`, `false` or both. */
export function orphanFilter(
  asked: readonly (string | null)[] | undefined,
  policies: PolicyBook,
): (dims: Dims, state: LeadStateName) => boolean {
  if (asked === undefined) return () => true;
  const gone = new Map<string, boolean>();
  const hasLeft = (ownerId: string): boolean => {
    let left = gone.get(ownerId);
    if (left === undefined) gone.set(ownerId, (left = policies.rep(ownerId)?.active === false));
    return left;
  };
  return (dims, state) => {
    const owner = valueOf(dims, 'owner');
    return asked.includes(String(owner !== null && !CLOSED.has(state) && hasLeft(owner)));
  };
}

/** Owners of an account's leads, that of the lead that changed last first. */
export async function ownersOfAccount(view: ReadView, accountId: string): Promise<string[]> {
  const rows = await readRows(view, await leadsOfAccount(view, accountId));
  const owned = rows.filter(({ owner }) => owner !== null).sort((a, b) => b.lastChangeMs - a.lastChangeMs);
  return [...new Set(owned.map(({ owner }) => owner as string))];
}
