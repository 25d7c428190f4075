import type { LeadStateName } from '#libs/lead/src/states.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { scanDeals } from './deals.js';
import { dimensionText, type Dims, LAST_PART, utcDay, valueOf } from './dimensions.js';
import { DAY_MS, rate, spread, type Spread } from './figures.js';
import { dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import type { LeadRow } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { scanPaths } from './path.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { factValue, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** One fact per lead that was given to somebody else, by the UTC day on which it last was. */
const OWNERS_TABLE = 'owners';

type Change = readonly [atMs: number, ownerId: string, previousOwnerId: string | null, reason: string];

export function ownerFacts(row: LeadRow): Fact[] {
  const changes = notesOf(row.notes, 'owner').map(({ atMs, says }): Change => [
    atMs,
    says[0] as string,
    says[1] as string | null,
    says[2] as string,
  ]);
  const last = changes[changes.length - 1];
  if (last === undefined) return [];
  return [
    {
      kind: 'row',
      table: OWNERS_TABLE,
      part: utcDay(last[0]),
      key: row.leadId,
      value: factValue(dimensionText(row, row.team, row.owner), '', changes),
    },
  ];
}

/**
 * Spec 7.29: how often the deals open at asOf changed hands since they were opened (and in the period), the open leads whose
 * owner has left, and the days from a departure until its leads were given to somebody else in the period.
 */
export const continuityParams: ParamSpec = { report: 'continuity', period: true, by: true };

export interface ContinuityFigures {
  /** Changes / open deals. */
  readonly ownerChanges: RateFigure;
  /** Of the open leads that have an owner, those whose owner has left. */
  readonly orphaned: RateFigure;
  /** Days from the departure to the new owner. */
  readonly daysToReassign: Spread & { readonly drill: string };
}

/** Nobody works on these any more; customers are still looked after. */
const AT_REST: ReadonlySet<LeadStateName> = new Set(['LOST', 'DISQUALIFIED', 'JUNK', 'MERGED']);

type Told =
  | { readonly what: 'openDeal'; readonly changes: number }
  | { readonly what: 'owned'; readonly orphaned: boolean }
  | { readonly what: 'reassigned'; readonly afterMs: number };

async function scanTold(
  view: ReadView,
  params: ReportParams,
  { policies }: ReportContext,
  use: (told: Told, leadId: string, dims: Dims) => void,
): Promise<void> {
  const { asOfMs } = params;
  const passes = dimensionFilter(params);
  const changesOf = new Map<string, readonly Change[]>();
  await scanFacts(view, OWNERS_TABLE, '', LAST_PART, ({ dims, key, rest }) => {
    const changes = (rest as Change[]).filter(([atMs]) => atMs <= asOfMs);
    changesOf.set(key, changes);
    if (!passes(dims)) return;
    for (const [atMs, ownerId, previous] of changes) {
      if (previous === null || previous === ownerId || !inPeriod(params, atMs)) continue;
      const leftMs = policies.departureMs(previous, atMs);
      if (leftMs !== null) use({ what: 'reassigned', afterMs: atMs - leftMs }, key, dims);
    }
  });
  await scanDeals(view, params, asOfMs, (deal) => {
    if (deal.at(asOfMs) === null) return;
    const changes = (changesOf.get(deal.leadId) ?? []).filter(
      ([atMs, ownerId, previous]) =>
        atMs >= deal.openedMs && inPeriod(params, atMs) && previous !== null && previous !== ownerId,
    );
    use({ what: 'openDeal', changes: changes.length }, deal.leadId, deal.dims);
  });
  const gone = new Map<string, boolean>();
  await scanPaths(view, params, null, ({ dims, leadId, visits }) => {
    const owner = valueOf(dims, 'owner');
    const { state } = visits[visits.length - 1] as { state: LeadStateName };
    if (owner === null || AT_REST.has(state)) return;
    let orphaned = gone.get(owner);
    if (orphaned === undefined) gone.set(owner, (orphaned = policies.departureMs(owner, asOfMs) !== null));
    use({ what: 'owned', orphaned }, leadId, dims);
  });
}

class Counts {
  openDeals = 0;
  changes = 0;
  owned = 0;
  orphaned = 0;
  readonly afterMs: number[] = [];

  add(told: Told): void {
    if (told.what === 'openDeal') {
      this.openDeals += 1;
      this.changes += told.changes;
    } else if (told.what === 'owned') {
      this.owned += 1;
      if (told.orphaned) this.orphaned += 1;
    } else this.afterMs.push(told.afterMs);
  }
}

export async function continuityReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const groups = new Groups<Counts>(params, () => new Counts());
  await scanTold(view, params, context, (told, _, dims) => {
    groups.total.add(told);
    groups.of(dims, 0)?.add(told);
  });
  return {
    unit: 'days',
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures(counts: Counts, params: ReportParams): ContinuityFigures {
  const link = drillLinks(params);
  const share = (numerator: number, denominator: number, figure: string, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  return {
    ownerChanges: share(counts.changes, counts.openDeals, 'changed', 'openDeals'),
    orphaned: share(counts.orphaned, counts.owned, 'orphaned', 'owned'),
    daysToReassign: { ...spread(counts.afterMs, DAY_MS), drill: link('reassigned') },
  };
}

const FIGURES: Readonly<Record<string, (told: Told) => boolean>> = {
  openDeals: ({ what }) => what === 'openDeal',
  changed: (told) => told.what === 'openDeal' && told.changes > 0,
  owned: ({ what }) => what === 'owned',
  orphaned: (told) => told.what === 'owned' && told.orphaned,
  reassigned: ({ what }) => what === 'reassigned',
};

/** Figures: `openDeals`, `changed`, `owned`, `orphaned`, `reassigned`. */
export async function continuityLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const hit = Object.hasOwn(FIGURES, figure) ? FIGURES[figure] : undefined;
  if (hit === undefined) return null;
  const leads = new Set<string>();
  await scanTold(view, params, context, (told, leadId) => {
    if (hit(told)) leads.add(leadId);
  });
  return [...leads];
}
