import { type Claimed, isIn } from './claim.js';
import { holds, same } from './claims.js';
import { dateOf } from './compare.js';
import { marketAt, soldFor, weighed } from './money-world.js';
import { distinct } from './plain-figures.js';
import { type DealNow, dealsOf, type ToldDeal } from './told-deals.js';
import type { Any } from './told-leads.js';

/**
 * 7.15: Σ open deals amount · winProbability(stage) by expected close month, on-hold and requalifying ones apart; `committed` without
 * amounts unverified > 30 d; expected revenue = won in period + weighted.
 */

const DAY = 86_400_000;
interface Expected {
  readonly deal: ToldDeal;
  readonly leadId: string;
  readonly now: DealNow;
}
const isUnverified = ({ now }: Expected): boolean => now.unverifiedMs > 30 * DAY;

export async function forecastClaim({
  asOfMs,
  drill,
  leads,
  period,
  question: { tz },
  report,
}: Claimed): Promise<void> {
  const deals = leads.flatMap(dealsOf);
  const sales = deals
    .filter(({ closedMs, kind }) => kind === 'won' && closedMs <= asOfMs)
    .map((deal) => ({ deal, leadId: deal.leadId, date: dateOf(deal.closedMs, tz) }))
    .filter(({ date }) => isIn(period, date));
  // History that gives a sale no amount tells of no revenue.
  const won = sales.flatMap((sale) => {
    const value = soldFor(sale.deal, null, asOfMs);
    return value === null ? [] : [{ ...sale, ...value }];
  });
  const expected = deals.flatMap((deal): Expected[] => {
    const now = deal.at(asOfMs);
    return now === null || !isIn(period, now.closeDate) ? [] : [{ deal, leadId: deal.leadId, now }];
  });
  const held = expected.filter(({ now }) => now.onHold);
  const back = expected.filter(({ now }) => !now.onHold && now.requalifying);
  const open = expected.filter(({ now }) => !now.onHold && !now.requalifying);

  const judge = async (figures: Any, owned: (deal: ToldDeal) => boolean, what: string): Promise<void> => {
    const mine = <T extends { deal: ToldDeal }>(some: readonly T[]): T[] => some.filter(({ deal }) => owned(deal));
    const excluded = {
      onHold: { count: mine(held).length },
      requalifying: { count: mine(back).length },
      unverified: { count: mine(open).filter(isUnverified).length },
    };
    holds(figures.excluded, excluded, what);
    same(await drill(figures.excluded.onHold.drill), distinct(mine(held)), figures.excluded.onHold.drill);
    const currencies = [
      ...new Set([...mine(open).map(({ now }) => now.currency), ...mine(won).map(({ currency }) => currency)]),
    ].sort();
    same(
      figures.currencies.map(({ currency }: Any) => currency),
      currencies,
      `${what} currencies`,
    );
    for (const answer of figures.currencies) {
      const here = mine(open).filter(({ now }) => now.currency === answer.currency);
      const sold = mine(won).filter(({ currency }) => currency === answer.currency);
      const dates = [...here.map(({ now }) => now.closeDate), ...sold.map(({ date }) => date)];
      const months = [...new Set(dates.map((date) => date.slice(0, 7)))].sort();
      same(
        answer.months.map(({ month }: Any) => month),
        months,
        `${what} months`,
      );
      for (const [figure, month] of [[answer, ''], ...answer.months.map((one: Any) => [one, one.month])]) {
        const inMonth = here.filter(({ now }) => now.closeDate.startsWith(month));
        const soldThen = sold.filter(({ date }) => date.startsWith(month));
        const sums = (some: readonly Expected[]) => ({
          deals: some.length,
          numerator: weighed(
            some.map(({ now }) => now),
            marketAt(asOfMs),
          ),
          denominator: some.reduce((sum, { now }) => sum + now.amountMinor, 0),
        });
        const wonMinor = soldThen.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
        const committed = inMonth.filter((one) => !isUnverified(one));
        const expectedFigures = {
          weighted: sums(inMonth),
          committed: sums(committed),
          won: { deals: soldThen.length, amountMinor: wonMinor },
          expected: { amountMinor: wonMinor + sums(inMonth).numerator },
        };
        holds(figure, expectedFigures, `${what} ${answer.currency} ${month}`);
        same(await drill(figure.open.drill), distinct(inMonth), figure.open.drill);
        same(await drill(figure.won.drill), distinct(soldThen), figure.won.drill);
        same(await drill(figure.committed.drill), distinct(committed), figure.committed.drill);
      }
    }
  };
  const body = await report('forecast', { by: 'owner', ...period });
  await judge(body.total, () => true, 'forecast total');
  const owners = [...new Set([...expected, ...sales].map(({ deal }) => String(deal.dims.owner ?? null)))];
  same(body.rows.map((row: Any) => String(row.dimensions.owner)).sort(), owners.sort(), 'forecast rows');
  for (const row of body.rows) {
    const { owner } = row.dimensions;
    await judge(row, (deal) => (deal.dims.owner ?? null) === owner, `forecast of ${owner}`);
  }
}
