import { DAY } from './lead-histories.js';
import { reportingOf, STAGES, valueOf } from './money-world.js';
import { type Item, type Oracle, within } from './oracle.js';
import { counted, distinct, halfUp } from './plain-figures.js';
import { dealsOf } from './told-deals.js';
import { visitsBy } from './told-leads.js';

/** 7.23: share of open value short vs long horizon; entries − exits per stage per week; new leads per week. */

const STATES = ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'SQL', 'OPPORTUNITY'];

export const balanceOracle: Oracle = {
  items: (leads, asked) => {
    const { asOfMs } = asked;
    return leads
      .flatMap((lead) => {
        const visits = visitsBy(lead, asOfMs);
        const told = (dims: Item['dims'], what: string, stage: string, atMs: number | null) =>
          atMs === null || atMs > asOfMs ? [] : [{ leadId: lead.leadId, dims, what, stage, atMs }];
        return [
          ...visits.slice(0, 1).flatMap(({ enteredMs }) => told(lead.dims, 'new', '', enteredMs)),
          ...visits
            .filter(({ state }) => STATES.includes(state))
            .flatMap(({ enteredMs, exitedMs, state }) => [
              ...told(lead.dims, 'entries', state, enteredMs),
              ...told(lead.dims, 'exits', state, exitedMs),
            ]),
          ...dealsOf(lead)
            .filter(({ openedMs }) => openedMs <= asOfMs)
            .flatMap((deal) =>
              deal
                .stays(asOfMs)
                .flatMap(({ enteredMs, exitedMs, stage }) => [
                  ...told(deal.dims, 'entries', `OPPORTUNITY.${stage}`, enteredMs),
                  ...told(deal.dims, 'exits', `OPPORTUNITY.${stage}`, exitedMs),
                ]),
            ),
        ];
      })
      .filter(({ atMs }) => within(asked, atMs));
  },
  figures: (items, _asked, _row, all) => {
    const seen = STAGES.filter((stage) => all.some((item) => item.stage === `OPPORTUNITY.${stage}`));
    const newLeads = items.filter(({ what }) => what === 'new');
    return {
      newLeads: counted(newLeads),
      stages: [...STATES, ...seen.map((stage) => `OPPORTUNITY.${stage}`)].map((name) => {
        const of = (what: string) => items.filter((item) => item.what === what && item.stage === name);
        const [state, dealStage = null] = name.split('.') as [string, string?];
        const net = of('entries').length - of('exits').length;
        return { state, dealStage, entries: counted(of('entries')), exits: counted(of('exits')), net };
      }),
    };
  },
  /** A week in which nobody came is a row too, from the first thing there is to the end. */
  filled: (items, asked) => {
    if (asked.by.length > 0) return [];
    const firstMs = Math.min(asked.fromMs ?? Infinity, ...items.map(({ atMs }) => atMs));
    const lastMs = Math.min(asked.asOfMs, (asked.toMs ?? Infinity) - 1);
    const instants = firstMs <= lastMs ? [lastMs] : [];
    for (let ms = firstMs; ms <= lastMs; ms += DAY / 2) instants.push(ms);
    return instants;
  },
  beside: (leads, asked) => {
    const reporting = reportingOf(asked);
    const open = leads.flatMap(dealsOf).flatMap((deal) => {
      const now = deal.at(asked.asOfMs);
      const item = { leadId: deal.leadId, dims: deal.dims, horizon: deal.horizon };
      return now === null ? [] : [{ ...item, ...valueOf(now, reporting, asked.asOfMs) }];
    });
    const passing = open.filter(({ dims }) =>
      Object.entries(asked.filter).every(([name, values]) => values.includes(dims[name] ?? null)),
    );
    const currencies = [...new Set(passing.map(({ currency }) => currency))].sort();
    const sum = (some: typeof passing) => some.reduce((total, { amountMinor }) => total + amountMinor, 0);
    return {
      horizon: {
        total: {
          currencies: currencies.map((currency) => {
            const all = passing.filter((deal) => deal.currency === currency);
            const share = (horizon: string) => {
              const some = all.filter((deal) => deal.horizon === horizon);
              return {
                numerator: sum(some),
                denominator: sum(all),
                rate: halfUp(sum(some), sum(all), 6),
                leads: distinct(some),
                denominatorLeads: distinct(all),
              };
            };
            return { currency, short: share('short'), long: share('long') };
          }),
          mixedCurrencies: currencies.length > 1,
        },
      },
    };
  },
};
