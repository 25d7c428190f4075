import type { AlertFinding } from '#libs/alert/src/alert.js';
import { type AlertCondition, conditionRule } from '#libs/alert/src/alert-conditions.js';
import { LEAD_STATES, RANK, type LeadStateName } from '#libs/lead/src/states.js';
import { DEFAULT_PIPELINE_ID } from '#libs/policy/src/policy-book.js';
import { acceptanceParams, acceptanceReport, type AcceptanceFigures } from './acceptance.js';
import { balanceParams, balanceReport } from './balance.js';
import { bottlenecksParams, bottlenecksReport } from './bottlenecks.js';
import { scanClosings } from './closings.js';
import { coverageParams, coverageReport } from './coverage.js';
import { DAY_MS, rate } from './figures.js';
import { forecastParams, forecastReport } from './forecast.js';
import { scanPaths } from './path.js';
import { type ParamSpec, parseReportParams, type Query, type ReportContext } from './report-params.js';
import { requiredOpportunitiesParams, requiredOpportunitiesReport } from './required-opportunities.js';
import { markedAndAccepted, scoreQualityParams } from './score-quality.js';
import { escalatedClocks, slaParams, slaReport } from './sla.js';
import { stageBenchmarksParams, stageBenchmarksReport } from './stage-benchmarks.js';
import { staleParams, staleReport } from './stale.js';
import { stockParams, stockReport } from './stock.js';
import { velocityParams, velocityReport } from './velocity.js';
import { StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { unownedTooLong } from './work.js';

/**
 * The conditions of spec §8.5 that the reports can tell, as of now: each with the figure of the report that people would look at,
 * and the link to its leads. What has too small a sample fails nothing.
 */
export async function alertFindings(view: ReadView, context: ReportContext): Promise<AlertFinding[]> {
  const ask = new Asked(view, context);
  const leads = await leadsNow(ask);
  // One after the other: each reads much and lets others work in between.
  return [
    ...(await acceptance(ask)),
    ...(await silence(ask)),
    ...(await promises(ask)),
    ...(await stages(ask)),
    await bottleneck(ask),
    await velocity(ask),
    ...(await targets(ask, leads)),
    ...(await openValue(ask, leads)),
    inflow(ask, leads),
    orphaned(ask, leads),
    await unowned(ask),
    await decisionMakerLosses(ask),
    await scorePrecision(ask),
  ].filter((finding) => finding !== null);
}

/** Asks reports as a person would, as of now, in the default time zone. */
class Asked {
  constructor(
    readonly view: ReadView,
    readonly context: ReportContext,
  ) {}

  get nowMs(): number {
    return this.context.nowMs;
  }

  params(spec: ParamSpec, query: Query = {}) {
    return parseReportParams(spec, query, this.context);
  }

  rule(condition: AlertCondition) {
    return conditionRule(this.context.policies, condition, this.nowMs);
  }

  /** The start of the condition's window, as a query has it. */
  from(condition: AlertCondition): { from: string } {
    return { from: iso(this.nowMs - this.rule(condition).windowDays * DAY_MS) };
  }

  finding(
    condition: AlertCondition,
    figure: Pick<AlertFinding, 'value' | 'n' | 'text'> & Partial<AlertFinding> & { readonly fails: boolean },
  ): AlertFinding {
    const { sample, threshold, windowDays } = this.rule(condition);
    const { fails, ...rest } = figure;
    return {
      key: condition,
      condition,
      threshold,
      windowDays,
      drill: null,
      ...rest,
      failing: fails && figure.n >= sample,
    };
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
const list = (counts: readonly (readonly [string, number])[]): string =>
  counts.length === 0 ? 'none named' : counts.map(([name, n]) => `${name} (${n})`).join(', ');
const MOST_NAMED = 3;
/** Half a ten-thousandth keeps comparisons of decimals from their last bit. */
const PLACES = 10_000;
const whole = (share: number): number => Math.round(share * PLACES);

/** All handoffs, and each team's by itself where there are several (7.5). */
async function acceptance(ask: Asked): Promise<AlertFinding[]> {
  const { policies } = ask.context;
  const params = ask.params(acceptanceParams, { ...ask.from('acceptance'), by: 'team' });
  const { rows, total } = await acceptanceReport(ask.view, params);
  const set = policies.benchmark('alert.acceptance', undefined, ask.nowMs);
  const targetOf = (teamId: string | null): number =>
    set ??
    (teamId === null ? null : policies.agreementForTeam(teamId, ask.nowMs)?.acceptanceTarget) ??
    ask.rule('acceptance').threshold;
  const usual = policies.pipelineById(DEFAULT_PIPELINE_ID, ask.nowMs)?.defaultTeamId ?? null;
  const judged = (figures: AcceptanceFigures, team: string | null): AlertFinding => {
    const { numerator, denominator, rate: value, drillDenominator } = figures.acceptance;
    const threshold = targetOf(team ?? usual);
    const reasons = figures.rejectionReasons.slice(0, MOST_NAMED);
    const criteria = figures.failedCriteria.slice(0, MOST_NAMED);
    const whose = team === null ? 'Sales' : `Team ${team}`;
    return ask.finding('acceptance', {
      key: team === null ? 'acceptance' : `acceptance.${team}`,
      value,
      threshold,
      n: denominator,
      fails: numerator * PLACES < whole(threshold) * denominator,
      text:
        `${whose} accepted ${numerator} of ${denominator} decided handoffs of the last 30 days (${percent(value ?? 0)}), ` +
        `agreed are ${percent(threshold)}: miscommunication or conflict between marketing and sales. ` +
        `Top rejection reasons: ${list(reasons.map((one) => [one.reasonCode, one.numerator]))}. ` +
        `Failed criteria: ${list(criteria.map((one) => [one.ruleId, one.numerator]))}.`,
      drill: drillDenominator,
    });
  };
  const teams = rows.length > 1 ? rows.filter(({ dimensions }) => dimensions.team !== null) : [];
  return [judged(total, null), ...teams.map((row) => judged(row, row.dimensions.team as string))];
}

/** Stale leads of all, and those that wait in MQL (7.19). */
async function silence(ask: Asked): Promise<AlertFinding[]> {
  const { total } = await staleReport(ask.view, ask.params(staleParams, { limit: '1' }), ask.context);
  const open = total.stale.denominator;
  const share = (condition: 'stale_share' | 'mql_stuck', stale: number, drill: string, text: string) => {
    const { threshold } = ask.rule(condition);
    const fails = stale * PLACES > whole(threshold) * open;
    return ask.finding(condition, { value: rate(stale, open), n: open, fails, drill, text });
  };
  const inMql = total.stages.find(({ state }) => state === 'MQL')?.stale;
  return [
    share(
      'stale_share',
      total.stale.numerator,
      total.stale.drill,
      `Nothing is done about ${total.stale.numerator} of ${open} open leads.`,
    ),
    share(
      'mql_stuck',
      inMql?.numerator ?? 0,
      inMql?.drill ?? total.stale.drill,
      `${inMql?.numerator ?? 0} of ${open} open leads are stuck in MQL beyond its limit.`,
    ),
  ];
}

/** Promises broken, and what has been escalated (7.6, §6.5). */
async function promises(ask: Asked): Promise<AlertFinding[]> {
  // What falls due later is no promise of this window.
  const query = { ...ask.from('sla_attainment'), to: iso(ask.nowMs + 1) };
  const { total } = await slaReport(ask.view, ask.params(slaParams, query));
  const { threshold } = ask.rule('sla_attainment');
  const kept = total.clocks.map(({ attainment, clockType }) => {
    const { denominator, drillDenominator, numerator, rate: value } = attainment;
    return ask.finding('sla_attainment', {
      key: `sla_attainment.${clockType}`,
      value,
      n: denominator,
      fails: numerator * PLACES < whole(threshold) * denominator,
      drill: drillDenominator,
      text: `${numerator} of ${denominator} promises of ${clockType} in the last 30 days were kept.`,
    });
  });
  const escalated = await escalatedClocks(ask.view);
  const byType = new Map<string, number>();
  for (const { clockType } of escalated) byType.set(clockType, (byType.get(clockType) ?? 0) + 1);
  const limit = ask.rule('breach_escalation').threshold;
  return [
    ...kept,
    ask.finding('breach_escalation', {
      value: escalated.length,
      n: escalated.length,
      fails: escalated.length > limit,
      drill: '/v1/sla/clocks?filter[status]=breached',
      text: `Broken promises that nobody has made good are escalated: ${list([...byType])}.`,
    }),
  ];
}

/** Stages from which fewer deals are won than their benchmark says (7.18). */
async function stages(ask: Asked): Promise<AlertFinding[]> {
  const params = ask.params(stageBenchmarksParams, ask.from('stage_benchmark'));
  const { total } = await stageBenchmarksReport(ask.view, params, ask.context);
  return total.stages.flatMap(({ below, benchmark, stage, winRate }) =>
    benchmark === null
      ? []
      : ask.finding('stage_benchmark', {
          key: `stage_benchmark.${stage}`,
          value: winRate.rate,
          threshold: benchmark,
          n: winRate.denominator,
          fails: below === true,
          drill: winRate.drillDenominator,
          text: `${winRate.numerator} of ${winRate.denominator} deals that entered ${stage} were won, the benchmark is ${percent(benchmark)}.`,
        }),
  );
}

/** The stage that holds the others up (7.20); another one is another alert. */
async function bottleneck(ask: Asked): Promise<AlertFinding | null> {
  const { total } = await bottlenecksReport(ask.view, ask.params(bottlenecksParams), ask.context);
  const worst = total.bottleneck;
  if (worst === null) return null;
  const flow = total.stages.find(({ dealStage, stage }) => stage === worst.stage && dealStage === worst.dealStage);
  if (flow === undefined) return null;
  const name = worst.dealStage ?? worst.stage;
  return ask.finding('bottleneck', {
    key: `bottleneck.${name}`,
    value: flow.openDays,
    // Its own rules have judged the sample.
    n: flow.reasons.every((reason) => reason === 'growing') ? flow.growth.n : flow.n,
    fails: flow.openDays > ask.rule('bottleneck').threshold,
    drill: flow.open.drill,
    text: `${name} holds up ${flow.open.count} open ones: ${flow.reasons.join(', ').replaceAll('_', ' ')}.`,
  });
}

/** Fewer newly qualified leads in each of the last two whole months (7.9). */
async function velocity(ask: Asked): Promise<AlertFinding | null> {
  const now = new Date(ask.nowMs);
  const monthStart = (back: number): string =>
    iso(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1)).slice(0, 10);
  const params = ask.params(velocityParams, { from: monthStart(2), to: monthStart(0), tz: 'UTC' });
  const { rows } = await velocityReport(ask.view, params, ask.context);
  const months = rows.map((row) => (row as unknown as { velocity: { rate: number | null; drill: string } }).velocity);
  const last = months[months.length - 1];
  if (months.length !== 2 || last === undefined) return null;
  const { threshold } = ask.rule('velocity');
  return ask.finding('velocity', {
    value: last.rate,
    n: months.filter(({ rate: growth }) => growth !== null).length,
    fails: months.every(({ rate: growth }) => growth !== null && growth < threshold),
    drill: last.drill,
    text: `Fewer leads qualified in each of the last two months: ${months.map(({ rate: growth }) => (growth === null ? 'none before' : percent(growth))).join(', then ')}.`,
  });
}

/** The smallest period around now that a revenue target is set for, as a report's query has it. */
function targetPeriod({ context, nowMs }: Asked): Query | null {
  const now = new Date(nowMs);
  const year = now.getUTCFullYear();
  const month = now.getUTCMonth();
  const quarter = Math.floor(month / 3);
  const start = (at: number): string => iso(Date.UTC(year, at, 1)).slice(0, 10);
  const periods = [
    [start(month).slice(0, 7), month, 1],
    [`${year}-Q${quarter + 1}`, quarter * 3, 3],
    [`${year}`, 0, 12],
  ] as const;
  const set = periods.find(([name]) => context.policies.target(name, 'all', nowMs) !== null);
  return set === undefined ? null : { from: start(set[1]), to: start(set[1] + set[2]), tz: 'UTC' };
}

/** Whether what is open is enough for the target (7.16, 7.17). */
async function targets(ask: Asked, leads: LeadsNow): Promise<AlertFinding[]> {
  const period = targetPeriod(ask);
  if (period === null) return [];
  const covered = await coverageReport(ask.view, ask.params(coverageParams, period), ask.context);
  const { raw } = covered.total;
  const limit = ask.rule('coverage').threshold;
  const coverage = ask.finding('coverage', {
    value: raw.rate,
    n: leads.opportunities,
    fails: raw.rate !== null && raw.rate < limit,
    drill: raw.drill,
    text: `Open deals are worth ${raw.numerator} of ${raw.denominator} minor units still to be won in the period.`,
  });
  const required = await requiredOpportunitiesReport(
    ask.view,
    ask.params(requiredOpportunitiesParams, period),
    ask.context,
  );
  const needed = required.total.requiredByWinRate.forGap;
  if (needed === null || needed === 0) return [coverage, ask.finding('qualified_stock', NOTHING_NEEDED)];
  const value = rate(leads.qualified, needed);
  return [
    coverage,
    ask.finding('qualified_stock', {
      value,
      n: leads.qualified,
      fails: (value ?? 0) < ask.rule('qualified_stock').threshold,
      drill: '/v1/leads?filter[state]=SQL&filter[state]=OPPORTUNITY',
      text: `${leads.qualified} leads are qualified, the rest of the target takes ${needed} opportunities.`,
    }),
  ];
}
const NOTHING_NEEDED = { value: null, n: 0, fails: false, text: 'Nothing is left to be won.' };

/** What is open: on one horizon only (7.23), or of amounts that nobody has verified (EP-13). */
async function openValue(ask: Asked, leads: LeadsNow): Promise<AlertFinding[]> {
  const balance = await balanceReport(ask.view, ask.params(balanceParams, { from: iso(ask.nowMs) }), ask.context);
  const horizons = balance.horizon.total.currencies.flatMap(({ currency, long, short }) => [
    { currency, name: 'short', figure: short },
    { currency, name: 'long', figure: long },
  ]);
  const [widest] = horizons.sort((a, b) => (b.figure.rate ?? 0) - (a.figure.rate ?? 0));
  const findings: AlertFinding[] = [];
  if (widest !== undefined) {
    const { currency, figure, name } = widest;
    findings.push(
      ask.finding('one_horizon', {
        value: figure.rate,
        n: leads.opportunities,
        fails: (figure.rate ?? 0) > ask.rule('one_horizon').threshold,
        drill: figure.drill,
        text: `${percent(figure.rate ?? 0)} of the open value in ${currency} is on the ${name} horizon.`,
      }),
    );
  }
  const { total } = await forecastReport(ask.view, ask.params(forecastParams), ask.context);
  const shares = total.currencies.map(({ committed, currency, open }) => ({
    currency,
    open,
    value: rate(open.amountMinor - committed.denominator, open.amountMinor),
  }));
  const [worst] = shares.sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  if (worst !== undefined) {
    findings.push(
      ask.finding('unverified_value', {
        value: worst.value,
        n: worst.open.deals,
        fails: (worst.value ?? 0) > ask.rule('unverified_value').threshold,
        drill: total.excluded.unverified.drill,
        text: `${percent(worst.value ?? 0)} of the open value in ${worst.currency} has been unverified for over 30 days.`,
      }),
    );
  }
  return findings;
}

interface LeadsNow {
  readonly lastCaptureMs: number | null;
  readonly opportunities: number;
  readonly qualified: number;
  /** Open leads of owners who have left. */
  readonly orphans: ReadonlyMap<string, number>;
}

/** Nobody works on these any more; customers are still looked after. */
const AT_REST: ReadonlySet<LeadStateName> = new Set(['LOST', 'DISQUALIFIED', 'JUNK', 'MERGED']);

/** What several conditions need of every lead: by owner and lead type, as the stock is kept anyway. */
async function leadsNow(ask: Asked): Promise<LeadsNow> {
  const { context, nowMs, view } = ask;
  const stages = new StagePolicies(context.policies, nowMs);
  const orphans = new Map<string, number>();
  let opportunities = 0;
  let qualified = 0;
  const { rows, total } = await stockReport(view, ask.params(stockParams, { by: 'owner,leadType' }));
  for (const { dimensions, states } of rows) {
    const { leadType = null, owner = null } = dimensions;
    const asked = RANK[stages.pipeline(leadType)?.qualifiedStage ?? 'SQL'];
    const gone = owner !== null && context.policies.departureMs(owner, nowMs) !== null;
    for (const state of LEAD_STATES) {
      const { count } = states[state];
      if (state === 'OPPORTUNITY') opportunities += count;
      if (state !== 'CUSTOMER' && RANK[state] >= asked) qualified += count;
      if (gone && count > 0 && !AT_REST.has(state)) orphans.set(owner, (orphans.get(owner) ?? 0) + count);
    }
  }
  const lastCaptureMs = total.leads.count === 0 ? null : await lastCapture(ask);
  return { lastCaptureMs, opportunities, qualified, orphans };
}

/** A new lead of the last days lies among those that changed in them. */
const RECENT_DAYS = 14;

async function lastCapture(ask: Asked): Promise<number | null> {
  const everything = parseReportParams({ report: 'alerts' }, {}, ask.context);
  for (const sinceMs of [ask.nowMs - RECENT_DAYS * DAY_MS, null]) {
    let lastMs: number | null = null;
    await scanPaths(ask.view, everything, sinceMs, ({ visits: [capture] }) => {
      if (capture !== undefined) lastMs = Math.max(lastMs ?? -Infinity, capture.enteredMs);
    });
    if (lastMs !== null && lastMs >= (sinceMs ?? -Infinity)) return lastMs;
  }
  return null;
}

/** Working days since the last new lead, by the calendar `weekdays`, a full day of which is 24 hours. */
function inflow(ask: Asked, { lastCaptureMs }: LeadsNow): AlertFinding | null {
  const calendar = ask.context.policies.calendarInForce('weekdays', ask.nowMs);
  if (calendar === null || lastCaptureMs === null) return null;
  const { threshold } = ask.rule('inflow_gap');
  // Beyond a year it does not matter how long: counting on would build the calendar of every year in between.
  const sinceMs = Math.max(lastCaptureMs, ask.nowMs - 366 * DAY_MS);
  const openS = lastCaptureMs > ask.nowMs ? 0 : calendar.openBetween(sinceMs, ask.nowMs);
  const days = Math.round((openS / 86_400) * PLACES) / PLACES;
  return ask.finding('inflow_gap', {
    value: days,
    n: 1,
    fails: openS >= threshold * 86_400,
    text: `No new lead for ${Math.floor(days)} working days; the last came ${iso(lastCaptureMs)}.`,
  });
}

function orphaned(ask: Asked, { orphans }: LeadsNow): AlertFinding {
  const n = [...orphans.values()].reduce((sum, count) => sum + count, 0);
  return ask.finding('orphaned_leads', {
    value: n,
    n,
    fails: n > ask.rule('orphaned_leads').threshold,
    drill: '/v1/leads?filter[orphaned]=true',
    text: `${n} open leads belong to people who have left: ${list([...orphans])}.`,
  });
}

/** Leads offered to a team that nobody has taken in time (spec §9.8). */
async function unowned(ask: Asked): Promise<AlertFinding> {
  const n = (await unownedTooLong(ask.view, ask.nowMs)).length;
  return ask.finding('unowned_leads', {
    value: n,
    n,
    fails: n > ask.rule('unowned_leads').threshold,
    drill: '/v1/leads?filter[unowned]=true',
    text: `${n} leads have been offered for over an hour, and nobody has them.`,
  });
}

/** Whether more deals are lost because the decision maker left than in as long a time before (7.12). */
async function decisionMakerLosses(ask: Asked): Promise<AlertFinding | null> {
  const { windowDays, threshold } = ask.rule('decision_maker_losses');
  const middleMs = ask.nowMs - windowDays * DAY_MS;
  const counts = { now: { lost: 0, left: 0 }, before: { lost: 0, left: 0 } };
  const params = parseReportParams(
    { report: 'win-rate', period: true },
    { from: iso(middleMs - windowDays * DAY_MS) },
    ask.context,
  );
  await scanClosings(ask.view, params, ({ closedMs, kind, reason }) => {
    if (kind !== 'lost') return;
    const count = closedMs >= middleMs ? counts.now : counts.before;
    count.lost += 1;
    if (reason === 'decision_maker_left') count.left += 1;
  });
  const { before, now } = counts;
  if (before.lost === 0 || now.lost === 0) return null;
  const rise = now.left * before.lost - before.left * now.lost;
  return ask.finding('decision_maker_losses', {
    value: rate(rise, now.lost * before.lost),
    n: Math.min(now.lost, before.lost),
    fails: rise * PLACES >= whole(threshold) * now.lost * before.lost,
    drill: `/v1/reports/loss-reasons?from=${encodeURIComponent(iso(middleMs))}`,
    text: `${now.left} of ${now.lost} deals lost in ${windowDays} days were lost because the decision maker left; before it was ${before.left} of ${before.lost}.`,
  });
}

/** Whether fewer of the leads that the score marks are accepted than of those captured in as long a time before (7.24). */
async function scorePrecision(ask: Asked): Promise<AlertFinding | null> {
  const { threshold, windowDays } = ask.rule('score_precision');
  const middle = iso(ask.nowMs - windowDays * DAY_MS);
  const before = await markedAndAccepted(
    ask.view,
    ask.params(scoreQualityParams, { from: iso(ask.nowMs - 2 * windowDays * DAY_MS), to: middle }),
  );
  const now = await markedAndAccepted(ask.view, ask.params(scoreQualityParams, { from: middle }));
  if (before.marked === 0 || now.marked === 0) return null;
  const drop = before.accepted * now.marked - now.accepted * before.marked;
  return ask.finding('score_precision', {
    value: rate(drop, before.marked * now.marked),
    n: Math.min(before.marked, now.marked),
    fails: drop * PLACES >= whole(threshold) * before.marked * now.marked,
    drill: `/v1/reports/score-quality?from=${encodeURIComponent(middle)}`,
    text: `Sales accepted ${now.accepted} of ${now.marked} leads marked by the score and captured in ${windowDays} days; before it was ${before.accepted} of ${before.marked}.`,
  });
}
