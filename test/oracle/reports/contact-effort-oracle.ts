import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { DAY } from './lead-histories.js';
import { type Item, type Oracle, within } from './oracle.js';
import { counted, distinct, halfUp, rated } from './plain-figures.js';
import { data, offersOf, type OracleLead, type OracleVisit } from './told-leads.js';

/** 7.22, of accepted leads: attempts, answers by attempt number, EP-8's cap of 3 in 7 days and 8 in a cycle, full sequences. */

/** First acceptance, and the handoff from which on attempts count. */
function acceptanceOf(lead: OracleLead): { acceptedMs: number; sinceMs: number } | null {
  const taken = offersOf(lead).flatMap(({ offer, visit }) => {
    const next = lead.visits[lead.visits.indexOf(visit) + 1];
    const accepted = next?.event.type === 'AcceptedBySales' || (next && data(next.event).implicitAcceptance === true);
    const last = offersOf(lead).findLast((one) => one.visit === visit)?.offer === offer;
    return accepted && last ? [{ acceptedMs: next.enteredMs, sinceMs: lead.timeOf(offer) }] : [];
  });
  const entries = lead.visits
    .filter(({ state }) => state === 'SAL')
    .map(({ enteredMs }) => ({ acceptedMs: enteredMs, sinceMs: enteredMs }));
  // The handoff of an acceptance comes before the bare entry of the same instant.
  return [...taken, ...entries].sort((a, b) => a.acceptedMs - b.acceptedMs)[0] ?? null;
}

export const contactEffortOracle: Oracle = {
  items: (leads, asked) =>
    leads.flatMap((lead) => {
      const acceptance = acceptanceOf(lead);
      if (acceptance === null) return [];
      const { acceptedMs, sinceMs } = acceptance;
      if (acceptedMs > asked.asOfMs || !within(asked, acceptedMs)) return [];
      const times = (counts: (e: RecordedEvent) => boolean): number[] =>
        lead.events
          .filter(counts)
          .map((e) => lead.timeOf(e))
          .filter((ms) => ms >= sinceMs && ms <= asked.asOfMs)
          .sort((a, b) => a - b);
      const attempts = times(({ type }) => type === 'ContactAttempted');
      const followed = (counts: (e: RecordedEvent) => boolean): boolean[] =>
        attempts.map((ms, index) => times(counts).some((at) => at >= ms && at < (attempts[index + 1] ?? Infinity)));
      const cycleAt = (ms: number): number => lead.visits.findLast(({ enteredMs }) => enteredMs <= ms)?.cycle ?? 1;
      const overCap = attempts.some((ms) => {
        const inWeek = attempts.filter((one) => one <= ms && one > ms - 7 * DAY);
        const inCycle = attempts.filter((one) => one <= ms && cycleAt(one) === cycleAt(ms));
        return inWeek.length > 3 || inCycle.length > 8;
      });
      const givenUp = lead.visits.filter(
        ({ enteredMs, event }) =>
          event.type === 'RecycledNotReady' &&
          data(event).reasonCode === 'unresponsive' &&
          enteredMs >= acceptedMs &&
          enteredMs <= asked.asOfMs,
      );
      const exhausted = lead.events.filter(({ type }) => type === 'ContactSequenceExhausted');
      const isFull = ({ cycle, enteredMs }: OracleVisit): boolean =>
        exhausted.some((e) => {
          const begun = lead.timeOf(lead.visits.find((visit) => visit.cycle === cycle)?.event as RecordedEvent);
          return lead.timeOf(e) >= begun && lead.timeOf(e) <= enteredMs;
        });
      return [
        {
          leadId: lead.leadId,
          dims: lead.dims,
          atMs: acceptedMs,
          attempts,
          responses: followed(({ type }) => type === 'LeadResponded'),
          optOuts: followed((e) => data(e).kind === 'unsubscribe' || data(e).sentiment === 'opt_out'),
          complaints: followed((e) => data(e).kind === 'complaint'),
          overCap,
          givenUp: givenUp.length > 0,
          full: givenUp.length > 0 && givenUp.every(isFull),
        },
      ];
    }),
  figures: (items) => {
    const most = Math.max(0, ...items.map(({ attempts }) => attempts.length as number));
    const made = items.reduce((sum, { attempts }) => sum + attempts.length, 0);
    const over = (counts: (item: Item) => boolean) => rated(items.filter(counts), items);
    return {
      accepted: counted(items),
      attempts: {
        numerator: made,
        denominator: items.length,
        rate: halfUp(made, items.length, 6),
        leads: distinct(items.filter(({ attempts }) => attempts.length > 0)),
        denominatorLeads: distinct(items),
      },
      byAttempt: Array.from({ length: Math.min(20, most) }, (_, index) => {
        const here = items.filter(({ attempts }) => attempts.length > index);
        const share = (what: string) =>
          rated(
            here.filter((item) => item[what][index]),
            here,
          );
        return {
          attempt: index + 1,
          responses: share('responses'),
          optOuts: share('optOuts'),
          complaints: share('complaints'),
        };
      }),
      overCap: over((item) => item.overCap),
      fullSequence: rated(
        items.filter(({ full }) => full),
        items.filter(({ givenUp }) => givenUp),
      ),
    };
  },
};
