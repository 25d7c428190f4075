import { LADDER, type LadderState } from '#libs/lead/src/states.js';
import type { Dims } from './dimensions.js';
import { decidedMs, Exposure } from './exposure.js';
import { rate } from './figures.js';
import { reachTimes } from './funnel.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { OFF_FUNNEL_EXITS, offFunnel, type OffFunnelExit, type Path, type PathVisit, scanPaths } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';

/**
 * Spec 7.27: of the leads (lead-cycles) whose reached(s) lies in the period, those that have not reached the next mandatory
 * stage by asOf and are out of the funnel then, by how and why they left. Whoever has done neither is still inside.
 */
export const leakParams: ParamSpec = {
  report: 'leak',
  period: true,
  by: true,
  groupBy: true,
  choices: { mode: ['reached', 'strict'], basis: ['lead', 'cycle'] },
};

const STAGES = LADDER.slice(0, -1) as readonly Exclude<LadderState, 'CUSTOMER'>[];

export interface StageLeak {
  readonly stage: LadderState;
  readonly reached: CountFigure;
  /** Reached the next stage / reached this one. */
  readonly advanced: RateFigure;
  readonly leak: RateFigure;
  readonly inside: RateFigure;
  /** Shares of those who reached the stage. */
  readonly exits: readonly (RateFigure & {
    readonly exitKind: OffFunnelExit;
    readonly reasons: readonly (RateFigure & { readonly reasonCode: string | null })[];
  })[];
}

/** What became of a lead (cycle) after it reached a stage. */
interface Outcome {
  readonly stage: number;
  readonly atMs: number;
  /** With the track that the lead was on when it advanced or left. */
  readonly dims: Dims;
  readonly end: 'advanced' | 'inside' | OffFunnelExit;
  readonly reason: string | null;
}

function outcomes(path: Path, params: ReportParams, exposure: Exposure, use: (outcome: Outcome) => void): void {
  const { basis, mode } = params.choices as { basis: string; mode: string };
  const units = basis === 'cycle' ? [...new Set(path.visits.map(({ cycle }) => cycle))] : [null];
  for (const unit of units) {
    const visits = unit === null ? path.visits : path.visits.filter(({ cycle }) => cycle === unit);
    const [reached] = reachTimes({ visits }, 'reached', 'lead');
    const [times] = mode === 'strict' ? reachTimes({ visits }, mode, 'lead') : [reached];
    if (reached === undefined || times === undefined) continue;
    const last = visits[visits.length - 1] as PathVisit;
    const out = offFunnel(last);
    STAGES.forEach((_, stage) => {
      const atMs = times[stage] as number;
      if (atMs === Infinity || !inPeriod(params, atMs)) return;
      const dims = exposure.dims(path, () => decidedMs(path, atMs, reached[stage + 1] as number));
      if (dims === null) return;
      const end = reached[stage + 1] === Infinity ? (out ?? 'inside') : 'advanced';
      const left = end !== 'advanced' && end !== 'inside';
      const reason = left ? (path.marks.exits.get(path.visits.indexOf(last))?.reason ?? null) : null;
      use({ stage, atMs, dims, end, reason });
    });
  }
}

class Counts {
  advanced = 0;
  inside = 0;
  readonly reasons = new Map<OffFunnelExit, Map<string | null, number>>();

  add({ end, reason }: Outcome): void {
    if (end === 'advanced' || end === 'inside') {
      this[end] += 1;
      return;
    }
    let reasons = this.reasons.get(end);
    if (reasons === undefined) this.reasons.set(end, (reasons = new Map()));
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
}

export async function leakReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts[]>(params, () => STAGES.map(() => new Counts()));
  const exposure = new Exposure(params);
  await scanPaths(
    view,
    exposure.scanned,
    params.fromMs,
    (path) => {
      outcomes(path, params, exposure, (outcome) => {
        for (const stages of [groups.total, groups.of(outcome.dims, outcome.atMs)])
          stages?.[outcome.stage]?.add(outcome);
      });
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

const sum = (counts: ReadonlyMap<unknown, number> | undefined): number =>
  [...(counts?.values() ?? [])].reduce((total, count) => total + count, 0);

function figures(counts: readonly Counts[], params: ReportParams): { readonly stages: readonly StageLeak[] } {
  const link = drillLinks(params);
  return {
    stages: STAGES.map((stage, index) => {
      const { advanced, inside, reasons } = counts[index] as Counts;
      const leaked = [...reasons.values()].reduce((total, some) => total + sum(some), 0);
      const reached = advanced + inside + leaked;
      const drillDenominator = link(`reached.${stage}`);
      const share = (numerator: number, figure: string): RateFigure => ({
        numerator,
        denominator: reached,
        rate: rate(numerator, reached),
        drill: link(figure),
        drillDenominator,
      });
      return {
        stage,
        reached: { count: reached, drill: drillDenominator },
        advanced: share(advanced, `advanced.${stage}`),
        leak: share(leaked, `leaked.${stage}`),
        inside: share(inside, `inside.${stage}`),
        exits: OFF_FUNNEL_EXITS.filter((kind) => reasons.has(kind)).map((exitKind) => ({
          exitKind,
          ...share(sum(reasons.get(exitKind)), `leaked.${stage}.${exitKind}`),
          reasons: mostFirst(reasons.get(exitKind) as Map<string | null, number>).map(([reasonCode, count]) => ({
            reasonCode,
            ...share(count, `leaked.${stage}.${exitKind}.${reasonCode ?? ''}`),
          })),
        })),
      };
    }),
  };
}

/** The most frequent first; then by code, what has none last. */
export function mostFirst(counts: ReadonlyMap<string | null, number>): [code: string | null, count: number][] {
  return [...counts].sort(([a, m], [b, n]) => n - m || (a === null ? 1 : b === null ? -1 : a < b ? -1 : 1));
}

/** Figures: `reached.<STAGE>`, `advanced.<STAGE>`, `inside.<STAGE>`, `leaked.<STAGE>[.<exit kind>[.<reason, or nothing>]]`. */
export async function leakLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [, what, stageName, kind, reason] =
    /^(reached|advanced|inside|leaked)\.([A-Z]+)(?:\.([a-z]+)(?:\.(.*))?)?$/s.exec(figure) ?? [];
  const stage = STAGES.findIndex((name) => name === stageName);
  if (stage < 0 || (kind !== undefined && what !== 'leaked')) return null;
  if (kind !== undefined && !(OFF_FUNNEL_EXITS as readonly string[]).includes(kind)) return null;
  const leads = new Set<string>();
  const exposure = new Exposure(params);
  await scanPaths(view, exposure.scanned, params.fromMs, (path) => {
    outcomes(path, params, exposure, (outcome) => {
      if (outcome.stage !== stage) return;
      const leaked = outcome.end !== 'advanced' && outcome.end !== 'inside';
      const hit =
        what === 'reached' ||
        (what === 'leaked' ? leaked && (kind === undefined || outcome.end === kind) : outcome.end === what);
      if (hit && (reason === undefined || (outcome.reason ?? '') === reason)) leads.add(path.leadId);
    });
  });
  return [...leads];
}
