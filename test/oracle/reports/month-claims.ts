import { type Claimed, isIn } from './claim.js';
import { holds, same } from './claims.js';
import { dateOf, periodLabel } from './compare.js';
import { DAY, iso } from './lead-histories.js';
import { reached, unitsOf } from './oracle.js';
import { distinct } from './plain-figures.js';
import { type Any, closingsOf, visitsBy } from './told-leads.js';

/** 7.9, 7.10, 7.32: reports whose rows are months beside the month before. */

/** The month before a month, and the one after it, as labels. */
const monthBefore = (label: string): string => iso(Date.parse(`${label}-01`) - DAY).slice(0, 7);
const monthAfter = (label: string): string => iso(Date.parse(`${label}-01`) + 31 * DAY).slice(0, 7);

/** The first strict entries of each local month against the month before. */
export async function velocityClaim({
  asOfMs,
  drill,
  leads,
  period,
  question: { tz },
  report,
}: Claimed): Promise<void> {
  const firsts = leads.flatMap((lead) => {
    const first = visitsBy(lead, asOfMs).find(({ state }) => state === 'SQL');
    if (first === undefined) return [];
    return { leadId: lead.leadId, month: periodLabel(first.enteredMs, 'month', tz), owner: lead.dims.owner };
  });
  const { rows, total } = await report('velocity', { ...period, by: 'owner' });
  const earliest = firsts.map(({ month }) => month).sort()[0];
  const begin = period.from?.slice(0, 7) ?? earliest;
  const present = periodLabel(asOfMs, 'month', tz);
  const lastDay = period.to === undefined ? null : iso(Date.parse(period.to) - DAY).slice(0, 7);
  const end = lastDay === null || lastDay > present ? present : lastDay;
  const months: string[] = [];
  const startsLater = period.from !== undefined && period.from > dateOf(asOfMs, tz);
  if (begin !== undefined && !startsLater) for (let m = begin; m <= end; m = monthAfter(m)) months.push(m);
  const owners = [...new Set(firsts.map(({ owner }) => owner))];
  same(
    rows.map((row: Any) => `${row.dimensions.period} ${row.dimensions.owner}`).sort(),
    owners.flatMap((owner) => months.map((month) => `${month} ${owner}`)).sort(),
    'velocity rows',
  );
  for (const { dimensions, ...row } of rows) {
    const own = firsts.filter(({ owner }) => owner === dimensions.owner);
    const now = own.filter(({ month }) => month === dimensions.period);
    const then = own.filter(({ month }) => month === monthBefore(dimensions.period));
    const delta = now.length - then.length;
    const expected = {
      qualified: { count: now.length },
      previous: { count: then.length },
      delta,
      percent: then.length === 0 ? null : Math.round((1e6 * delta) / then.length) / 1e4,
    };
    holds(row, expected, `velocity ${JSON.stringify(dimensions)}`);
    same(await drill(row.qualified.drill), distinct(now), row.qualified.drill);
    same(await drill(row.previous.drill), distinct(then), row.previous.drill);
  }
  const all = firsts.filter(({ month }) => months.includes(month));
  same(total.qualified.count, all.length, 'velocity total');
  same(await drill(total.qualified.drill), distinct(all), total.qualified.drill);
}

/** By lead and by cycle, and what is still open of it. */
export async function qualifiedClaim(claimed: Claimed): Promise<void> {
  const { asOfMs, drill, leads, period, question, report } = claimed;
  const { basis, mode, tz } = question;
  const isOpen = new Set(['SQL', 'OPPORTUNITY']);
  const open = leads.filter((lead) => isOpen.has(visitsBy(lead, asOfMs).at(-1)?.state ?? ''));
  const qualified = leads.flatMap((lead) =>
    unitsOf(lead, { asOfMs, choices: { basis } }).flatMap((unit) => {
      const atMs = reached(unit, 'SQL', mode);
      if (atMs === null || !isIn(period, dateOf(atMs, tz))) return [];
      return [{ leadId: lead.leadId, open: open.includes(lead) && unit.at(-1) === visitsBy(lead, asOfMs).at(-1) }];
    }),
  );
  const stillOpen = qualified.filter((one) => one.open);
  const { total } = await report('qualified', { ...period, basis, mode, by: 'source' });
  const expected = {
    qualified: { count: qualified.length },
    stillOpen: { numerator: stillOpen.length, denominator: qualified.length },
    openStock: { count: open.length },
  };
  holds(total, expected, 'qualified');
  same(await drill(total.qualified.drill), distinct(qualified), total.qualified.drill);
  same(await drill(total.stillOpen.drill), distinct(stillOpen), total.stillOpen.drill);
  same(await drill(total.openStock.drill), distinct(open), total.openStock.drill);
}

/** What was won in each month and in the one before. */
export async function revenueClaim({ asOfMs, drill, leads, period, question: { tz }, report }: Claimed): Promise<void> {
  const sales = leads.flatMap((lead) =>
    closingsOf(lead)
      .filter(({ closedMs, kind }) => kind === 'won' && closedMs <= asOfMs)
      .map(({ amount, closedMs }) => ({ leadId: lead.leadId, amount, closedMs })),
  );
  const { rows, total } = await report('revenue', { groupBy: 'month' });
  const monthOf = ({ closedMs }: { closedMs: number }): string => periodLabel(closedMs, 'month', tz);
  const soldIn = (month: string, currency: string) => {
    const here = sales.filter((sale) => sale.amount?.currency === currency && monthOf(sale) === month);
    return { here, deals: here.length, amountMinor: here.reduce((sum, { amount }) => sum + amount.amountMinor, 0) };
  };
  const labels = new Set(rows.map((row: Any) => row.dimensions.period));
  for (const sale of sales) same(labels.has(monthOf(sale)), true, `revenue row of ${monthOf(sale)}`);
  for (const { currencies, dimensions } of rows) {
    const sold = sales.filter((sale) => sale.amount !== null && monthOf(sale) === dimensions.period);
    for (const { amount } of sold)
      same(
        currencies.some(({ currency }: Any) => currency === amount.currency),
        true,
        `revenue in ${amount.currency}`,
      );
    for (const { currency, growth, previous, won } of currencies) {
      const { here, ...now } = soldIn(dimensions.period, currency);
      const { here: earlier, ...then } = soldIn(monthBefore(dimensions.period), currency);
      holds([won, previous], [now, then], `revenue ${dimensions.period} ${currency}`);
      const rate =
        then.amountMinor === 0
          ? null
          : Math.floor((1e6 * (now.amountMinor - then.amountMinor)) / then.amountMinor + 0.5) / 1e6;
      same(growth.rate, rate, `revenue growth ${dimensions.period} ${currency}`);
      same(await drill(won.drill), distinct(here), won.drill);
      same(await drill(previous.drill), distinct(earlier), previous.drill);
    }
  }
  const deals = (figures: Any): number => figures.currencies.reduce((sum: number, { won }: Any) => sum + won.deals, 0);
  const known = sales.filter(({ amount }) => amount !== null);
  same(deals(total), known.length, 'revenue total');
  same(total.withoutAmount.count, sales.length - known.length, 'revenue without amount');
  const within = known.filter(({ closedMs }) => isIn(period, dateOf(closedMs, tz)));
  same(deals((await report('revenue', period)).total), within.length, 'revenue of the period');
}
