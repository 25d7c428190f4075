import { LADDER, LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import { rate } from './figures.js';
import { type Conversion, reachTimes } from './funnel.js';
import { type CountFigure, drillLinks, Groups, inPeriod } from './grouping.js';
import { type Path, scanPaths } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';

/**
 * Spec 7.3: entries into B in the period / entries into A in the period; may exceed 1. `basis=visit` (default) counts every
 * entry, `cycle` and `lead` the first one of each lead-cycle or lead; `mode=reached` counts first reaches, skips included.
 */
export const flowParams: ParamSpec = {
  report: 'flow',
  period: true,
  by: true,
  groupBy: true,
  choices: { mode: ['strict', 'reached'], basis: ['visit', 'cycle', 'lead'] },
};

export interface FlowFigures {
  readonly entries: Readonly<Record<LeadStateName, CountFigure>>;
  readonly conversions: readonly Conversion[];
}

/** Every entry the report counts, in any period: state and instant. */
function entriesOf(path: Path, mode: string, basis: string, use: (state: LeadStateName, atMs: number) => void): void {
  if (mode === 'reached') {
    for (const times of reachTimes(path, mode, basis === 'cycle' ? 'cycle' : 'lead')) {
      LADDER.forEach((state, index) => {
        if (times[index] !== Infinity) use(state, times[index] as number);
      });
    }
    return;
  }
  const seen = new Set<string>();
  for (const visit of path.visits) {
    if (basis !== 'visit') {
      const key = basis === 'cycle' ? `${visit.cycle}${visit.state}` : visit.state;
      if (seen.has(key)) continue;
      seen.add(key);
    }
    use(visit.state, visit.enteredMs);
  }
}

export async function flowReport(view: ReadView, params: ReportParams) {
  const { mode, basis } = params.choices as { mode: string; basis: string };
  const groups = new Groups<Map<LeadStateName, number>>(params, () => new Map());
  await scanPaths(
    view,
    params,
    params.fromMs,
    (path) => {
      entriesOf(path, mode, basis, (state, atMs) => {
        if (!inPeriod(params, atMs)) return;
        for (const counts of [groups.total, groups.of(path.dims, atMs)]) {
          counts?.set(state, (counts.get(state) ?? 0) + 1);
        }
      });
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures(counts: ReadonlyMap<LeadStateName, number>, params: ReportParams): FlowFigures {
  const link = drillLinks(params);
  const entries = {} as Record<LeadStateName, CountFigure>;
  for (const state of LEAD_STATES) {
    entries[state] = { count: counts.get(state) ?? 0, drill: link(`entries.${state}`) };
  }
  const conversions: Conversion[] = [];
  LADDER.forEach((from, index) => {
    for (const to of LADDER.slice(index + 1)) {
      const numerator = entries[to].count;
      const denominator = entries[from].count;
      conversions.push({
        from,
        to,
        numerator,
        denominator,
        rate: rate(numerator, denominator),
        drill: entries[to].drill,
        drillDenominator: entries[from].drill,
      });
    }
  });
  return { entries, conversions };
}

/** Figures: `entries.<STATE>`. */
export async function flowLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const wanted = figure.startsWith('entries.') ? figure.slice(8) : '';
  if (!(LEAD_STATES as readonly string[]).includes(wanted)) return null;
  const { mode, basis } = params.choices as { mode: string; basis: string };
  const leads: string[] = [];
  await scanPaths(view, params, params.fromMs, (path) => {
    let hit = false;
    entriesOf(path, mode, basis, (state, atMs) => {
      hit ||= state === wanted && inPeriod(params, atMs);
    });
    if (hit) leads.push(path.leadId);
  });
  return leads;
}
