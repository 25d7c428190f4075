import { type Closing, scanClosings } from './closings.js';
import { rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { mostFirst } from './leak.js';
import { type Path, type PathVisit, scanPaths } from './path.js';
import { invalidParameter } from './report-error.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { pipelinesAt, StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { AsOf } from './as-of.js';

/**
 * Spec 7.12: why the deals lost in the period were lost, by count and by value, over all and by the deal stage they were lost
 * from; and of the leads first lost or expired in it, those with fewer than `minTouches` nurture touches. A lead expires
 * when it has stayed in RECYCLED for the stale limit of that state.
 */
export const lossReasonsParams: ParamSpec = {
  report: 'loss-reasons',
  period: true,
  by: true,
  groupBy: true,
  texts: ['minTouches'],
};

const DEFAULT_MIN_TOUCHES = 3;
/** Seed 003; benchmarks `decision_maker_shift` and `under_nurtured` replace them. Deals and leads: never added (spec C11). */
const DECISION_MAKER_SHIFT = 0.8;
const UNDER_NURTURED = 0.79;
const DECISION_MAKER_LEFT = 'decision_maker_left';

type ValueShare = RateFigure & { readonly currency: string };

export interface ReasonShare {
  readonly reasonCode: string | null;
  readonly byCount: RateFigure;
  /** Minor units, one per currency; deals without an amount are in none. */
  readonly byValue: readonly ValueShare[];
}
export interface StageLosses {
  /** Deal stage; null: history names none. */
  readonly stage: string | null;
  /** Of all lost deals. */
  readonly byCount: RateFigure;
  readonly byValue: readonly ValueShare[];
  /** Of those lost from this stage. */
  readonly reasons: readonly ReasonShare[];
}
export interface LossReasonsFigures {
  readonly lost: CountFigure;
  readonly value: readonly { readonly currency: string; readonly amountMinor: number; readonly drill: string }[];
  readonly reasons: readonly ReasonShare[];
  readonly stages: readonly StageLosses[];
  /** Lost because the decision maker left / lost deals. */
  readonly decisionMakerShift: RateFigure & { readonly benchmark: number };
  /** Leads with fewer touches / leads lost or expired. */
  readonly underNurtured: RateFigure & {
    readonly benchmark: number;
    readonly lost: CountFigure;
    readonly expired: CountFigure;
  };
}

/** Deals and their amounts by currency. */
class Sums {
  count = 0;
  readonly amounts = new Map<string, number>();

  add({ amount }: Closing): void {
    this.count += 1;
    if (amount !== null)
      this.amounts.set(amount.currency, (this.amounts.get(amount.currency) ?? 0) + amount.amountMinor);
  }
}

function sumsOf<Key>(sums: Map<Key, Sums>, key: Key): Sums {
  let found = sums.get(key);
  if (found === undefined) sums.set(key, (found = new Sums()));
  return found;
}

class Counts {
  readonly all = new Sums();
  readonly reasons = new Map<string | null, Sums>();
  readonly stages = new Map<string | null, { readonly all: Sums; readonly reasons: Map<string | null, Sums> }>();
  lostLeads = 0;
  expiredLeads = 0;
  underNurtured = 0;

  add(closing: Closing): void {
    let stage = this.stages.get(closing.lostFromStage);
    if (stage === undefined) {
      this.stages.set(closing.lostFromStage, (stage = { all: new Sums(), reasons: new Map() }));
    }
    const { reason } = closing;
    for (const sums of [this.all, sumsOf(this.reasons, reason), stage.all, sumsOf(stage.reasons, reason)])
      sums.add(closing);
  }

  addEnd({ kind, touches }: DeadEnd, minTouches: number): void {
    if (kind === 'lost') this.lostLeads += 1;
    else this.expiredLeads += 1;
    if (touches < minTouches) this.underNurtured += 1;
  }
}

async function scanLost(
  view: ReadView,
  params: ReportParams,
  use: (closing: Closing) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  await scanClosings(
    view,
    params,
    (closing) => {
      if (closing.kind === 'lost') use(closing);
    },
    groups,
  );
}

/** A lead that came to nothing. */
interface DeadEnd {
  readonly kind: 'lost' | 'expired';
  readonly atMs: number;
  readonly touches: number;
}

/** The first time ever that the lead was lost, or had been recycled for too long: a lead counts once (spec §7.0). */
function deadEnd(
  path: Path,
  params: ReportParams,
  stages: StagePolicies,
  asOf = new AsOf(params.asOfMs),
): DeadEnd | null {
  const limitMs = stages.limitMs(path.dims.values[3] as string | null, 'RECYCLED', null);
  for (let index = 0; index < path.visits.length; index += 1) {
    const { enteredMs, state } = path.visits[index] as PathVisit;
    if (state === 'LOST') {
      return { kind: 'lost', atMs: enteredMs, touches: path.marks.exits.get(index)?.nurtureTouches ?? 0 };
    }
    if (state !== 'RECYCLED' || limitMs === null) continue;
    const atMs = enteredMs + limitMs;
    const untilMs = path.visits[index + 1]?.enteredMs ?? Infinity;
    asOf.sees(atMs);
    if (atMs >= untilMs || atMs > asOf.ms) continue;
    return { kind: 'expired', atMs, touches: path.marks.nurtureMs.filter((touchMs) => touchMs <= atMs).length };
  }
  return null;
}

/** Whoever expired in the period may have changed last long before it. */
async function scanDeadEnds(
  view: ReadView,
  params: ReportParams,
  { policies }: ReportContext,
  use: (end: DeadEnd, path: Path) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const stages = new StagePolicies(policies, params.asOfMs);
  await scanPaths(
    view,
    params,
    null,
    (path) => {
      const end = deadEnd(path, params, stages, groups?.asOf);
      if (end !== null && inPeriod(params, end.atMs)) use(end, path);
    },
    groups,
  );
}

function minTouchesOf({ choices }: ReportParams): number {
  const { minTouches } = choices;
  if (minTouches === undefined) return DEFAULT_MIN_TOUCHES;
  if (!/^\d{1,3}$/.test(minTouches)) throw invalidParameter('minTouches', 'a number of nurture touches');
  return Number(minTouches);
}

export async function lossReasonsReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const minTouches = minTouchesOf(params);
  const benchmark = (metric: string, usual: number): number =>
    context.policies.benchmark(metric, undefined, params.asOfMs) ?? usual;
  const benchmarks = {
    decisionMakerShift: benchmark('decision_maker_shift', DECISION_MAKER_SHIFT),
    underNurtured: benchmark('under_nurtured', UNDER_NURTURED),
  };
  const groups = new Groups<Counts>(params, () => new Counts(), pipelinesAt(context.policies, params.asOfMs));
  await scanLost(
    view,
    params,
    (closing) => {
      groups.total.add(closing);
      groups.of(closing.dims, closing.closedMs)?.add(closing);
    },
    groups,
  );
  await scanDeadEnds(
    view,
    params,
    context,
    (end, { dims }) => {
      groups.total.addEnd(end, minTouches);
      groups.of(dims, end.atMs)?.addEnd(end, minTouches);
    },
    groups,
  );
  return {
    minTouches,
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, benchmarks) })),
    total: figures(groups.total, params, benchmarks),
  };
}

