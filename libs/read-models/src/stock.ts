import { LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import { type CountFigure, drillLinks, Groups } from './grouping.js';
import { type Path, scanPaths } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';

/** Spec 7.1: number of leads in each state at asOf. */
export const stockParams: ParamSpec = { report: 'stock', by: true };

export interface StockFigures {
  readonly leads: CountFigure;
  readonly states: Readonly<Record<LeadStateName, CountFigure>>;
}

/** Where the lead stood at asOf. */
const stateOf = (path: Path): LeadStateName => (path.visits[path.visits.length - 1] as { state: LeadStateName }).state;

export async function stockReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Map<LeadStateName, number>>(params, () => new Map());
  await scanPaths(
    view,
    params,
    null,
    (path) => {
      const state = stateOf(path);
      for (const counts of [groups.total, groups.of(path.dims, path.lastChangeMs)]) {
        counts?.set(state, (counts.get(state) ?? 0) + 1);
      }
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures(counts: ReadonlyMap<LeadStateName, number>, params: ReportParams): StockFigures {
  const link = drillLinks(params);
  const states = {} as Record<LeadStateName, CountFigure>;
  let leads = 0;
  for (const state of LEAD_STATES) {
    const count = counts.get(state) ?? 0;
    leads += count;
    states[state] = { count, drill: link(`state.${state}`) };
  }
  return { leads: { count: leads, drill: link('leads') }, states };
}

/** Figures: `leads`, `state.<STATE>`. */
export async function stockLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const state = figure.startsWith('state.') ? figure.slice(6) : null;
  if (state === null ? figure !== 'leads' : !(LEAD_STATES as readonly string[]).includes(state)) return null;
  const leads: string[] = [];
  await scanPaths(view, params, null, (path) => {
    if (state === null || stateOf(path) === state) leads.push(path.leadId);
  });
  return leads;
}
