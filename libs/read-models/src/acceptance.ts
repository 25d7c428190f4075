import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { rate } from './figures.js';
import { type CountFigure, dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { HANDOFF_OUTCOMES, type HandoffOutcome, type LeadRow } from './lead-row.js';
import { invalidParameter } from './report-error.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { factValue, orNull } from './fact-row.js';
import { leadOfKey, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** One fact per handoff that stands, by the UTC day it was offered. Its team and owner are those it was offered to. */
const HANDOFF_TABLE = 'handoff';

/** Numbers: offered, outcome, decided; then the reason and the failed criteria of a rejection. */
export function handoffFacts(row: LeadRow): Fact[] {
  return row.handoffs.map((handoff, index) => ({
    kind: 'row',
    table: HANDOFF_TABLE,
    part: utcDay(handoff.offeredMs),
    key: `${row.leadId}/${index}`,
    value: factValue(
      dimensionText(row, handoff.team, handoff.owner ?? handoff.decider, handoff.offeredMs),
      `${handoff.offeredMs},${HANDOFF_OUTCOMES.indexOf(handoff.outcome)},${handoff.decidedMs ?? ''}`,
      handoff.reason === null ? undefined : [handoff.reason, handoff.failedCriteria],
    ),
  }));
}

/** The share of decided handoffs that makes the target, inclusive (spec §1: 0.90). */
const DEFAULT_TARGET = 0.9;

/** Spec 7.5: of the handoffs offered in the period, what was decided by asOf. Implicit acceptance counts as accepted. */
export const acceptanceParams: ParamSpec = {
  report: 'acceptance',
  period: true,
  by: true,
  groupBy: true,
  texts: ['target'],
};

export interface AcceptanceFigures {
  readonly offered: CountFigure;
  /** Implicit acceptances included. */
  readonly accepted: CountFigure;
  readonly implicit: CountFigure;
  readonly rejected: CountFigure;
  readonly cancelled: CountFigure;
  readonly open: CountFigure;
  /** accepted / (accepted + rejected). */
  readonly acceptance: RateFigure;
  readonly rejection: RateFigure;
  /** accepted / offered and not cancelled. */
  readonly ofOffered: RateFigure;
  readonly target: number;
  /** Null while nothing is decided. */
  readonly meetsTarget: boolean | null;
  readonly rejectionReasons: readonly (RateFigure & { readonly reasonCode: string })[];
  /** A rejection may name several. */
  readonly failedCriteria: readonly (RateFigure & { readonly ruleId: string })[];
}

interface Counts {
  outcomes: Record<HandoffOutcome, number>;
  reasons: Map<string, number>;
  criteria: Map<string, number>;
}

interface Offer {
  readonly leadId: string;
  readonly dims: Dims;
  readonly offeredMs: number;
  readonly outcome: HandoffOutcome;
  readonly reason: string | null;
  readonly failedCriteria: readonly string[];
}

/** Handoffs offered in the period, with what had become of them by asOf. */
async function scanOffers(
  view: ReadView,
  params: ReportParams,
  use: (offer: Offer) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const fromPart = params.fromMs === null ? '' : utcDay(params.fromMs);
  const toPart = params.toMs === null ? LAST_PART : utcDay(params.toMs);
  await scanFacts(
    view,
    HANDOFF_TABLE,
    fromPart,
    toPart,
    ({ dims, key, numbers, rest }) => {
      const [offeredMs, outcome, decided] = numbers as [number, number, number];
      groups?.asOf.sees(offeredMs);
      if (offeredMs > params.asOfMs || !inPeriod(params, offeredMs) || !passes(dims)) return;
      const decidedMs = orNull(decided);
      if (decidedMs !== null) groups?.asOf.sees(decidedMs);
      const [reason, failed] = (rest ?? []) as [string?, string[]?];
      const undecided = decidedMs === null || decidedMs > params.asOfMs;
      use({
        leadId: leadOfKey(key),
        dims,
        offeredMs,
        outcome: undecided ? 'open' : (HANDOFF_OUTCOMES[outcome] as HandoffOutcome),
        reason: undecided ? null : (reason ?? null),
        failedCriteria: undecided ? [] : (failed ?? []),
      });
    },
    { params, groups },
  );
}

export async function acceptanceReport(view: ReadView, params: ReportParams) {
  const target = params.choices.target === undefined ? DEFAULT_TARGET : Number(params.choices.target);
  if (!(target >= 0 && target <= 1)) throw invalidParameter('target', 'a share from 0 to 1');
  const groups = new Groups<Counts>(params, () => ({
    outcomes: { open: 0, accepted: 0, implicit: 0, rejected: 0, cancelled: 0 },
    reasons: new Map(),
    criteria: new Map(),
  }));
  await scanOffers(
    view,
    params,
    (offer) => {
      for (const counts of [groups.total, groups.of(offer.dims, offer.offeredMs)]) {
        if (counts === null) continue;
        counts.outcomes[offer.outcome] += 1;
        if (offer.reason !== null) counts.reasons.set(offer.reason, (counts.reasons.get(offer.reason) ?? 0) + 1);
        for (const ruleId of new Set(offer.failedCriteria)) {
          counts.criteria.set(ruleId, (counts.criteria.get(ruleId) ?? 0) + 1);
        }
      }
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, target) })),
    total: figures(groups.total, params, target),
  };
}

