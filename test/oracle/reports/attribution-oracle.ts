import type { ReportContext } from '#libs/read-models/src/report-params.js';
import { BEGIN, DAY, iso } from './lead-histories.js';
import { type Asked, type Item, type Oracle, within } from './oracle.js';
import { distinct, halfUp, halfUpWhole } from './plain-figures.js';
import { closingsOf, data, type OracleLead } from './told-leads.js';

/** 7.21: touch = capture, repeat capture, campaign behaviour before the credited event; credit for MQL, SQL, won amount. */

interface Touch {
  readonly atMs: number;
  readonly campaign: string | null;
  readonly source: string | null;
}

/** C1 costs something again and again, C3 brings nobody; C2 is nobody's. */
const COSTS = [
  { campaignId: 'C1', date: iso(BEGIN + DAY).slice(0, 10), amountMinor: 10_000 },
  { campaignId: 'C1', date: iso(BEGIN + 9 * DAY).slice(0, 10), amountMinor: 5001 },
  { campaignId: 'C3', date: iso(BEGIN + 5 * DAY).slice(0, 10), amountMinor: 777 },
];
export const CAMPAIGNS: NonNullable<ReportContext['campaigns']> = {
  all: () =>
    ['C1', 'C3'].map((campaignId) => ({
      campaignId,
      planned: { budget: { currency: 'EUR' } },
      costs: COSTS.filter((cost) => cost.campaignId === campaignId),
    })),
};

/** Its own, and those of whoever it stands for since a merge (spec §2.6). */
function touchesOf(lead: OracleLead, everybody: readonly OracleLead[]): Touch[] {
  const own = lead.events
    .filter((e) => e.type === 'LeadCaptured' || e.type === 'CaptureRepeated' || data(e).campaignId !== undefined)
    .map((e) => {
      const { campaignId, source = {} } = data(e);
      return {
        atMs: lead.timeOf(e),
        campaign: source.campaignId ?? campaignId ?? null,
        source: source.code ?? source.channel ?? null,
      };
    });
  const absorbed = lead.events
    .filter(({ type }) => type === 'DuplicateAbsorbed')
    .flatMap((e) =>
      touchesOf(everybody.find(({ leadId }) => leadId === data(e).duplicateLeadId) as OracleLead, everybody),
    );
  return [...own, ...absorbed].sort((a, b) => a.atMs - b.atMs);
}

const nameOf = ({ campaign, source }: Touch): string =>
  campaign !== null ? `campaign:${campaign}` : source !== null ? `source:${source}` : 'unknown';

/** Σ share / touches: each item gives what it has to give in equal parts to its touches. */
function credited(items: readonly Item[], name: string, scale: bigint, shareOf: (item: Item) => number): number {
  let [above, below] = [0n, 1n];
  for (const item of items) {
    const of = BigInt(item.touches.length);
    const times = BigInt(item.touches.filter((touch: Touch) => nameOf(touch) === name).length);
    [above, below] = [above * of + times * BigInt(shareOf(item)) * below, below * of];
  }
  return halfUpWhole(above * scale, below);
}

export const attributionOracle: Oracle = {
  items: (leads, asked) =>
    leads.flatMap((lead) => {
      const firstMs = (state: string) => lead.visits.find((visit) => visit.state === state)?.enteredMs;
      const events = [
        { what: 'mql', atMs: firstMs('MQL'), amount: null },
        { what: 'sql', atMs: firstMs('SQL'), amount: null },
        ...closingsOf(lead)
          .filter(({ kind }) => kind === 'won')
          .map(({ amount, closedMs }) => ({ what: 'won', atMs: closedMs as number, amount })),
      ];
      const touches = touchesOf(lead, asked.everybody);
      return events.flatMap(({ amount, atMs, what }) => {
        if (atMs === undefined || atMs > asked.asOfMs || !within(asked, atMs)) return [];
        const known = touches.filter((touch) => touch.atMs <= atMs);
        const { model } = asked.choices;
        const those = model === 'first' ? known.slice(0, 1) : model === 'last' ? known.slice(-1) : known;
        return [{ leadId: lead.leadId, dims: lead.dims, atMs, what, amount, touches: those }];
      });
    }),
  figures: (items, asked, row) => {
    const of = (what: string) => items.filter((item) => item.what === what);
    const total = (what: string) => ({ count: of(what).length, leads: distinct(of(what)) });
    const spent = row === null && Object.keys(asked.filter).length === 0 ? costsIn(asked) : {};
    const names = new Set(items.flatMap(({ touches }) => touches.map(nameOf) as string[]));
    for (const [campaign, cost] of Object.entries(spent)) if (cost > 0) names.add(`campaign:${campaign}`);
    const part = (what: string, name: string) => {
      const by = of(what).filter(({ touches }) => touches.some((touch: Touch) => nameOf(touch) === name));
      const parts = credited(of(what), name, 1_000_000n, () => 1);
      return {
        numerator: parts / 1e6,
        denominator: of(what).length,
        rate: halfUp(parts, of(what).length * 1_000_000, 6),
        leads: distinct(by),
        denominatorLeads: distinct(of(what)),
      };
    };
    const sold = of('won').filter(({ amount }) => amount !== null);
    const currencies = [...new Set(sold.map(({ amount }) => amount.currency as string))].sort();
    const touches = [...names].map((name) => {
      const campaign = name.startsWith('campaign:') ? name.slice(9) : null;
      const cost = campaign === null ? undefined : spent[campaign];
      const mql = part('mql', name);
      return {
        touch: name,
        campaign,
        mql,
        sql: part('sql', name),
        won: part('won', name),
        wonAmount: currencies.map((currency) => {
          const these = sold.filter(({ amount }) => amount.currency === currency);
          const numerator = credited(these, name, 1n, ({ amount }) => amount.amountMinor);
          const denominator = these.reduce((sum, { amount }) => sum + amount.amountMinor, 0);
          return { currency, numerator, denominator, rate: halfUp(numerator, denominator, 6) };
        }),
        cost: cost === undefined ? null : { amountMinor: cost, currency: 'EUR' },
        costPerMql:
          cost === undefined
            ? null
            : {
                numerator: cost,
                denominator: mql.numerator,
                rate: halfUp(cost * 1_000_000, Math.round(mql.numerator * 1_000_000), 4),
              },
      };
    });
    touches.sort((a, b) => b.mql.numerator - a.mql.numerator || (a.touch < b.touch ? -1 : 1));
    return { mql: total('mql'), sql: total('sql'), won: total('won'), touches };
  },
};

/** By campaign of ours, on the local days of the period up to asOf. */
function costsIn({ asOfMs, from, to, tz }: Asked): Record<string, number> {
  const today = new Intl.DateTimeFormat('sv-SE', { timeZone: tz }).format(asOfMs);
  const spent: Record<string, number> = { C1: 0, C3: 0 };
  for (const { amountMinor, campaignId, date } of COSTS)
    if (date >= (from ?? '') && date < (to ?? '9') && date <= today) spent[campaignId]! += amountMinor;
  return spent;
}
