import { LAST_PART } from './dimensions.js';
import { PATH_TABLE, presentStateOf } from './path.js';
import { readRows, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** A lead whose deal is open now, back in qualification included. */
export interface OpenDealOfLead {
  readonly leadId: string;
  readonly leadType: string;
  readonly stage: string;
}

const LEADS_AT_ONCE = 1000;

/** Every open deal, for who is about to change the stages there are. */
export async function openDealsOf(view: ReadView): Promise<OpenDealOfLead[]> {
  const leadIds: string[] = [];
  await scanFacts(view, PATH_TABLE, '', LAST_PART, (fact) => {
    const state = presentStateOf(fact);
    if (state === 'OPPORTUNITY' || state === 'SQL') leadIds.push(fact.key);
  });
  const open: OpenDealOfLead[] = [];
  for (let from = 0; from < leadIds.length; from += LEADS_AT_ONCE) {
    for (const { deals, leadId, leadType } of await readRows(view, leadIds.slice(from, from + LEADS_AT_ONCE))) {
      const deal = deals.findLast(({ closed }) => closed === null);
      if (deal?.stage != null) open.push({ leadId, leadType: leadType ?? '', stage: deal.stage });
    }
  }
  return open;
}
