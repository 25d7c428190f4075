import type { ReportName } from '#libs/read-models/src/reports.js';
import { DAY, EXPIRES_MS } from './lead-histories.js';
import { type Item, type Oracle, within } from './oracle.js';
import { counted, distinct, halfUp, named, rated, spreadOf } from './plain-figures.js';
import { closingsOf, data, visitsBy } from './told-leads.js';

/** 7.8, 7.11, 7.12, 7.31: how deals ended. */

export const ORACLES = {
  'sales-cycle': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        closingsOf(lead)
          .filter(({ closedMs, kind }) => kind !== 'recycled' && closedMs <= asked.asOfMs && within(asked, closedMs))
          .map(({ closedMs, kind, starts, owner, team }) => {
            const start = starts[asked.choices.start as string];
            const ms = start === null ? null : closedMs - start;
            return { leadId: lead.leadId, dims: { ...lead.dims, owner, team }, atMs: closedMs, kind, ms };
          }),
      ),
    figures: (items) => {
      const days = (some: readonly Item[]) => ({
        ...spreadOf(
          some.map(({ ms }) => ms),
          DAY,
        ),
        leads: distinct(some),
      });
      const won = items.filter(({ kind }) => kind === 'won');
      return {
        won: days(won.filter(({ ms }) => ms !== null)),
        inclLost: days(items.filter(({ ms }) => ms !== null)),
        withoutStart: counted(won.filter(({ ms }) => ms === null)),
      };
    },
  },
  'win-rate': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        closingsOf(lead)
          .filter(({ closedMs }) => closedMs <= asked.asOfMs && within(asked, closedMs))
          .map(({ closedMs, kind, amount, owner, team }) => ({
            leadId: lead.leadId,
            dims: { ...lead.dims, owner, team },
            atMs: closedMs,
            kind,
            amount,
          })),
      ),
    figures: (items) => {
      const of = (k: string) => items.filter(({ kind }) => kind === k);
      const sum = (some: readonly Item[]) => some.reduce((total, { amount }) => total + amount.amountMinor, 0);
      const closed = [...of('won'), ...of('lost')];
      const currencies = (some: readonly Item[]) =>
        [...new Set(some.filter(({ amount }) => amount).map(({ amount }) => amount.currency as string))].sort();
      const inCurrency = (some: readonly Item[], currency: string) =>
        some.filter(({ amount }) => amount?.currency === currency);
      return {
        won: counted(of('won')),
        lost: counted(of('lost')),
        byCount: rated(of('won'), closed),
        byValue: currencies(closed).map((currency) => {
          const won = inCurrency(of('won'), currency);
          const all = inCurrency(closed, currency);
          return {
            currency,
            numerator: sum(won),
            denominator: sum(all),
            rate: halfUp(sum(won), sum(all), 6),
            leads: distinct(won),
            denominatorLeads: distinct(all),
          };
        }),
        withoutAmount: counted(closed.filter(({ amount }) => !amount)),
        recycled: {
          ...counted(of('recycled')),
          value: currencies(of('recycled')).map((currency) => ({
            currency,
            amountMinor: sum(inCurrency(of('recycled'), currency)),
          })),
        },
      };
    },
  },
  'loss-reasons': {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const { leadId, dims } = lead;
        const lost = closingsOf(lead)
          .filter(({ closedMs, kind }) => kind === 'lost' && closedMs <= asked.asOfMs && within(asked, closedMs))
          .map(({ closedMs, amount, owner, reason, stage, team }) => {
            return { leadId, dims: { ...dims, owner, team }, atMs: closedMs, what: 'deal', amount, reason, stage };
          });
        const touched = (untilMs: number): number =>
          lead.events.filter((e) => e.type === 'NurtureTouchSent' && lead.timeOf(e) <= untilMs).length;
        const ends = visitsBy(lead, asked.asOfMs).flatMap(({ enteredMs, event, exitedMs, state }) => {
          if (state === 'LOST') return [{ what: 'lost', atMs: enteredMs, touches: data(event).nurtureTouches }];
          const atMs = enteredMs + EXPIRES_MS;
          const expired = state === 'RECYCLED' && atMs <= asked.asOfMs && (exitedMs === null || atMs < exitedMs);
          return expired ? [{ what: 'expired', atMs, touches: touched(atMs) }] : [];
        });
        const [first] = ends;
        return first === undefined || !within(asked, first.atMs) ? lost : [...lost, { leadId, dims, ...first }];
      }),
    figures: (items) => {
      const deals = items.filter(({ what }) => what === 'deal');
      const dead = items.filter(({ what }) => what !== 'deal');
      const sum = (some: readonly Item[]) => some.reduce((total, { amount }) => total + amount.amountMinor, 0);
      const shares = (some: readonly Item[], all: readonly Item[]) => ({
        byCount: rated(some, all),
        byValue: [...new Set<string>(all.flatMap(({ amount }) => amount?.currency ?? []))].sort().map((currency) => {
          const [part, whole] = [some, all].map((these) => these.filter(({ amount }) => amount?.currency === currency));
          return {
            currency,
            numerator: sum(part as Item[]),
            denominator: sum(whole as Item[]),
            rate: halfUp(sum(part as Item[]), sum(whole as Item[]), 6),
            leads: distinct(part as Item[]),
            denominatorLeads: distinct(whole as Item[]),
          };
        }),
      });
      const reasons = (of: readonly Item[]) =>
        named(of, ({ reason }) => reason).map(([reasonCode, some]) => ({ reasonCode, ...shares(some, of) }));
      const poor = dead.filter(({ touches }) => touches < 3);
      return {
        lost: counted(deals),
        reasons: reasons(deals),
        stages: named(deals, ({ stage }) => stage).map(([stage, some]) => ({
          stage,
          ...shares(some, deals),
          reasons: reasons(some),
        })),
        decisionMakerShift: {
          ...rated(
            deals.filter(({ reason }) => reason === 'decision_maker_left'),
            deals,
          ),
          benchmark: 0.8,
        },
        underNurtured: {
          ...rated(poor, dead),
          benchmark: 0.79,
          lost: counted(dead.filter(({ what }) => what === 'lost')),
          expired: counted(dead.filter(({ what }) => what === 'expired')),
        },
      };
    },
  },
  'sal-effect': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        closingsOf(lead)
          .filter(({ closedMs, kind }) => kind !== 'recycled' && closedMs <= asked.asOfMs && within(asked, closedMs))
          .map((closing) => {
            const { closedMs, owner, starts, team } = closing;
            const start = starts[asked.choices.start as string];
            const ms = closing.kind === 'lost' || start === null ? null : closedMs - start;
            return { ...closing, leadId: lead.leadId, dims: { ...lead.dims, owner, team }, atMs: closedMs, ms };
          }),
      ),
    figures: (items) => {
      const of = (name: string) => {
        const here = items.filter(({ way }) => way === name);
        const timed = here.filter(({ ms }) => ms !== null);
        return {
          closed: counted(here),
          winRate: rated(
            here.filter(({ kind }) => kind === 'won'),
            here,
          ),
          cycleDays: {
            ...spreadOf(
              timed.map(({ ms }) => ms),
              DAY,
            ),
            leads: distinct(timed),
          },
          breachShare: rated(
            here.filter(({ broken }) => broken),
            here,
          ),
        };
      };
      return { through: of('through'), skipped: of('skipped') };
    },
  },
} satisfies Partial<Record<ReportName, Oracle>>;
