import type { ReportName } from '#libs/read-models/src/reports.js';
import { type Item, type Oracle, within } from './oracle.js';
import { counted, distinct, rated, spreadOf } from './plain-figures.js';
import { clocksOf, data, offersOf, outcome, type OracleVisit } from './told-leads.js';

/** 7.5–7.7: offers and promises. */

export const ORACLES = {
  acceptance: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const items: Item[] = [];
        offersOf(lead).forEach(({ offer: e }) => {
          const index = lead.events.indexOf(e);
          const atMs = Date.parse(data(e).occurredAt);
          if (atMs > asked.asOfMs || !within(asked, atMs)) return;
          const decision = lead.visits.find(({ event }) => lead.events.indexOf(event) > index);
          const type = decision?.event.type;
          let what = 'cancelled';
          if (type === undefined) what = 'open';
          if (type === 'AcceptedBySales') what = 'accepted';
          if (type === 'RejectedBySales') what = 'rejected';
          if (type === 'MarkedSQL' && data((decision as OracleVisit).event).implicitAcceptance) what = 'implicit';
          const by = what === 'accepted' || what === 'implicit' ? data((decision as OracleVisit).event) : {};
          if (decision !== undefined && decision.enteredMs > asked.asOfMs) what = 'open';
          items.push({
            leadId: lead.leadId,
            // Who took it counts as its owner also in a report of the days before he did.
            dims: { ...lead.dims, team: data(e).teamId, owner: data(e).ownerId ?? by.acceptedBy ?? by.ownerId ?? null },
            atMs,
            what,
            decision: what === 'rejected' ? data((decision as OracleVisit).event) : {},
          });
        });
        return items;
      }),
    figures: (items) => {
      const of = (...kinds: string[]) => items.filter(({ what }) => kinds.includes(what));
      const accepted = of('accepted', 'implicit');
      const decided = of('accepted', 'implicit', 'rejected');
      const rejected = of('rejected');
      const share = (some: Item[]) => rated(some, rejected);
      const most = (names: string[], hit: (item: Item, name: string) => boolean) =>
        [...new Set(names)]
          .map((name) => ({ name, hits: rejected.filter((item) => hit(item, name)) }))
          .sort((a, b) => b.hits.length - a.hits.length || (a.name < b.name ? -1 : 1));
      return {
        offered: counted(items),
        accepted: counted(accepted),
        implicit: counted(of('implicit')),
        rejected: counted(rejected),
        cancelled: counted(of('cancelled')),
        open: counted(of('open')),
        acceptance: rated(accepted, decided),
        rejection: rated(rejected, decided),
        ofOffered: rated(accepted, of('accepted', 'implicit', 'rejected', 'open')),
        target: 0.9,
        meetsTarget: decided.length === 0 ? null : accepted.length * 10 >= decided.length * 9,
        rejectionReasons: most(
          rejected.map(({ decision }) => decision.reasonCode),
          ({ decision }, code) => decision.reasonCode === code,
        ).map(({ name, hits }) => ({ reasonCode: name, ...share(hits) })),
        failedCriteria: most(
          rejected.flatMap(({ decision }) => decision.failedCriteria),
          ({ decision }, id) => decision.failedCriteria.includes(id),
        ).map(({ name, hits }) => ({ ruleId: name, ...share(hits) })),
      };
    },
  },
  sla: {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        clocksOf(lead)
          .filter((clock) => within(asked, clock.dueMs))
          .map((clock) => ({
            leadId: lead.leadId,
            dims: { ...lead.dims, team: clock.team, owner: clock.owner },
            atMs: clock.dueMs,
            clock,
            what: outcome(clock, asked.asOfMs),
            wasRetracted: clock.breached && clock.retracted && clock.dueMs <= asked.asOfMs,
          }))
          .filter(({ what, wasRetracted }) => what !== null || wasRetracted),
      ),
    figures: (items, { asOfMs }) => ({
      clocks: ['handoff_response', 'first_contact', 'contact_cadence', 'recycle_reengagement', 'post_sale_followup']
        .filter((type) => items.some(({ clock }) => clock.type === type))
        .map((clockType) => {
          const here = items.filter(({ clock }) => clock.type === clockType);
          const met = here.filter(({ what }) => what === 'met');
          const standing = here.filter(({ what }) => what === 'standing');
          const retracted = here.filter(({ wasRetracted }) => wasRetracted);
          const stopped = here.filter(({ clock }) => clock.stop && Date.parse(clock.stop.stoppedAt) <= asOfMs);
          const response = (field: string) => ({
            ...spreadOf(
              stopped.map(({ clock }) => clock.stop[field]),
              3600,
            ),
            leads: distinct(stopped),
          });
          return {
            clockType,
            met: counted(met),
            standing: counted(standing),
            retracted: counted(retracted),
            breached: { count: standing.length + retracted.length, leads: distinct([...standing, ...retracted]) },
            attainment: rated(met, [...met, ...standing]),
            responseOpen: response('elapsedOpenS'),
            responseWall: response('elapsedWallS'),
          };
        }),
    }),
  },
} satisfies Partial<Record<ReportName, Oracle>>;
