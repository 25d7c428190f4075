import type { LeadStateName } from '#libs/lead/src/states.js';
import { scanDeals } from './deals.js';
import type { Dims } from './dimensions.js';
import { DAY_MS, HOUR_MS, percentile, quotient, rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, type RateFigure } from './grouping.js';
import { Exchange, reportingCurrency } from './money.js';
import { exitKind, scanPaths } from './path.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { targetOf } from './targets.js';

/**
 * Spec 7.20, as of asOf. Per stage: how much longer it takes than before (p50 of the visits left in the last 30 days over that
 * of the 90 days before), how many fewer go forward (of the same visits), and whether more came than left in each of the
 * last three times seven days. Windows end at asOf, it included. OPPORTUNITY is told as a whole and by deal stage.
 */
export const bottlenecksParams: ParamSpec = { report: 'bottlenecks', by: true, texts: ['currency'] };

const RECENT_DAYS = 30;
const BASELINE_DAYS = 90;
const WEEKS = 3;
const SAMPLE = 10;

/** The states a lead moves through; who is in no other is on his way nowhere. */
const STATES = [
  'SUBSCRIBER',
  'LEAD',
  'PROSPECT',
  'MQL',
  'SAL',
  'SQL',
  'OPPORTUNITY',
] as const satisfies LeadStateName[];
const isStage = (state: string): boolean => (STATES as readonly string[]).includes(state);

export interface Window {
  /** Hours. */
  readonly p50: number | null;
  /** Of the visits left, those left forward. */
  readonly forward: RateFigure;
}

export interface StageFlow {
  readonly stage: (typeof STATES)[number];
  /** In OPPORTUNITY; null: OPPORTUNITY as a whole. */
  readonly dealStage: string | null;
  /** Visits left in the last 30 days: the sample of ratio and drop. */
  readonly n: number;
  readonly recent: Window;
  readonly baseline: Window;
  /** p50 recent / p50 baseline; null where there is nothing to compare. */
  readonly ratio: number | null;
  /** Share forward baseline − recent. */
  readonly drop: number | null;
  /** The last seven days first. */
  readonly growth: { readonly n: number; readonly weeks: readonly number[]; readonly drill: string };
  readonly open: CountFigure;
  /** Days that the open ones have been there, summed. */
  readonly openDays: number;
  /** Amount · days, one figure a currency. */
  readonly valueDays: readonly { readonly currency: string; readonly amountMinorDays: number }[];
  readonly reasons: readonly ('slower' | 'fewer_forward' | 'growing')[];
  readonly flagged: boolean;
}

export interface BottleneckFigures {
  readonly stages: readonly StageFlow[];
  /** The flagged stage with most value-days, then most days. Null: none is flagged. */
  readonly bottleneck: { readonly stage: string; readonly dealStage: string | null } | null;
  /** `openDays` where open amounts are in several currencies, which have no common sum. */
  readonly rankedBy: 'valueDays' | 'openDays';
}

class Flow {
  readonly recent: number[] = [];
  readonly baseline: number[] = [];
  recentForward = 0;
  baselineForward = 0;
  readonly entries = [0, 0, 0];
  readonly exits = [0, 0, 0];
  open = 0;
  openMs = 0n;
  readonly valueMs = new Map<string, bigint>();
}

interface Stay {
  readonly leadId: string;
  readonly dims: Dims;
  readonly stage: string;
  readonly enteredMs: number;
  readonly exitedMs: number | null;
  readonly forward: boolean;
}

interface OpenValue {
  readonly amountMinor: number;
  readonly currency: string;
}

