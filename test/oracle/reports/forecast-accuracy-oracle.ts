import { Temporal } from 'temporal-polyfill';
import { marketAt, reportingOf, soldFor, valueOf, weighed } from './money-world.js';
import type { Asked, Item, Oracle } from './oracle.js';
import { distinct, halfUp } from './plain-figures.js';
import { dealsOf, type ToldDeal } from './told-deals.js';

/** 7.25: 1 − |forecast at period start − won| / won. */

interface Window {
  /** Local dates. */
  readonly from: string;
  readonly to: string;
  readonly label: string | null;
}

const startMs = (date: string, tz: string): number =>
  Temporal.PlainDate.from(date).toZonedDateTime(tz).epochMilliseconds;

/** The months, weeks or days of the period, cut at its ends. */
function windowsOf({ from, groupBy, to }: Asked): Window[] {
  const whole = { from: from as string, to: to as string, label: null };
  if (groupBy === null) return [whole];
  const labels = new Map<string, string[]>();
  for (let day = Temporal.PlainDate.from(whole.from); day.toString() < whole.to; day = day.add({ days: 1 })) {
    const week = `${day.yearOfWeek}-W${String(day.weekOfYear).padStart(2, '0')}`;
    const label = groupBy === 'month' ? day.toString().slice(0, 7) : groupBy === 'week' ? week : day.toString();
    labels.set(label, [...(labels.get(label) ?? []), day.toString()]);
  }
  return [...labels].map(([label, days]) => ({
    label,
    from: days[0] as string,
    to: Temporal.PlainDate.from(days.at(-1) as string)
      .add({ days: 1 })
      .toString(),
  }));
}

/** What the deal adds to the window: to its forecast, to its sales. */
function hits(deal: ToldDeal, { from, to }: Window, asked: Asked): Omit<Item, 'leadId' | 'dims' | 'atMs'>[] {
  const { asOfMs, tz } = asked;
  const reporting = reportingOf(asked);
  const [fromMs, toMs] = [startMs(from, tz), startMs(to, tz)];
  const found: Omit<Item, 'leadId' | 'dims' | 'atMs'>[] = [];
  const soldIn = deal.kind === 'won' && deal.closedMs >= fromMs && deal.closedMs < toMs && deal.closedMs <= asOfMs;
  const sold = soldIn ? soldFor(deal, reporting, fromMs) : null;
  if (sold !== null) found.push({ what: 'won', ...sold });
  const then = fromMs > asOfMs ? null : deal.at(fromMs);
  const counts = then !== null && !then.onHold && !then.requalifying && then.closeDate >= from && then.closeDate < to;
  if (counts) found.push({ what: 'forecast', stage: then.stage, ...valueOf(then, reporting, fromMs) });
  return found;
}

const figuresOf = (items: readonly Item[], atMs: number) => {
  const currencies = [...new Set(items.map(({ currency }) => currency as string))].sort();
  return {
    currencies: currencies.map((currency) => {
      const of = (name: string) => items.filter((item) => item.what === name && item.currency === currency);
      const won = of('won').reduce((sum, { amountMinor }) => sum + amountMinor, 0);
      const forecast = weighed(of('forecast') as never, marketAt(atMs));
      const off = Math.abs(forecast - won);
      return {
        currency,
        forecast: { deals: of('forecast').length, amountMinor: forecast, leads: distinct(of('forecast')) },
        won: { deals: of('won').length, amountMinor: won, leads: distinct(of('won')) },
        accuracy: { numerator: won - off, denominator: won, rate: halfUp(won - off, won, 6) },
      };
    }),
    mixedCurrencies: currencies.length > 1,
  };
};

export const forecastAccuracyOracle: Oracle = {
  items: (leads, asked) => {
    const whole = { from: asked.from as string, to: asked.to as string, label: null };
    return leads
      .flatMap(dealsOf)
      .flatMap((deal) =>
        hits(deal, whole, asked).map((hit) => ({ ...hit, leadId: deal.leadId, dims: deal.dims, atMs: 0 })),
      );
  },
  rows: (_, asked) => {
    if (asked.by.length === 0 && asked.groupBy === null) return [];
    const leads = asked.everybody.filter((lead) => lead.visits.at(-1)?.state !== 'MERGED');
    const rows = new Map<string, { row: { period?: string; dims: Record<string, string | null> }; items: Item[] }>();
    for (const window of windowsOf(asked)) {
      for (const deal of leads.flatMap(dealsOf)) {
        if (!Object.entries(asked.filter).every(([dim, values]) => values.includes(deal.dims[dim] ?? null))) continue;
        for (const hit of hits(deal, window, asked)) {
          const dims = Object.fromEntries(asked.by.map((name) => [name, deal.dims[name] ?? null]));
          const period = window.label === null ? {} : { period: window.label };
          const key = JSON.stringify([period, dims]);
          const row = rows.get(key) ?? { row: { ...period, dims }, items: [] };
          const atMs = startMs(window.from, asked.tz);
          row.items.push({ ...hit, leadId: deal.leadId, dims: deal.dims, atMs });
          rows.set(key, row);
        }
      }
    }
    return [...rows.values()];
  },
  figures: (items, asked, row) =>
    figuresOf(items, row === null ? startMs(asked.from as string, asked.tz) : (items[0] as Item).atMs),
};
