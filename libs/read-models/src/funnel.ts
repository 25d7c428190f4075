import { LADDER, type LadderState } from '#libs/lead/src/states.js';
import { decidedMs, Exposure } from './exposure.js';
import { rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { type Path, scanPaths } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';

/**
 * Spec 7.2: of the leads (or lead-cycles) whose reached(A) lies in the period, how many have reached B by asOf; for every
 * pair A before B of the mandatory ladder, each pair with its own cohort.
 */
export const funnelParams: ParamSpec = {
  report: 'funnel',
  period: true,
  by: true,
  groupBy: true,
  choices: { mode: ['reached', 'strict'], basis: ['lead', 'cycle'] },
};

export interface Conversion extends RateFigure {
  readonly from: LadderState;
  readonly to: LadderState;
}

export interface FunnelFigures {
  /** Size of each cohort: leads (cycles) whose reached(A) lies in the period. */
  readonly reached: Readonly<Record<LadderState, CountFigure>>;
  readonly conversions: readonly Conversion[];
}

const STEPS = LADDER.length;
const ladderIndex = new Map<string, number>(LADDER.map((state, index) => [state, index]));

/** Per lead or lead-cycle: when it reached (or, strictly, first entered) each ladder state; Infinity: not by asOf. */
export function reachTimes(path: Pick<Path, 'visits'>, mode: string, basis: string): number[][] {
  const units = new Map<number, number[]>();
  for (const visit of path.visits) {
    const rank = ladderIndex.get(visit.state);
    if (rank === undefined) continue;
    const unit = basis === 'cycle' ? visit.cycle : 0;
    let times = units.get(unit);
    if (times === undefined) {
      times = Array.from({ length: STEPS }, () => Infinity);
      units.set(unit, times);
    }
    for (let step = mode === 'strict' ? rank : 0; step <= rank; step += 1) {
      if (visit.enteredMs < (times[step] as number)) times[step] = visit.enteredMs;
    }
  }
  return [...units.values()];
}

/** Cohort sizes by A, then conversions at [A · 6 + B]. */
interface Counts {
  reached: Uint32Array;
  converted: Uint32Array;
}

export async function funnelReport(view: ReadView, params: ReportParams) {
  const { mode, basis } = params.choices as { mode: string; basis: string };
  const groups = new Groups<Counts>(params, () => ({
    reached: new Uint32Array(STEPS),
    converted: new Uint32Array(STEPS * STEPS),
  }));
  const exposure = new Exposure(params);
  await scanPaths(
    view,
    exposure.scanned,
    params.fromMs,
    (path) => {
      for (const times of reachTimes(path, mode, basis)) {
        for (let from = 0; from < STEPS; from += 1) {
          const atMs = times[from] as number;
          if (atMs === Infinity || !inPeriod(params, atMs)) continue;
          const dims = exposure.dims(path, () => stepDecidedMs(path, times, from));
          if (dims === null) continue;
          count(groups.total, from, times);
          const group = groups.of(dims, atMs);
          if (group !== null) count(group, from, times);
        }
      }
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

/** When the lead went on from the state, or left the funnel there; from the last one it need not go on. */
function stepDecidedMs(path: Path, times: readonly number[], from: number): number {
  const atMs = times[from] as number;
  const wentOnMs = Math.min(...times.slice(from + 1).filter((ms) => ms >= atMs));
  return from === STEPS - 1 ? atMs : decidedMs(path, atMs, wentOnMs);
}

function count(counts: Counts, from: number, times: readonly number[]): void {
  counts.reached[from] = (counts.reached[from] as number) + 1;
  for (let to = from + 1; to < STEPS; to += 1) {
    if (times[to] !== Infinity)
      counts.converted[from * STEPS + to] = (counts.converted[from * STEPS + to] as number) + 1;
  }
}

function figures(counts: Counts, params: ReportParams): FunnelFigures {
  const link = drillLinks(params);
  const reached = {} as Record<LadderState, CountFigure>;
  const conversions: Conversion[] = [];
  LADDER.forEach((from, fromIndex) => {
    const denominator = counts.reached[fromIndex] as number;
    const drillDenominator = link(`reached.${from}`);
    reached[from] = { count: denominator, drill: drillDenominator };
    for (let toIndex = fromIndex + 1; toIndex < STEPS; toIndex += 1) {
      const to = LADDER[toIndex] as LadderState;
      const numerator = counts.converted[fromIndex * STEPS + toIndex] as number;
      conversions.push({
        from,
        to,
        numerator,
        denominator,
        rate: rate(numerator, denominator),
        drill: link(`converted.${from}.${to}`),
        drillDenominator,
      });
    }
  });
  return { reached, conversions };
}

/** Figures: `reached.<A>`, `converted.<A>.<B>`. */
export async function funnelLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [kind, a = '', b = ''] = figure.split('.');
  const from = ladderIndex.get(a);
  const to = kind === 'reached' ? from : ladderIndex.get(b);
  if ((kind !== 'reached' && kind !== 'converted') || from === undefined || to === undefined) return null;
  const { mode, basis } = params.choices as { mode: string; basis: string };
  const leads: string[] = [];
  const exposure = new Exposure(params);
  await scanPaths(view, exposure.scanned, params.fromMs, (path) => {
    const hit = reachTimes(path, mode, basis).some((times) => {
      const atMs = times[from] as number;
      if (atMs === Infinity || !inPeriod(params, atMs) || times[to] === Infinity) return false;
      return exposure.dims(path, () => stepDecidedMs(path, times, from)) !== null;
    });
    if (hit) leads.push(path.leadId);
  });
  return leads;
}