/** Every stay in a stage that a figure of the report may count, and the value behind the open ones. */
async function scanStays(
  view: ReadView,
  params: ReportParams,
  stages: StagePolicies,
  valueOf: (amountMinor: number, currency: string | null) => OpenValue,
  use: (stay: Stay, value: OpenValue | null) => void,
): Promise<void> {
  const { asOfMs } = params;
  const sinceMs = asOfMs - (RECENT_DAYS + BASELINE_DAYS) * DAY_MS;
  const values = new Map<string, OpenValue>();
  await scanDeals(view, params, sinceMs, (deal) => {
    const now = deal.at(asOfMs);
    const value = now === null ? null : valueOf(now.amountMinor, deal.currency);
    if (value !== null) values.set(deal.leadId, value);
    const place = (stage: string): number =>
      stages.pipeline(deal.leadType)?.dealStages.find(({ code }) => code === stage)?.order ?? 0;
    for (const span of deal.stagesBy(asOfMs)) {
      const forward = span.exit === 'won' || (span.exit === 'stage' && place(span.to as string) > place(span.stage));
      use(
        { leadId: deal.leadId, dims: deal.dims, ...span, stage: `OPPORTUNITY.${span.stage}`, forward },
        span.exitedMs === null ? value : null,
      );
    }
  });
  await scanPaths(view, params, null, ({ dims, leadId, visits }) => {
    visits.forEach((visit, index) => {
      if (!isStage(visit.state)) return;
      const next = visits[index + 1];
      const stay = {
        leadId,
        dims,
        stage: visit.state,
        enteredMs: visit.enteredMs,
        exitedMs: next?.enteredMs ?? null,
        forward: next !== undefined && exitKind(visit, next) === 'forward',
      };
      use(stay, next === undefined ? (values.get(leadId) ?? null) : null);
    });
  });
}

/** 0: the last seven days, 1 and 2 those before; -1: longer ago. */
const weekOf = (asOfMs: number, atMs: number): number => {
  const week = Math.floor((asOfMs - atMs) / (7 * DAY_MS));
  return week < WEEKS ? week : -1;
};
const windowOf = (asOfMs: number, atMs: number): 'recent' | 'baseline' | null => {
  if (atMs > asOfMs - RECENT_DAYS * DAY_MS) return 'recent';
  return atMs > asOfMs - (RECENT_DAYS + BASELINE_DAYS) * DAY_MS ? 'baseline' : null;
};

export async function bottlenecksReport(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const { asOfMs } = params;
  const stages = new StagePolicies(policies, asOfMs);
  const reporting = reportingCurrency(params, targetOf(policies, params, 'all')?.currency ?? null);
  const exchange = new Exchange(policies, reporting, asOfMs);
  const groups = new Groups<Map<string, Flow>>(params, () => new Map());
  const count = (flows: Map<string, Flow>, stay: Stay, value: OpenValue | null): void => {
    let flow = flows.get(stay.stage);
    if (flow === undefined) flows.set(stay.stage, (flow = new Flow()));
    const came = weekOf(asOfMs, stay.enteredMs);
    if (came >= 0) flow.entries[came] = (flow.entries[came] as number) + 1;
    if (stay.exitedMs === null) {
      const ageMs = BigInt(asOfMs - stay.enteredMs);
      flow.open += 1;
      flow.openMs += ageMs;
      if (value === null) return;
      const before = flow.valueMs.get(value.currency) ?? 0n;
      flow.valueMs.set(value.currency, before + BigInt(value.amountMinor) * ageMs);
      return;
    }
    const left = weekOf(asOfMs, stay.exitedMs);
    if (left >= 0) flow.exits[left] = (flow.exits[left] as number) + 1;
    const window = windowOf(asOfMs, stay.exitedMs);
    if (window === null) return;
    flow[window].push(stay.exitedMs - stay.enteredMs);
    if (stay.forward) flow[`${window}Forward`] += 1;
  };
  await scanStays(
    view,
    params,
    stages,
    (amountMinor, currency) => exchange.open(amountMinor, currency),
    (stay, value) => {
      count(groups.total, stay, value);
      const row = groups.of(stay.dims, 0);
      if (row !== null) count(row, stay, value);
    },
  );
  const dealStages = stages.inOrder(
    [...groups.total.keys()].filter((name) => name.startsWith('OPPORTUNITY.')).map((name) => name.slice(12)),
  );
  const names = [...STATES, ...dealStages.map((stage) => `OPPORTUNITY.${stage}`)];
  return {
    unit: 'hours',
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, names) })),
    total: figures(groups.total, params, names),
  };
}

