import { DAY, HOUR } from './lead-histories.js';
import { STAGES, valueOf } from './money-world.js';
import type { Item, Oracle } from './oracle.js';
import { distinct, halfUp, halfUpWhole, rank, rated } from './plain-figures.js';
import { dealsOf } from './told-deals.js';
import { kindOfExit, visitsBy } from './told-leads.js';

/**
 * 7.20: r = p50(last 30 d) / p50(previous 90 d), d = conversion baseline − current, g = entries − exits for 3 weeks running. Flag if
 * n ≥ 10 and (r ≥ 1.5 or d ≥ 0.10 or all three g > 0); the bottleneck has the largest open value-days, ties by count-days.
 */

const STATES = ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'SQL', 'OPPORTUNITY'];
const NAMES = [...STATES, ...STAGES.map((stage) => `OPPORTUNITY.${stage}`)];

export const bottlenecksOracle: Oracle = {
  isBlank: ({ stages }) => stages.length === 0,
  items: (leads, { asOfMs, choices }) =>
    leads.flatMap((lead) => {
      const deals = dealsOf(lead);
      const worth = deals.flatMap((deal) => {
        const now = deal.at(asOfMs);
        return now === null ? [] : [valueOf(now, choices.currency ?? null, asOfMs)];
      });
      const states = visitsBy(lead, asOfMs)
        .filter(({ state }) => STATES.includes(state))
        .map((visit) => {
          const left = visit.exitedMs !== null && visit.exitedMs <= asOfMs ? visit.exitedMs : null;
          const forward = left !== null && kindOfExit(visit) === 'forward';
          return { dims: lead.dims, stage: visit.state, enteredMs: visit.enteredMs, exitedMs: left, forward };
        });
      const stages = deals
        .filter(({ openedMs }) => openedMs <= asOfMs)
        .flatMap((deal) =>
          deal.stays(asOfMs).map(({ enteredMs, exit, exitedMs, stage }) => {
            const forward = exit === 'won' || STAGES.indexOf(exit ?? '') > STAGES.indexOf(stage);
            return { dims: deal.dims, stage: `OPPORTUNITY.${stage}`, enteredMs, exitedMs, forward };
          }),
        );
      return [...states, ...stages].map((stay) => ({
        leadId: lead.leadId,
        atMs: 0,
        ...stay,
        value: stay.exitedMs === null ? (worth[0] ?? null) : null,
      }));
    }),
  figures: (items, { asOfMs }) => {
    const inDays = (ms: bigint): number => halfUpWhole(ms * 10_000n, BigInt(DAY)) / 10_000;
    // Of deal stages only what is lately is told.
    const isTold = ({ exitedMs, stage }: Item): boolean =>
      exitedMs === null || exitedMs > asOfMs - 120 * DAY || !stage.includes('.');
    const judged = NAMES.filter((name) => items.some((item) => item.stage === name && isTold(item))).map((name) => {
      const here = items.filter(({ stage }) => stage === name);
      const leftIn = (fromDays: number, toDays: number) =>
        here.filter(
          ({ exitedMs }) =>
            exitedMs !== null && exitedMs > asOfMs - fromDays * DAY && exitedMs <= asOfMs - toDays * DAY,
        );
      const [recent, baseline] = [leftIn(30, 0), leftIn(120, 30)];
      const halfOf = (some: readonly Item[]) =>
        rank(
          some.map(({ enteredMs, exitedMs }) => exitedMs - enteredMs),
          50,
        );
      const onward = (some: readonly Item[]) => some.filter(({ forward }) => forward);
      const window = (some: readonly Item[]) => ({
        p50: halfOf(some) === null ? null : halfUp(halfOf(some) as number, HOUR, 4),
        forward: rated(onward(some), some),
      });
      const inWeek = (ms: number | null, week: number): boolean =>
        ms !== null && ms > asOfMs - 7 * (week + 1) * DAY && ms <= asOfMs - 7 * week * DAY;
      const came = here.filter(({ enteredMs }) => [0, 1, 2].some((week) => inWeek(enteredMs, week)));
      const weeks = [0, 1, 2].map(
        (week) =>
          here.filter(({ enteredMs }) => inWeek(enteredMs, week)).length -
          here.filter(({ exitedMs }) => inWeek(exitedMs, week)).length,
      );
      const open = here.filter(({ exitedMs }) => exitedMs === null);
      const ageOf = ({ enteredMs }: Item): bigint => BigInt(asOfMs - enteredMs);
      const currencies = [...new Set<string>(open.flatMap(({ value }) => value?.currency ?? []))].sort();
      const valueMs = (currency: string | undefined): bigint =>
        open
          .filter(({ value }) => value?.currency === currency)
          .reduce((sum, item) => sum + (item.value === null ? 0n : BigInt(item.value.amountMinor) * ageOf(item)), 0n);
      const openMs = open.reduce((sum, item) => sum + ageOf(item), 0n);
      const [nowMs, beforeMs] = [halfOf(recent), halfOf(baseline)];
      const n = recent.length;
      // conversion baseline − conversion now, over the product of both numbers
      const drop = onward(baseline).length * n - onward(recent).length * baseline.length;
      const reasons = [
        ...(n >= 10 && nowMs !== null && beforeMs !== null && beforeMs > 0 && nowMs >= 1.5 * beforeMs
          ? ['slower']
          : []),
        ...(n >= 10 && baseline.length > 0 && drop * 10 >= n * baseline.length ? ['fewer_forward'] : []),
        ...(came.length >= 10 && weeks.every((net) => net > 0) ? ['growing'] : []),
      ];
      const [stage, dealStage = null] = name.split('.') as [string, string?];
      return {
        name,
        openMs,
        currencies,
        valueMs,
        figures: {
          stage,
          dealStage,
          n,
          recent: window(recent),
          baseline: window(baseline),
          ratio: nowMs === null || beforeMs === null ? null : halfUp(nowMs, beforeMs, 6),
          drop: n * baseline.length === 0 ? null : halfUp(drop, n * baseline.length, 6),
          growth: { n: came.length, weeks, leads: distinct(came) },
          open: { count: open.length, leads: distinct(open) },
          openDays: inDays(openMs),
          valueDays: currencies.map((currency) => ({ currency, amountMinorDays: inDays(valueMs(currency)) })),
          reasons,
          flagged: reasons.length > 0,
        },
      };
    });
    const currencies = new Set(judged.flatMap((one) => one.currencies));
    const rankedBy = currencies.size > 1 ? 'openDays' : 'valueDays';
    const [only] = currencies;
    const flagged = judged.filter(({ figures }) => figures.flagged);
    const precise = flagged.filter(({ name }) => name !== 'OPPORTUNITY');
    const named = flagged.some(({ figures }) => figures.dealStage !== null) ? precise : flagged;
    const weight = ({ valueMs }: (typeof judged)[number]): bigint => (rankedBy === 'openDays' ? 0n : valueMs(only));
    let worst: (typeof judged)[number] | null = null;
    for (const one of named) {
      const heavier = worst === null || weight(one) > weight(worst);
      const longer = worst !== null && weight(one) === weight(worst) && one.openMs > worst.openMs;
      if (heavier || longer) worst = one;
    }
    return {
      stages: judged.map(({ figures }) => figures),
      bottleneck: worst === null ? null : { stage: worst.figures.stage, dealStage: worst.figures.dealStage },
      rankedBy,
    };
  },
};