function figures({ outcomes, reasons, criteria }: Counts, params: ReportParams, target: number): AcceptanceFigures {
  const link = drillLinks(params);
  const accepted = outcomes.accepted + outcomes.implicit;
  const decided = accepted + outcomes.rejected;
  const standing = decided + outcomes.open;
  const count = (value: number, figure: string): CountFigure => ({ count: value, drill: link(figure) });
  const share = (numerator: number, figure: string, denominator: number, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  const mostFirst = (counts: ReadonlyMap<string, number>) =>
    [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return {
    offered: count(standing + outcomes.cancelled, 'offered'),
    accepted: count(accepted, 'accepted'),
    implicit: count(outcomes.implicit, 'implicit'),
    rejected: count(outcomes.rejected, 'rejected'),
    cancelled: count(outcomes.cancelled, 'cancelled'),
    open: count(outcomes.open, 'open'),
    acceptance: share(accepted, 'accepted', decided, 'decided'),
    rejection: share(outcomes.rejected, 'rejected', decided, 'decided'),
    ofOffered: share(accepted, 'accepted', standing, 'notCancelled'),
    target,
    meetsTarget: decided === 0 ? null : accepted * 10_000 >= Math.round(target * 10_000) * decided,
    rejectionReasons: mostFirst(reasons).map(([reasonCode, n]) => ({
      reasonCode,
      ...share(n, `reason.${reasonCode}`, outcomes.rejected, 'rejected'),
    })),
    failedCriteria: mostFirst(criteria).map(([ruleId, n]) => ({
      ruleId,
      ...share(n, `criterion.${ruleId}`, outcomes.rejected, 'rejected'),
    })),
  };
}

const FIGURES: Readonly<Record<string, readonly HandoffOutcome[]>> = {
  offered: HANDOFF_OUTCOMES,
  accepted: ['accepted', 'implicit'],
  implicit: ['implicit'],
  rejected: ['rejected'],
  cancelled: ['cancelled'],
  open: ['open'],
  decided: ['accepted', 'implicit', 'rejected'],
  notCancelled: ['accepted', 'implicit', 'rejected', 'open'],
};

/** Figures: `offered`, `accepted`, `implicit`, `rejected`, `cancelled`, `open`, `decided`, `notCancelled`, `reason.<code>`, `criterion.<rule>`. */
export async function acceptanceLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const outcomes = Object.hasOwn(FIGURES, figure) ? FIGURES[figure] : undefined;
  const dot = figure.indexOf('.');
  const kind = outcomes === undefined && dot > 0 ? figure.slice(0, dot) : null;
  const name = figure.slice(dot + 1);
  if (outcomes === undefined && kind !== 'reason' && kind !== 'criterion') return null;
  const leads = new Set<string>();
  await scanOffers(view, params, (offer) => {
    const hit =
      outcomes?.includes(offer.outcome) ??
      (kind === 'reason' ? offer.reason === name : offer.failedCriteria.includes(name));
    if (hit) leads.add(offer.leadId);
  });
  return [...leads];
}