function figures(flows: ReadonlyMap<string, Flow>, params: ReportParams, names: readonly string[]): BottleneckFigures {
  const stages = names.flatMap((name) => {
    const flow = flows.get(name);
    return flow === undefined ? [] : [{ name, flow, figures: stageFlow(name, flow, params) }];
  });
  const currencies = new Set(stages.flatMap(({ flow }) => [...flow.valueMs.keys()]));
  const rankedBy = currencies.size > 1 ? 'openDays' : 'valueDays';
  const [currency] = currencies;
  const valueMs = (flow: Flow): bigint =>
    rankedBy === 'openDays' || currency === undefined ? 0n : (flow.valueMs.get(currency) ?? 0n);
  const flagged = stages.filter(({ figures: { flagged: is } }) => is);
  const byDealStage = flagged.some(({ name }) => name.startsWith('OPPORTUNITY.'));
  const [worst] = flagged
    // Where a deal stage is to blame, naming OPPORTUNITY would say less.
    .filter(({ name }) => !byDealStage || name !== 'OPPORTUNITY')
    .sort((a, b) => compare(valueMs(b.flow), valueMs(a.flow)) || compare(b.flow.openMs, a.flow.openMs));
  return {
    stages: stages.map((stage) => stage.figures),
    bottleneck: worst === undefined ? null : { stage: worst.figures.stage, dealStage: worst.figures.dealStage },
    rankedBy,
  };
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const inDays = (sum: bigint): number => Number((2n * sum * 10_000n + BigInt(DAY_MS)) / (2n * BigInt(DAY_MS))) / 10_000;

function stageFlow(name: string, flow: Flow, params: ReportParams): StageFlow {
  const link = drillLinks(params);
  const half = (values: readonly number[]): number | null => percentile(Float64Array.from(values).sort(), 50);
  const window = (values: readonly number[], numerator: number, figure: string): Window => {
    const p50 = half(values);
    return {
      p50: p50 === null ? null : quotient(p50, HOUR_MS, 4),
      forward: {
        numerator,
        denominator: values.length,
        rate: rate(numerator, values.length),
        drill: link(`${figure}Forward.${name}`),
        drillDenominator: link(`${figure}.${name}`),
      },
    };
  };
  const recent = half(flow.recent);
  const baseline = half(flow.baseline);
  const n = flow.recent.length;
  const before = flow.baseline.length;
  // (baselineForward · n − recentForward · before) / (n · before), in whole numbers.
  const fewer = flow.baselineForward * n - flow.recentForward * before;
  const weeks = flow.entries.map((came, week) => came - (flow.exits[week] as number));
  const came = flow.entries.reduce((sum, entries) => sum + entries, 0);
  const slower = recent !== null && baseline !== null && baseline > 0 && 2 * recent >= 3 * baseline;
  const reasons: StageFlow['reasons'][number][] = [];
  if (n >= SAMPLE && slower) reasons.push('slower');
  if (n >= SAMPLE && before > 0 && 10 * fewer >= n * before) reasons.push('fewer_forward');
  if (came >= SAMPLE && weeks.every((net) => net > 0)) reasons.push('growing');
  const dot = name.indexOf('.');
  return {
    stage: (dot < 0 ? name : name.slice(0, dot)) as StageFlow['stage'],
    dealStage: dot < 0 ? null : name.slice(dot + 1),
    n,
    recent: window(flow.recent, flow.recentForward, 'recent'),
    baseline: window(flow.baseline, flow.baselineForward, 'baseline'),
    ratio: recent === null || baseline === null ? null : rate(recent, baseline),
    drop: n === 0 || before === 0 ? null : rate(fewer, n * before),
    growth: { n: came, weeks, drill: link(`came.${name}`) },
    open: { count: flow.open, drill: link(`open.${name}`) },
    openDays: inDays(flow.openMs),
    valueDays: [...flow.valueMs]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([currency, sum]) => ({ currency, amountMinorDays: inDays(sum) })),
    reasons,
    flagged: reasons.length > 0,
  };
}

/** Figures: `recent`, `recentForward`, `baseline`, `baselineForward`, `came`, `open`, each with `.<stage>`, as `.OPPORTUNITY.<deal stage>`. */
export async function bottlenecksLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  { policies }: ReportContext,
): Promise<string[] | null> {
  const [, name, stage] = /^(recent|recentForward|baseline|baselineForward|came|open)\.(.+)$/.exec(figure) ?? [];
  if (name === undefined) return null;
  const { asOfMs } = params;
  const leads = new Set<string>();
  await scanStays(
    view,
    params,
    new StagePolicies(policies, asOfMs),
    (amountMinor) => ({ amountMinor, currency: '' }),
    (stay) => {
      if (stay.stage !== stage) return;
      if (name === 'open' ? stay.exitedMs === null : name === 'came' && weekOf(asOfMs, stay.enteredMs) >= 0) {
        leads.add(stay.leadId);
        return;
      }
      if (stay.exitedMs === null) return;
      const window = windowOf(asOfMs, stay.exitedMs);
      if (window !== null && (name === window || (name === `${window}Forward` && stay.forward))) leads.add(stay.leadId);
    },
  );
  return [...leads];
}
