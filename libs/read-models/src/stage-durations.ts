import { LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import { HOUR_MS, type Spread } from './figures.js';
import { drillLinks, Groups, inPeriod } from './grouping.js';
import { EXIT_KINDS, type ExitKind, exitKind, type Path, type PathVisit, scanPaths } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import { Values } from './values.js';

/**
 * Spec 7.4: exitedAt − enteredAt of each completed visit that ended in the period (and by asOf), in hours; `duration=active`
 * leaves time on hold out. `leads` sums a lead's visits to the state that ended in the period.
 */
export const stageDurationsParams: ParamSpec = {
  report: 'stage-durations',
  period: true,
  by: true,
  groupBy: true,
  choices: { duration: ['gross', 'active'] },
  filters: { state: LEAD_STATES },
};

/** Hours. */
export type DurationFigure = Spread & { readonly drill: string };

export interface StageDurations {
  readonly state: LeadStateName;
  readonly visits: DurationFigure;
  readonly byExit: readonly (DurationFigure & { readonly exitKind: ExitKind })[];
  readonly leads: DurationFigure;
}

export interface StageDurationsFigures {
  /** In the order of the lifecycle; states nobody left in the period are not listed. */
  readonly stages: readonly StageDurations[];
}

class Durations {
  readonly byExit = new Map<LeadStateName, Map<ExitKind, Values>>();
  readonly perLead = new Map<LeadStateName, Values>();
  /** Of the lead that is being read. */
  #lead = '';
  #seen = new Set<LeadStateName>();

  add(leadId: string, state: LeadStateName, kind: ExitKind, ms: number): void {
    let kinds = this.byExit.get(state);
    if (kinds === undefined) this.byExit.set(state, (kinds = new Map()));
    let values = kinds.get(kind);
    if (values === undefined) kinds.set(kind, (values = new Values()));
    values.push(ms);

    if (leadId !== this.#lead) {
      this.#lead = leadId;
      this.#seen = new Set();
    }
    let sums = this.perLead.get(state);
    if (sums === undefined) this.perLead.set(state, (sums = new Values()));
    if (this.#seen.has(state)) sums.addToLast(ms);
    else {
      this.#seen.add(state);
      sums.push(ms);
    }
  }
}

/** The completed visits that the report counts. */
function completedVisits(
  path: Path,
  params: ReportParams,
  use: (visit: PathVisit, kind: ExitKind, exitedMs: number, ms: number) => void,
): void {
  const active = params.choices.duration === 'active';
  const states = params.filter.state;
  for (let index = 0; index + 1 < path.visits.length; index += 1) {
    const visit = path.visits[index] as PathVisit;
    const next = path.visits[index + 1] as PathVisit;
    if (!inPeriod(params, next.enteredMs) || (states !== undefined && !states.includes(visit.state))) continue;
    const gross = next.enteredMs - visit.enteredMs;
    const ms = active ? gross - (path.holdMs.get(index) ?? 0) : gross;
    use(visit, exitKind(visit, next), next.enteredMs, ms);
  }
}

export async function stageDurationsReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Durations>(params, () => new Durations());
  await scanPaths(
    view,
    params,
    params.fromMs,
    (path) => {
      completedVisits(path, params, (visit, kind, exitedMs, ms) => {
        groups.total.add(path.leadId, visit.state, kind, ms);
        groups.of(path.dims, exitedMs)?.add(path.leadId, visit.state, kind, ms);
      });
    },
    groups,
  );
  return {
    unit: 'hours',
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures(durations: Durations, params: ReportParams): StageDurationsFigures {
  const link = drillLinks(params);
  const stages: StageDurations[] = [];
  for (const state of LEAD_STATES) {
    const kinds = durations.byExit.get(state);
    if (kinds === undefined) continue;
    const drill = link(`visits.${state}`);
    stages.push({
      state,
      visits: { ...Values.join(kinds.values()).spread(HOUR_MS), drill },
      byExit: EXIT_KINDS.filter((kind) => kinds.has(kind)).map((kind) => ({
        exitKind: kind,
        ...(kinds.get(kind) as Values).spread(HOUR_MS),
        drill: link(`visits.${state}.${kind}`),
      })),
      leads: { ...(durations.perLead.get(state) as Values).spread(HOUR_MS), drill },
    });
  }
  return { stages };
}

/** Figures: `visits.<STATE>`, `visits.<STATE>.<exit kind>`. */
export async function stageDurationsLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
): Promise<string[] | null> {
  const [name, state = '', kind] = figure.split('.');
  if (name !== 'visits' || !(LEAD_STATES as readonly string[]).includes(state)) return null;
  const leads: string[] = [];
  await scanPaths(view, params, params.fromMs, (path) => {
    let hit = false;
    completedVisits(path, params, (visit, ended) => {
      hit ||= visit.state === state && (kind === undefined || kind === ended);
    });
    if (hit) leads.push(path.leadId);
  });
  return leads;
}
