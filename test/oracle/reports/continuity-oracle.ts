import { BEGIN, DAY } from './lead-histories.js';
import { type Oracle, within } from './oracle.js';
import { distinct, halfUp, rated, spreadOf } from './plain-figures.js';
import { dealsOf } from './told-deals.js';
import { data, visitsBy } from './told-leads.js';

/** 7.29: owner changes per open deal, open leads whose owner has left, days until who was left behind was reassigned. */

/** When somebody who is gone by an instant had left; as the histories' configuration has it. */
export function leftBy(repId: string, ms: number): number | null {
  const left = { sam: BEGIN + 12 * DAY, sue: BEGIN + 20 * DAY }[repId];
  const back = { sue: BEGIN + 30 * DAY }[repId] ?? Infinity;
  return left !== undefined && left <= ms && ms < back ? left : null;
}

export const continuityOracle: Oracle = {
  items: (leads, asked) =>
    leads.flatMap((lead) => {
      const { asOfMs } = asked;
      const changes = lead.events
        .filter(({ type }) => type === 'OwnerAssigned')
        .map((e) => ({ atMs: lead.timeOf(e), to: data(e).ownerId, from: data(e).previousOwnerId ?? null }))
        .filter(({ atMs, from, to }) => from !== null && from !== to && atMs <= asOfMs && within(asked, atMs));
      const deals = dealsOf(lead)
        .filter((deal) => deal.at(asOfMs) !== null)
        .map((deal) => ({
          dims: deal.dims,
          what: 'deal',
          changes: changes.filter(({ atMs }) => atMs >= deal.openedMs).length,
        }));
      const reassigned = changes.flatMap(({ atMs, from }) => {
        const leftMs = leftBy(from, atMs);
        return leftMs === null ? [] : [{ dims: lead.dims, what: 'reassigned', ms: atMs - leftMs }];
      });
      const state = visitsBy(lead, asOfMs).at(-1)?.state;
      const { owner } = lead.dims;
      const isOwned = state !== undefined && !['LOST', 'DISQUALIFIED', 'JUNK'].includes(state) && owner != null;
      const owned = isOwned ? [{ dims: lead.dims, what: 'owned', orphaned: leftBy(owner, asOfMs) !== null }] : [];
      return [...deals, ...reassigned, ...owned].map((item) => ({ leadId: lead.leadId, atMs: 0, ...item }));
    }),
  figures: (items) => {
    const of = (name: string) => items.filter(({ what }) => what === name);
    const changes = of('deal').reduce((sum, item) => sum + item.changes, 0);
    return {
      ownerChanges: {
        numerator: changes,
        denominator: of('deal').length,
        rate: halfUp(changes, of('deal').length, 6),
        leads: distinct(of('deal').filter((item) => item.changes > 0)),
        denominatorLeads: distinct(of('deal')),
      },
      orphaned: rated(
        of('owned').filter(({ orphaned }) => orphaned),
        of('owned'),
      ),
      daysToReassign: {
        ...spreadOf(
          of('reassigned').map(({ ms }) => ms),
          DAY,
        ),
        leads: distinct(of('reassigned')),
      },
    };
  },
};