type Narrowing = Readonly<Partial<Record<'reason' | 'stage' | 'currency', string | null>>>;

/** `lost`, narrowed: `lost?reason=price&stage=demo&currency=EUR`; an empty value stands for none. */
function lostFigure(by: Narrowing): string {
  const narrowed = new URLSearchParams();
  for (const [name, value] of Object.entries(by)) narrowed.set(name, value ?? '');
  return narrowed.size === 0 ? 'lost' : `lost?${narrowed.toString()}`;
}

function figures(
  counts: Counts,
  params: ReportParams,
  benchmarks: { readonly decisionMakerShift: number; readonly underNurtured: number },
): LossReasonsFigures {
  const link = drillLinks(params);
  const share = (numerator: number, figure: string, denominator: number, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  const shares = (sums: Sums, by: Narrowing, all: Sums, ofAll: Narrowing) => ({
    byCount: share(sums.count, lostFigure(by), all.count, lostFigure(ofAll)),
    byValue: [...all.amounts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([currency, amountMinor]) => ({
        currency,
        ...share(
          sums.amounts.get(currency) ?? 0,
          lostFigure({ ...by, currency }),
          amountMinor,
          lostFigure({ ...ofAll, currency }),
        ),
      })),
  });
  const mostLost = <T>(of: ReadonlyMap<string | null, T>, count: (one: T) => number) =>
    mostFirst(new Map([...of].map(([key, one]) => [key, count(one)]))).map(([key]) => [key, of.get(key) as T] as const);
  const reasons = (of: ReadonlyMap<string | null, Sums>, all: Sums, ofAll: Narrowing): ReasonShare[] =>
    mostLost(of, ({ count }) => count).map(([reason, sums]) => ({
      reasonCode: reason,
      ...shares(sums, { ...ofAll, reason }, all, ofAll),
    }));
  const { all, expiredLeads, lostLeads, stages, underNurtured } = counts;
  const shifted = counts.reasons.get(DECISION_MAKER_LEFT)?.count ?? 0;
  return {
    lost: { count: all.count, drill: link('lost') },
    value: [...all.amounts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([currency, amountMinor]) => ({ currency, amountMinor, drill: link(lostFigure({ currency })) })),
    reasons: reasons(counts.reasons, all, {}),
    stages: mostLost(stages, (stage) => stage.all.count).map(([stage, of]) => ({
      stage,
      ...shares(of.all, { stage }, all, {}),
      reasons: reasons(of.reasons, of.all, { stage }),
    })),
    decisionMakerShift: {
      ...share(shifted, lostFigure({ reason: DECISION_MAKER_LEFT }), all.count, 'lost'),
      benchmark: benchmarks.decisionMakerShift,
    },
    underNurtured: {
      ...share(underNurtured, 'underNurtured', lostLeads + expiredLeads, 'deadEnds'),
      benchmark: benchmarks.underNurtured,
      lost: { count: lostLeads, drill: link('lostLeads') },
      expired: { count: expiredLeads, drill: link('expiredLeads') },
    },
  };
}

/** Figures: `lost[?reason=&stage=&currency=]`; `deadEnds`, `lostLeads`, `expiredLeads`, `underNurtured`. */
export async function lossReasonsLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const leads = new Set<string>();
  if (figure === 'lost' || figure.startsWith('lost?')) {
    const by = new URLSearchParams(figure.slice(5));
    for (const name of by.keys()) if (!['reason', 'stage', 'currency'].includes(name)) return null;
    await scanLost(view, params, ({ amount, leadId, lostFromStage, reason }) => {
      const is = { reason, stage: lostFromStage, currency: amount?.currency ?? null };
      if ([...by].every(([name, value]) => (is[name as keyof typeof is] ?? '') === value)) leads.add(leadId);
    });
    return [...leads];
  }
  if (!['deadEnds', 'lostLeads', 'expiredLeads', 'underNurtured'].includes(figure)) return null;
  const minTouches = minTouchesOf(params);
  await scanDeadEnds(view, params, context, ({ kind, touches }, { leadId }) => {
    const hit = figure === 'underNurtured' ? touches < minTouches : figure === 'deadEnds' || figure === `${kind}Leads`;
    if (hit) leads.add(leadId);
  });
  return [...leads];
}
