import { RANK } from '#libs/lead/src/states.js';
import type { Dims } from './dimensions.js';
import { quotient, rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, Periods, type RateFigure } from './grouping.js';
import { type Path, scanPaths } from './path.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { pipelinesAt, StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';

/**
 * Spec 7.9: a row a local month, the leads whose first strict entry to `qualifiedStage` of their pipeline falls in it, and the
 * rate at which they grew since the month before; null when there were none then. Whole months: those that the period
 * touches, empty ones included, the last one as far as asOf.
 */
export const velocityParams: ParamSpec = { report: 'velocity', period: true, by: true };

/** More months than that are asked in parts. */
const MOST_MONTHS = 600;

export interface VelocityFigures {
  /** Q of the months, and of as many months before them. */
  readonly qualified: CountFigure;
  readonly previous: CountFigure;
  readonly delta: number;
  /** delta / previous. */
  readonly velocity: RateFigure;
  /** The same in per cent, as the rate is usually told. */
  readonly percent: number | null;
  /** False while the last month is not over. */
  readonly complete: boolean;
}

/** When the lead was first qualified, strictly; null: not by asOf. */
export function qualifiedMs({ dims, visits }: Path, stages: StagePolicies): number | null {
  const stage = qualifiedStage(dims, stages);
  return visits.find(({ state }) => state === stage)?.enteredMs ?? null;
}

/** The stage that counts as qualified by the pipeline of the lead's type (spec §3.6). */
export const qualifiedStage = (dims: Dims, stages: StagePolicies): 'MQL' | 'SAL' | 'SQL' =>
  stages.pipeline(dims.values[3] as string | null)?.qualifiedStage ?? 'SQL';

/** Leads per month, by the start of the month. */
type Months = Map<number, number>;

export async function velocityReport(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const stages = new StagePolicies(policies, params.asOfMs);
  const months = new Periods('month', params.tz);
  const groups = new Groups<Months>(params, () => new Map(), pipelinesAt(policies, params.asOfMs));
  await scanPaths(
    view,
    params,
    null,
    (path) => {
      const atMs = qualifiedMs(path, stages);
      if (atMs === null) return;
      const startMs = months.startOf(atMs);
      for (const counts of [groups.total, groups.of(path.dims, atMs)])
        counts?.set(startMs, (counts.get(startMs) ?? 0) + 1);
    },
    groups,
  );
  const asked = monthsAsked(params, months, groups.total);
  const of = (counts: Months, starts: readonly number[], within: ReportParams) =>
    figures(counts, starts, within, months, params.asOfMs);
  const split = params.by.length === 0 ? [{ dimensions: {}, params, figures: groups.total }] : groups.rows();
  return {
    rows: split.flatMap((row) =>
      asked.map((startMs) => ({
        dimensions: { period: months.bounds(startMs).label, ...row.dimensions },
        ...of(row.figures, [startMs], row.params),
      })),
    ),
    total: of(groups.total, asked, params),
  };
}

/** Starts of the months that the period touches, up to the month of asOf; without a beginning, from the first qualified lead on. */
function monthsAsked({ asOfMs, fromMs, toMs }: ReportParams, months: Periods, counts: Months): number[] {
  const beginMs = fromMs ?? Math.min(...counts.keys());
  const endMs = Math.min(asOfMs, toMs === null ? asOfMs : toMs - 1);
  const starts: number[] = [];
  if (beginMs > endMs) return starts;
  let startMs = months.startOf(endMs);
  while (starts.length < MOST_MONTHS) {
    starts.unshift(startMs);
    if (startMs <= beginMs) break;
    startMs = months.startOf(startMs - 1);
  }
  return starts;
}

function figures(
  counts: Months,
  starts: readonly number[],
  params: ReportParams,
  months: Periods,
  asOfMs: number,
): VelocityFigures {
  const sum = (some: readonly number[]): number =>
    some.reduce((total, startMs) => total + (counts.get(startMs) ?? 0), 0);
  const before = [...starts];
  for (let left = starts.length; left > 0; left -= 1) {
    before.unshift(months.startOf((before[0] as number) - 1));
    before.pop();
  }
  const qualified = sum(starts);
  const previous = sum(before);
  const delta = qualified - previous;
  const drill = link(params, months, starts);
  const drillDenominator = link(params, months, before);
  return {
    qualified: { count: qualified, drill },
    previous: { count: previous, drill: drillDenominator },
    delta,
    velocity: { numerator: delta, denominator: previous, rate: rate(delta, previous), drill, drillDenominator },
    percent: quotient(100 * delta, previous, 4),
    complete: starts.length === 0 || months.bounds(starts[starts.length - 1] as number).toMs <= asOfMs,
  };
}

/** To the leads first qualified in these months, which follow each other. */
function link(params: ReportParams, months: Periods, starts: readonly number[]): string {
  const [first] = starts;
  const fromMs = first ?? params.fromMs;
  const last = starts[starts.length - 1];
  return drillLinks({ ...params, fromMs, toMs: last === undefined ? params.toMs : months.bounds(last).toMs })(
    'qualified',
  );
}

/** Figures: `qualified`. */
export async function velocityLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  { policies }: ReportContext,
): Promise<string[] | null> {
  if (figure !== 'qualified') return null;
  const stages = new StagePolicies(policies, params.asOfMs);
  const leads: string[] = [];
  await scanPaths(view, params, params.fromMs, (path) => {
    const atMs = qualifiedMs(path, stages);
    if (atMs !== null && inPeriod(params, atMs)) leads.push(path.leadId);
  });
  return leads;
}

/** Qualified, neither won nor out of the funnel. */
export function isOpenQualified({ dims, visits }: Path, stages: StagePolicies): boolean {
  const { state } = visits[visits.length - 1] as Path['visits'][number];
  return state !== 'CUSTOMER' && RANK[state] >= RANK[qualifiedStage(dims, stages)];
}
