import type { LeadStateName } from '#libs/lead/src/states.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { AsOf } from './as-of.js';
import { type DealPast, scanDeals } from './deals.js';
import type { Dims } from './dimensions.js';
import { DAY_MS, HOUR_MS, quotient, rate } from './figures.js';
import { type CountFigure, dimensionFilter, drillLinks, Groups, type RateFigure } from './grouping.js';
import type { Money } from './lead-row.js';
import { Exchange, reportingCurrency } from './money.js';
import { exitKind, type Path, scanPaths } from './path.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { ownText } from './scan.js';
import { pipelinesAt, StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import type { Tally } from './tally.js';
import { targetOf } from './targets.js';
import { Values } from './values.js';

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
  readonly recent = new Values();
  readonly baseline = new Values();
  recentForward = 0;
  baselineForward = 0;
  readonly entries = new Uint32Array(WEEKS);
  readonly exits = new Uint32Array(WEEKS);
  open = 0;
  /** Sum of the instants at which the open ones entered. */
  enteredMs = 0n;
  /** Filled in when all is counted. */
  valueMs = new Map<string, bigint>();
}

interface Stay {
  readonly leadId: string;
  readonly dims: Dims;
  readonly stage: string;
  readonly enteredMs: number;
  readonly exitedMs: number | null;
  readonly forward: boolean;
}

/** A deal open at asOf and, in its stage, the stay it is open in; null: it is in none. */
interface OpenDeal {
  readonly leadId: string;
  readonly amountMinor: number;
  readonly currency: string | null;
  readonly stay: Stay | null;
}

/** Every stay in a stage that a figure of the report may count, and the deals that are open. */
async function scanStays(
  view: ReadView,
  params: ReportParams,
  stages: StagePolicies,
  use: (stay: Stay, mayHaveDeal: boolean) => void,
  useOpen: (deal: OpenDeal) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const { asOfMs } = params;
  const passes = dimensionFilter(params);
  const sinceMs = asOfMs - (RECENT_DAYS + BASELINE_DAYS) * DAY_MS;
  const told = (stay: Stay, mayHaveDeal: boolean): void => {
    if (groups !== undefined) seeStay(stay, groups.asOf);
    use(stay, mayHaveDeal);
  };
  const ofDeal = (deal: DealPast): void => {
    const place = (stage: string): number =>
      stages.pipeline(deal.leadType)?.dealStages.find(({ code }) => code === stage)?.order ?? 0;
    const now = deal.at(asOfMs);
    const counts = passes(deal.dims);
    let openStay: Stay | null = null;
    for (const { enteredMs, exit, exitedMs, stage, to } of counts ? deal.stagesBy(asOfMs) : []) {
      const forward = exit === 'won' || (exit === 'stage' && place(to as string) > place(stage));
      const { dims, leadId } = deal;
      const stay: Stay = { leadId, dims, stage: `OPPORTUNITY.${stage}`, enteredMs, exitedMs, forward };
      told(stay, false);
      if (exitedMs === null) openStay = stay;
    }
    if (now !== null) {
      useOpen({ leadId: deal.leadId, amountMinor: now.amountMinor, currency: deal.currency, stay: openStay });
    }
  };
  // What passes as a lead is worth its deal, though the deal, whose team and owner may be others, passes for itself or not.
  await scanDeals(view, { ...params, filter: {} }, sinceMs, ofDeal, groups, true);
  const ofPath = ({ dims, leadId, visits }: Path): void => {
    const mayHaveDeal = visits.some(({ state }) => state === 'OPPORTUNITY');
    visits.forEach((visit, index) => {
      if (!isStage(visit.state)) return;
      const next = visits[index + 1];
      const forward = next !== undefined && exitKind(visit, next) === 'forward';
      const { enteredMs, state: stage } = visit;
      told({ leadId, dims, stage, enteredMs, exitedMs: next?.enteredMs ?? null, forward }, mayHaveDeal);
    });
  };
  await scanPaths(view, params, null, ofPath, groups);
}

