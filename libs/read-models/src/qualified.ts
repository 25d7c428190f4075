import { LADDER, RANK } from '#libs/lead/src/states.js';
import { rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { type Path, type PathVisit, scanPaths } from './path.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { pipelinesAt, StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { isOpenQualified, qualifiedStage } from './velocity.js';

/**
 * Spec 7.10: leads (or lead-cycles) first qualified in the period, by the `qualifiedStage` of their pipeline, and the stock of
 * qualified open leads at asOf, whenever they were qualified.
 */
export const qualifiedParams: ParamSpec = {
  report: 'qualified',
  period: true,
  by: true,
  groupBy: true,
  choices: { mode: ['strict', 'reached'], basis: ['lead', 'cycle'] },
};

export interface QualifiedFigures {
  readonly qualified: CountFigure;
  /** Of those, open at asOf: neither won nor out of the funnel. */
  readonly stillOpen: RateFigure;
  /** At asOf, whenever qualified; absent from the rows of periods. */
  readonly openStock?: CountFigure;
}

interface Counts {
  qualified: number;
  stillOpen: number;
  openStock: number;
}

/** When the lead (each cycle) was qualified, and whether it is still open so. */
function qualifications(path: Path, params: ReportParams, stages: StagePolicies): { atMs: number; open: boolean }[] {
  const stage = qualifiedStage(path.dims, stages);
  const reached = ({ state }: PathVisit): boolean =>
    params.choices.mode === 'strict'
      ? state === stage
      : (LADDER as readonly string[]).includes(state) && RANK[state] >= RANK[stage];
  const last = path.visits[path.visits.length - 1] as PathVisit;
  const open = isOpenQualified(path, stages);
  const seen = new Set<number>();
  const found: { atMs: number; open: boolean }[] = [];
  for (const visit of path.visits) {
    const unit = params.choices.basis === 'cycle' ? visit.cycle : 0;
    if (!reached(visit) || seen.has(unit)) continue;
    seen.add(unit);
    found.push({ atMs: visit.enteredMs, open: open && (unit === 0 || last.cycle === unit) });
  }
  return found;
}

export async function qualifiedReport(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const stages = new StagePolicies(policies, params.asOfMs);
  const groups = new Groups<Counts>(
    params,
    () => ({ qualified: 0, stillOpen: 0, openStock: 0 }),
    pipelinesAt(policies, params.asOfMs),
  );
  await scanPaths(
    view,
    params,
    null,
    (path) => {
      for (const { atMs, open } of qualifications(path, params, stages)) {
        if (!inPeriod(params, atMs)) continue;
        for (const counts of [groups.total, groups.of(path.dims, atMs)]) {
          if (counts === null) continue;
          counts.qualified += 1;
          if (open) counts.stillOpen += 1;
        }
      }
      if (!isOpenQualified(path, stages)) return;
      groups.total.openStock += 1;
      const group = params.groupBy === null ? groups.of(path.dims, 0) : null;
      if (group !== null) group.openStock += 1;
    },
    groups,
  );
  const ofPeriods = params.groupBy !== null;
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, !ofPeriods) })),
    total: figures(groups.total, params, true),
  };
}

function figures({ openStock, qualified, stillOpen }: Counts, params: ReportParams, stock: boolean): QualifiedFigures {
  const link = drillLinks(params);
  return {
    qualified: { count: qualified, drill: link('qualified') },
    stillOpen: {
      numerator: stillOpen,
      denominator: qualified,
      rate: rate(stillOpen, qualified),
      drill: link('stillOpen'),
      drillDenominator: link('qualified'),
    },
    ...(stock ? { openStock: { count: openStock, drill: link('openStock') } } : {}),
  };
}

/** Figures: `qualified`, `stillOpen`, `openStock`. */
export async function qualifiedLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  { policies }: ReportContext,
): Promise<string[] | null> {
  if (!['qualified', 'stillOpen', 'openStock'].includes(figure)) return null;
  const stages = new StagePolicies(policies, params.asOfMs);
  const leads: string[] = [];
  await scanPaths(view, params, figure === 'openStock' ? null : params.fromMs, (path) => {
    const hit =
      figure === 'openStock'
        ? isOpenQualified(path, stages)
        : qualifications(path, params, stages).some(
            ({ atMs, open }) => inPeriod(params, atMs) && (open || figure === 'qualified'),
          );
    if (hit) leads.push(path.leadId);
  });
  return leads;
}
