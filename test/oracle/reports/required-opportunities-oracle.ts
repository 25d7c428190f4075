import { rowTarget } from './coverage-oracle.js';
import { CHANCE, reportingOf, soldFor, STAGES } from './money-world.js';
import { type Item, type Oracle, within } from './oracle.js';
import { distinct, halfUp, rated } from './plain-figures.js';
import { dealsOf } from './told-deals.js';

/** 7.17: ⌈(target / average won deal) / winProbability(s)⌉; by the gap, the win rate and the chain of measured rates too. */

/** The smallest whole number of deals that reach an amount at a chance of above / below; null where nothing tells. */
function needed(
  amount: number | null,
  sold: { deals: number; sum: number },
  above: bigint,
  below: bigint,
): number | null {
  if (amount === null || sold.sum === 0 || above === 0n) return null;
  // n · (sum / deals) · (above / below) ≥ amount
  const enough = (n: bigint): boolean => n * BigInt(sold.sum) * above >= BigInt(amount) * BigInt(sold.deals) * below;
  let n = (BigInt(amount) * BigInt(sold.deals) * below) / (BigInt(sold.sum) * above);
  while (n > 0n && enough(n - 1n)) n -= 1n;
  while (!enough(n)) n += 1n;
  return Number(n);
}

export const requiredOpportunitiesOracle: Oracle = {
  items: (leads, asked) => {
    const { asOfMs } = asked;
    const reporting = reportingOf(asked, asked.choices.scope);
    return leads.flatMap(dealsOf).flatMap((deal) => {
      if (deal.openedMs > asOfMs) return [];
      const ended = deal.closedMs <= asOfMs;
      const now = deal.at(asOfMs);
      return [
        {
          leadId: deal.leadId,
          dims: deal.dims,
          atMs: 0,
          kind: ended ? deal.kind : null,
          inside: ended && within(asked, deal.closedMs),
          value: ended && deal.kind === 'won' ? soldFor(deal, reporting, asOfMs) : null,
          standsIn: now === null || now.requalifying ? null : now.stage,
          beenIn: new Set(deal.stays(asOfMs).map(({ stage }) => stage)),
        },
      ];
    });
  },
  figures: (items, asked, row, all) => {
    // How the steps were taken is told of all deals of the question, whatever the row.
    const everyDeal = all;
    const sums = (some: readonly Item[], name: string | null) => {
      const here = some.filter(({ value }) => value !== null && value.currency === name);
      return { deals: here.length, sum: here.reduce((total, { value }) => total + value.amountMinor, 0), here };
    };
    const currencies = new Set(everyDeal.flatMap(({ value }) => value?.currency ?? []));
    const reporting = reportingOf(asked, asked.choices.scope);
    const currency = reporting ?? (currencies.size === 1 ? ([...currencies][0] as string) : null);
    const won = sums(
      items.filter(({ inside }) => inside),
      currency,
    );
    const from = won.deals > 0 ? 'period' : 'history';
    const basis = from === 'period' ? won : sums(items, currency);
    const target = rowTarget(asked, row);
    const gap = target === null ? null : Math.max(0, target - won.sum);
    const required = (above: bigint, below: bigint) => ({
      forTarget: needed(target, basis, above, below),
      forGap: needed(gap, basis, above, below),
    });
    const closed = items.filter(({ inside, kind }) => inside && (kind === 'won' || kind === 'lost'));
    const sold = closed.filter(({ kind }) => kind === 'won');
    const steps = STAGES.map((stage, place) => {
      const been = everyDeal.filter(({ beenIn }) => beenIn.has(stage));
      const wentOn = been.filter(
        ({ beenIn, kind }) => kind === 'won' || STAGES.slice(place + 1).some((later) => beenIn.has(later)),
      );
      const known = been.filter((item) => wentOn.includes(item) || item.kind === 'lost');
      return { stage, moved: BigInt(wentOn.length), known: BigInt(known.length) };
    });
    return {
      currency,
      targetMinor: target,
      gapMinor: gap,
      won: { deals: won.deals, amountMinor: won.sum, leads: distinct(won.here) },
      averageWonDeal: {
        numerator: basis.sum,
        denominator: basis.deals,
        rate: halfUp(basis.sum, basis.deals, 6),
        amountMinor: halfUp(basis.sum, basis.deals, 0),
        from,
        leads: distinct(basis.here),
      },
      dealsNeeded: {
        forTarget: target === null ? null : halfUp(target * basis.deals, basis.sum, 4),
        forGap: gap === null ? null : halfUp(gap * basis.deals, basis.sum, 4),
      },
      winRate: rated(sold, closed),
      requiredByWinRate: required(BigInt(sold.length), BigInt(closed.length)),
      stages: steps.map(({ known, moved, stage }, place) => {
        const chain = steps.slice(place);
        const above = chain.reduce((product, one) => product * one.moved, 1n);
        const below = chain.reduce((product, one) => product * one.known, 1n);
        const here = items.filter(({ standsIn }) => standsIn === stage);
        return {
          stage,
          probability: (CHANCE[stage] as number) / 100,
          required: required(BigInt(CHANCE[stage] as number), 100n),
          stageToNext: {
            numerator: Number(moved),
            denominator: Number(known),
            rate: halfUp(Number(moved), Number(known), 6),
          },
          chainRate: halfUp(Number(above), Number(below), 6),
          requiredByChain: below === 0n ? { forTarget: null, forGap: null } : required(above, below),
          open: { count: here.length, leads: distinct(here) },
        };
      }),
    };
  },
};
