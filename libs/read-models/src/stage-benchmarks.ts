import { type DealEnd, type DealPast, scanDeals } from './deals.js';
import { rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { ppm, PPM, StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { absorb, type Tally, weightOf } from './tally.js';

/**
 * Spec 7.18: of the deals closed in the period (and by asOf) that had entered a deal stage, won / (won + lost), compared
 * with benchmark `stage_win_rate` of the stage, else with its configured probability. Recycled closings stand apart.
 */
export const stageBenchmarksParams: ParamSpec = { report: 'stage-benchmarks', period: true, by: true, groupBy: true };

/** So many deals must be resolved before a stage below its benchmark alarms anybody. */
const ALERT_SAMPLE = 10;

export interface StageBenchmark {
  readonly stage: string;
  /** won / (won + lost). */
  readonly winRate: RateFigure;
  readonly recycled: CountFigure;
  /** Null: the stage is in no pipeline in force, and no benchmark is set for it. */
  readonly benchmark: number | null;
  /** Null while nothing is resolved or there is nothing to compare with. */
  readonly below: boolean | null;
  readonly alert: boolean;
}

interface Counts {
  readonly stages: Map<string, { won: number; lost: number; recycled: number }>;
  readonly leadTypes: Set<string | null>;
}

/** The stages a deal had entered when it ended. */
const entered = (deal: DealPast, atMs: number): Set<string> => new Set(deal.stagesBy(atMs).map(({ stage }) => stage));

async function scanResolved(
  view: ReadView,
  params: ReportParams,
  use: (deal: DealPast, kind: Exclude<DealEnd, 'left'>, atMs: number) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  await scanDeals(
    view,
    params,
    params.fromMs,
    (deal) => {
      const end = deal.endBy(params.asOfMs);
      if (end !== null && end.kind !== 'left' && inPeriod(params, end.atMs)) use(deal, end.kind, end.atMs);
    },
    groups,
  );
}

export async function stageBenchmarksReport(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const groups = new Groups<Counts>(params, () => ({ stages: new Map(), leadTypes: new Set() }));
  const stages = new StagePolicies(policies, params.asOfMs);
  await scanResolved(
    view,
    params,
    (deal, kind, atMs) => {
      groups.total.leadTypes.add(deal.leadType);
      for (const stage of entered(deal, atMs)) {
        for (const counts of [groups.total, groups.of(deal.dims, atMs)]) {
          if (counts === null) continue;
          let count = counts.stages.get(stage);
          if (count === undefined) counts.stages.set(stage, (count = { won: 0, lost: 0, recycled: 0 }));
          count[kind] += 1;
        }
      }
    },
    groups,
  );
  for (const leadType of groups.total.leadTypes) stages.pipeline(leadType);
  const order = stages.inOrder(groups.total.stages.keys());
  const benchmarkOf = (stage: string): number | null => {
    const configured = stages.probabilityPpm(null, stage) ?? stages.anyProbabilityPpm(stage);
    return (
      policies.benchmark('stage_win_rate', stage, params.asOfMs) ?? (configured === null ? null : configured / PPM)
    );
  };
  const figures = (counts: Counts, asked: ReportParams): { stages: StageBenchmark[] } => {
    const link = drillLinks(asked);
    return {
      stages: order.map((stage) => {
        const { won, lost, recycled } = counts.stages.get(stage) ?? { won: 0, lost: 0, recycled: 0 };
        const resolved = won + lost;
        const benchmark = benchmarkOf(stage);
        const below = benchmark === null || resolved === 0 ? null : won * PPM < ppm(benchmark) * resolved;
        return {
          stage,
          winRate: {
            numerator: won,
            denominator: resolved,
            rate: rate(won, resolved),
            drill: link(`won.${stage}`),
            drillDenominator: link(`resolved.${stage}`),
          },
          recycled: { count: recycled, drill: link(`recycled.${stage}`) },
          benchmark,
          below,
          alert: below === true && resolved >= ALERT_SAMPLE,
        };
      }),
    };
  };
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

/** Figures: `won.<stage>`, `resolved.<stage>`, `recycled.<stage>`. */
export async function stageBenchmarksLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
): Promise<string[] | null> {
  const [, name, stage] = /^(won|resolved|recycled)\.(.+)$/.exec(figure) ?? [];
  if (name === undefined || stage === undefined) return null;
  const leads = new Set<string>();
  await scanResolved(view, params, (deal, kind, atMs) => {
    const hit = name === 'resolved' ? kind !== 'recycled' : kind === name;
    if (hit && entered(deal, atMs).has(stage)) leads.add(deal.leadId);
  });
  return [...leads];
}

/** How deals that entered a stage have ended so far. */
export class MeasuredStages implements Tally {
  readonly #counts = new Map<string, { won: number; resolved: number; moved: number; known: number }>();

  of(stage: string): { won: number; resolved: number; moved: number; known: number } {
    let counts = this.#counts.get(stage);
    if (counts === undefined) this.#counts.set(stage, (counts = { won: 0, resolved: 0, moved: 0, known: 0 }));
    return counts;
  }

  absorb(other: MeasuredStages): void {
    absorb(this.#counts, other.#counts);
  }
  weight(): number {
    return 100 + weightOf(this.#counts);
  }

  /** Share won in millionths; null while nothing is resolved. */
  ppmOf(stage: string): number | null {
    const { won, resolved } = this.of(stage);
    const share = rate(won, resolved);
    return share === null ? null : ppm(share);
  }
}

/**
 * What became of the deals that entered each stage, by asOf: won of resolved; and of those known to have left it, how many
 * moved on to a later stage of the pipeline or were won. One recycled before it moved on is neither.
 */
export async function measureStages(view: ReadView, params: ReportParams, order: readonly string[] = []) {
  const groups = new Groups(
    { ...params, by: [], groupBy: null },
    () => new MeasuredStages(),
    `measured ${JSON.stringify(order)}`,
  );
  const place = new Map(order.map((stage, index) => [stage, index]));
  await scanDeals(
    view,
    params,
    params.fromMs,
    (deal) => {
      const end = deal.endBy(params.asOfMs);
      const spans = deal.stagesBy(params.asOfMs);
      let furthest = -1;
      for (const { stage } of spans) furthest = Math.max(furthest, place.get(stage) ?? -1);
      for (const stage of new Set(spans.map((span) => span.stage))) {
        const counts = groups.total.of(stage);
        const moved = furthest > (place.get(stage) ?? furthest);
        if (end?.kind === 'won') counts.won += 1;
        if (end?.kind === 'won' || end?.kind === 'lost') counts.resolved += 1;
        if (moved || end?.kind === 'won') counts.moved += 1;
        if (moved || end?.kind === 'won' || end?.kind === 'lost') counts.known += 1;
      }
    },
    groups,
  );
  return groups.total;
}
