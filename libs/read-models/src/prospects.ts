import type { Dims } from './dimensions.js';
import { decidedMs, Exposure } from './exposure.js';
import { DAY_MS, rate, type Spread } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { type Path, scanPaths } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import { Values } from './values.js';

/** Spec 7.30: of the leads captured in the period, those that two-way communication exists with by asOf, and the days it took. */
export const prospectsParams: ParamSpec = { report: 'prospects', period: true, by: true, groupBy: true };

export interface ProspectsFigures {
  readonly captured: CountFigure;
  readonly prospects: RateFigure;
  /** From the capture to the first two-way contact. */
  readonly daysToTwoWay: Spread & { readonly drill: string };
}

interface Counts {
  captured: number;
  readonly times: Values;
}

const capturedMs = ({ visits }: Path): number => (visits[0] as Path['visits'][number]).enteredMs;

/** With the track that the lead was on when it answered, or left the funnel without. */
const dimsOf = (path: Path, exposure: Exposure): Dims | null =>
  exposure.dims(path, () => decidedMs(path, capturedMs(path), path.marks.twoWayMs ?? Infinity));

export async function prospectsReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts>(params, () => ({ captured: 0, times: new Values() }));
  const exposure = new Exposure(params);
  await scanPaths(
    view,
    exposure.scanned,
    params.fromMs,
    (path) => {
      const atMs = capturedMs(path);
      const dims = dimsOf(path, exposure);
      if (dims === null || !inPeriod(params, atMs)) return;
      const { twoWayMs } = path.marks;
      for (const counts of [groups.total, groups.of(dims, atMs)]) {
        if (counts === null) continue;
        counts.captured += 1;
        if (twoWayMs !== null) counts.times.push(twoWayMs - atMs);
      }
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures({ captured, times }: Counts, params: ReportParams): ProspectsFigures {
  const link = drillLinks(params);
  return {
    captured: { count: captured, drill: link('captured') },
    prospects: {
      numerator: times.size,
      denominator: captured,
      rate: rate(times.size, captured),
      drill: link('prospects'),
      drillDenominator: link('captured'),
    },
    daysToTwoWay: { ...times.spread(DAY_MS), drill: link('prospects') },
  };
}

/** Figures: `captured`, `prospects`. */
export async function prospectsLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  if (figure !== 'captured' && figure !== 'prospects') return null;
  const leads: string[] = [];
  const exposure = new Exposure(params);
  await scanPaths(view, exposure.scanned, params.fromMs, (path) => {
    if (dimsOf(path, exposure) === null || !inPeriod(params, capturedMs(path))) return;
    if (figure === 'captured' || path.marks.twoWayMs !== null) leads.push(path.leadId);
  });
  return leads;
}
