import { marketAt, reportingOf, soldFor, targetFor, valueOf, weighed, wholeTarget } from './money-world.js';
import { type Asked, type Item, type Oracle, type Row, within } from './oracle.js';
import { distinct, halfUp } from './plain-figures.js';
import { dealsOf } from './told-deals.js';
import type { OracleLead } from './told-leads.js';

/** 7.16: open amount / (target − won), raw and weighted. */

const isInside = ({ from, to }: Asked, date: string): boolean =>
  (from === null || date >= from) && (to === null || date < to);

/** A row by team or owner has a target of its own. */
export function rowTarget(asked: Asked, row: Row): number | null {
  if (row === null) return wholeTarget(asked);
  const [dimension] = asked.by;
  if (asked.by.length !== 1 || (dimension !== 'team' && dimension !== 'owner')) return null;
  return targetFor(asked, `${dimension}:${row.dims[dimension]}`);
}

const itemsOf = (leads: readonly OracleLead[], asked: Asked) => {
  const { asOfMs } = asked;
  const reporting = reportingOf(asked, asked.choices.scope);
  return leads.flatMap(dealsOf).flatMap((deal) => {
    const item = { leadId: deal.leadId, dims: deal.dims, atMs: 0 };
    if (deal.kind === 'won' && deal.closedMs <= asOfMs && within(asked, deal.closedMs)) {
      const value = soldFor(deal, reporting, asOfMs);
      return [value === null ? { ...item, what: 'unpriced' } : { ...item, what: 'won', ...value, stage: '' }];
    }
    const now = deal.at(asOfMs);
    if (now === null || !isInside(asked, now.closeDate)) return [];
    // It is told of, though with nothing.
    if (now.onHold || now.requalifying) return [{ ...item, what: 'paused' }];
    return [{ ...item, what: 'open', ...valueOf(now, reporting, asOfMs), stage: now.stage }];
  });
};

export const coverageOracle: Oracle = {
  items: itemsOf,
  figures: (items, asked, row) => {
    const reporting = reportingOf(asked, asked.choices.scope);
    const currencies = [...new Set<string>(items.flatMap((item) => item.currency ?? []))].sort();
    const currency = reporting ?? (currencies.length === 1 ? currencies[0] : null);
    const of = (what: string, name: string | null | undefined) =>
      items.filter((item) => item.what === what && item.currency === name);
    const sum = (some: readonly Item[]): number => some.reduce((total, { amountMinor }) => total + amountMinor, 0);
    const [open, won] = [of('open', currency), of('won', currency)];
    const target = rowTarget(asked, row);
    const gap = target === null ? null : Math.max(0, target - sum(won));
    const over = (numerator: number) => ({
      numerator,
      denominator: gap ?? 0,
      rate: gap === null ? null : halfUp(numerator, gap, 6),
      leads: distinct(open),
      denominatorLeads: distinct(won),
    });
    const factor = Number(asked.choices.marketFactor ?? marketAt(asked.asOfMs));
    return {
      currency,
      targetMinor: target,
      won: { deals: won.length, amountMinor: sum(won), leads: distinct(won) },
      gapMinor: gap,
      targetMet: gap === null ? null : gap === 0,
      raw: over(sum(open)),
      weighted: { ...over(weighed(open as never, factor)), deals: open.length },
      otherCurrencies: currencies
        .filter((other) => other !== currency)
        .map((other) => ({
          currency: other,
          openMinor: sum(of('open', other)),
          wonMinor: sum(of('won', other)),
        })),
    };
  },
};