/** The windows end at asOf, so a stay passes from one into the next as time goes by. */
function seeStay({ enteredMs, exitedMs }: Stay, asOf: AsOf): void {
  for (let week = 1; week <= WEEKS; week += 1) asOf.sees(enteredMs + week * 7 * DAY_MS);
  if (exitedMs === null) return;
  for (let week = 1; week <= WEEKS; week += 1) asOf.sees(exitedMs + week * 7 * DAY_MS);
  asOf.sees(exitedMs + RECENT_DAYS * DAY_MS);
  asOf.sees(exitedMs + (RECENT_DAYS + BASELINE_DAYS) * DAY_MS);
}

/** What is open, lead by lead: a deal's value is that of the stages in which it and its lead are. Of the total only. */
class Standing implements Tally {
  readonly deals: OpenDeal[] = [];
  readonly leads: Stay[] = [];

  absorb({ deals, leads }: Standing): void {
    for (const deal of deals) this.deals.push(deal);
    for (const lead of leads) this.leads.push(lead);
  }
  weight(): number {
    return 100 + 300 * this.deals.length + 150 * this.leads.length;
  }
}

interface Flows {
  readonly stages: Map<string, Flow>;
  readonly standing: Standing;
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
  const groups = new Groups<Flows>(
    params,
    () => ({ stages: new Map(), standing: new Standing() }),
    pipelinesAt(policies, asOfMs),
  );
  const count = (flows: Flows, stay: Stay): void => {
    let flow = flows.stages.get(stay.stage);
    if (flow === undefined) flows.stages.set(stay.stage, (flow = new Flow()));
    const came = weekOf(asOfMs, stay.enteredMs);
    if (came >= 0) flow.entries[came] = (flow.entries[came] as number) + 1;
    if (stay.exitedMs === null) {
      flow.open += 1;
      flow.enteredMs += BigInt(stay.enteredMs);
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
    (stay, mayHaveDeal) => {
      count(groups.total, stay);
      const row = groups.of(stay.dims, 0);
      if (row !== null) count(row, stay);
      if (mayHaveDeal && stay.exitedMs === null) {
        groups.total.standing.leads.push({ ...stay, leadId: ownText(stay.leadId) });
      }
    },
    (deal) => groups.total.standing.deals.push({ ...deal, leadId: ownText(deal.leadId) }),
    groups,
  );
  addValues(groups, new Exchange(policies, reportingOf(params, policies), asOfMs));
  const dealStages = stages.inOrder(
    [...groups.total.stages.keys()].filter((name) => name.startsWith('OPPORTUNITY.')).map((name) => name.slice(12)),
  );
  const names = [...STATES, ...dealStages.map((stage) => `OPPORTUNITY.${stage}`)];
  return {
    unit: 'hours',
    rows: groups
      .rows()
      .map((row) => ({ dimensions: row.dimensions, ...figures(row.figures.stages, row.params, names) })),
    total: figures(groups.total.stages, params, names),
  };
}

const reportingOf = (params: ReportParams, policies: PolicyBook): string | null =>
  reportingCurrency(params, targetOf(policies, params, 'all')?.currency ?? null);

/** Amount · age of the open deals, at their present worth: to the stage each is in and to that of its lead. */
function addValues(groups: Groups<Flows>, exchange: Exchange): void {
  const { asOfMs } = groups.params;
  const add = (stay: Stay, value: Money): void => {
    for (const flows of [groups.total, groups.of(stay.dims, 0)]) {
      const valueMs = flows?.stages.get(stay.stage)?.valueMs;
      if (valueMs === undefined) continue;
      const more = BigInt(value.amountMinor) * BigInt(asOfMs - stay.enteredMs);
      valueMs.set(value.currency, (valueMs.get(value.currency) ?? 0n) + more);
    }
  };
  const { deals, leads } = groups.total.standing;
  const values = new Map<string, Money>();
  for (const { amountMinor, currency, leadId, stay } of deals) {
    const value = exchange.open(amountMinor, currency);
    values.set(leadId, value);
    if (stay !== null) add(stay, value);
  }
  for (const stay of leads) {
    const value = values.get(stay.leadId);
    if (value !== undefined) add(stay, value);
  }
}

function figures(flows: ReadonlyMap<string, Flow>, params: ReportParams, names: readonly string[]): BottleneckFigures {
  const stages = names.flatMap((name) => {
    const flow = flows.get(name);
    return flow === undefined || (name.startsWith('OPPORTUNITY.') && isLongAgo(flow))
      ? []
      : [{ name, flow, figures: stageFlow(name, flow, params) }];
  });
  const currencies = new Set(stages.flatMap(({ flow }) => [...flow.valueMs.keys()]));
  const rankedBy = currencies.size > 1 ? 'openDays' : 'valueDays';
  const [currency] = currencies;
  const valueMs = (flow: Flow): bigint =>
    rankedBy === 'openDays' || currency === undefined ? 0n : (flow.valueMs.get(currency) ?? 0n);
  const openMs = (flow: Flow): bigint => openMsOf(flow, params.asOfMs);
  const flagged = stages.filter(({ figures: { flagged: is } }) => is);
  const byDealStage = flagged.some(({ name }) => name.startsWith('OPPORTUNITY.'));
  const [worst] = flagged
    // Where a deal stage is to blame, naming OPPORTUNITY would say less.
    .filter(({ name }) => !byDealStage || name !== 'OPPORTUNITY')
    .sort((a, b) => compare(valueMs(b.flow), valueMs(a.flow)) || compare(openMs(b.flow), openMs(a.flow)));
  return {
    stages: stages.map((stage) => stage.figures),
    bottleneck: worst === undefined ? null : { stage: worst.figures.stage, dealStage: worst.figures.dealStage },
    rankedBy,
  };
}

/** What is told of deal stages ends with the windows, whatever else deals that reach into them have lived through. */
const isLongAgo = ({ baseline, entries, exits, open, recent }: Flow): boolean =>
  recent.size + baseline.size + open === 0 && [...entries, ...exits].every((n) => n === 0);

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const openMsOf = ({ enteredMs, open }: Flow, asOfMs: number): bigint => BigInt(open) * BigInt(asOfMs) - enteredMs;
const inDays = (sum: bigint): number => Number((2n * sum * 10_000n + BigInt(DAY_MS)) / (2n * BigInt(DAY_MS))) / 10_000;

function stageFlow(name: string, flow: Flow, params: ReportParams): StageFlow {
  const link = drillLinks(params);
  const window = (values: Values, p50: number | null, numerator: number, figure: string): Window => {
    const denominator = values.size;
    return {
      p50: p50 === null ? null : quotient(p50, HOUR_MS, 4),
      forward: {
        numerator,
        denominator,
        rate: rate(numerator, denominator),
        drill: link(`${figure}Forward.${name}`),
        drillDenominator: link(`${figure}.${name}`),
      },
    };
  };
  const recent = flow.recent.percentile(50);
  const baseline = flow.baseline.percentile(50);
  const n = flow.recent.size;
  const before = flow.baseline.size;
  // (baselineForward · n − recentForward · before) / (n · before), in whole numbers.
  const fewer = flow.baselineForward * n - flow.recentForward * before;
  const weeks = [...flow.entries].map((came, week) => came - (flow.exits[week] as number));
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
    recent: window(flow.recent, recent, flow.recentForward, 'recent'),
    baseline: window(flow.baseline, baseline, flow.baselineForward, 'baseline'),
    ratio: recent === null || baseline === null ? null : rate(recent, baseline),
    drop: n === 0 || before === 0 ? null : rate(fewer, n * before),
    growth: { n: came, weeks, drill: link(`came.${name}`) },
    open: { count: flow.open, drill: link(`open.${name}`) },
    openDays: inDays(openMsOf(flow, params.asOfMs)),
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
    () => undefined,
  );
  return [...leads];
}
