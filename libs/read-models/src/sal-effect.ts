import { type Closing, CYCLE_STARTS, type CycleStart, scanClosings } from './closings.js';
import { DAY_MS, quotient, rate, type Spread } from './figures.js';
import { type CountFigure, drillLinks, Groups, type RateFigure } from './grouping.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import { Values } from './values.js';

/**
 * Spec 7.31: what the step of acceptance does. The deals won or lost in the period, those whose cycle went through SAL against
 * those that skipped it: win rate (7.11), length of the won ones (7.8, `start`), share with a promise of the cycle broken.
 */
export const salEffectParams: ParamSpec = {
  report: 'sal-effect',
  period: true,
  by: true,
  groupBy: true,
  choices: { start: CYCLE_STARTS },
};

const WAYS = ['through', 'skipped'] as const;
type Way = (typeof WAYS)[number];

export interface WayFigures {
  readonly closed: CountFigure;
  readonly winRate: RateFigure;
  /** Of won deals. */
  readonly cycleDays: Spread & { readonly drill: string };
  readonly breachShare: RateFigure;
}
export interface SalEffectFigures {
  readonly through: WayFigures;
  readonly skipped: WayFigures;
  /** Through SAL − skipped; null where one of them is. Mean length in days. */
  readonly difference: {
    readonly winRate: number | null;
    readonly meanCycleDays: number | null;
    readonly breachShare: number | null;
  };
}

interface Counts {
  closed: number;
  won: number;
  breached: number;
  readonly lengths: Values;
}

const wayOf = ({ throughSal }: Closing): Way => (throughSal ? 'through' : 'skipped');
const lengthOf = (closing: Closing, params: ReportParams): number | null =>
  closing.kind === 'won' ? closing.lengths[params.choices.start as CycleStart] : null;

async function scanResolved(
  view: ReadView,
  params: ReportParams,
  use: (closing: Closing) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  await scanClosings(
    view,
    params,
    (closing) => {
      if (closing.kind !== 'recycled') use(closing);
    },
    groups,
  );
}

export async function salEffectReport(view: ReadView, params: ReportParams) {
  const none = (): Counts => ({ closed: 0, won: 0, breached: 0, lengths: new Values() });
  const groups = new Groups<Record<Way, Counts>>(params, () => ({ through: none(), skipped: none() }));
  await scanResolved(
    view,
    params,
    (closing) => {
      const length = lengthOf(closing, params);
      for (const ways of [groups.total, groups.of(closing.dims, closing.closedMs)]) {
        if (ways === null) continue;
        const counts = ways[wayOf(closing)];
        counts.closed += 1;
        if (closing.kind === 'won') counts.won += 1;
        if (closing.breaches > 0) counts.breached += 1;
        if (length !== null) counts.lengths.push(length);
      }
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures(counts: Readonly<Record<Way, Counts>>, params: ReportParams): SalEffectFigures {
  const link = drillLinks(params);
  const of = (way: Way): WayFigures => {
    const { breached, closed, lengths, won } = counts[way];
    const drillDenominator = link(`${way}.closed`);
    const share = (numerator: number, figure: string): RateFigure => ({
      numerator,
      denominator: closed,
      rate: rate(numerator, closed),
      drill: link(`${way}.${figure}`),
      drillDenominator,
    });
    return {
      closed: { count: closed, drill: drillDenominator },
      winRate: share(won, 'won'),
      cycleDays: { ...lengths.spread(DAY_MS), drill: link(`${way}.measured`) },
      breachShare: share(breached, 'breached'),
    };
  };
  const through = of('through');
  const skipped = of('skipped');
  return {
    through,
    skipped,
    difference: {
      winRate: minus(through.winRate.rate, skipped.winRate.rate, 6),
      meanCycleDays: minus(through.cycleDays.mean, skipped.cycleDays.mean, 4),
      breachShare: minus(through.breachShare.rate, skipped.breachShare.rate, 6),
    },
  };
}

/** Of two figures with so many places, without the dust of binary fractions. */
function minus(a: number | null, b: number | null, places: number): number | null {
  if (a === null || b === null) return null;
  const scale = 10 ** places;
  return quotient(Math.round(a * scale) - Math.round(b * scale), scale, places);
}

/** Figures: `through.` or `skipped.` and `closed`, `won`, `measured`, `breached`. */
export async function salEffectLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [, way, name] = /^(through|skipped)\.(closed|won|measured|breached)$/.exec(figure) ?? [];
  if (way === undefined) return null;
  const leads = new Set<string>();
  await scanResolved(view, params, (closing) => {
    if (wayOf(closing) !== way) return;
    const hit =
      name === 'closed' ||
      (name === 'won' && closing.kind === 'won') ||
      (name === 'measured' && lengthOf(closing, params) !== null) ||
      (name === 'breached' && closing.breaches > 0);
    if (hit) leads.add(closing.leadId);
  });
  return [...leads];
}
