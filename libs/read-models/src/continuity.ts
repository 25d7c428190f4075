import type { LeadStateName } from '#libs/lead/src/states.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { type DealPast, scanDeals } from './deals.js';
import { dimensionText, type Dims, LAST_PART, utcDay, valueOf } from './dimensions.js';
import { DAY_MS, rate, type Spread } from './figures.js';
import { dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import type { LeadRow } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { numberOf } from './part-tallies.js';
import { type Path, type PathVisit, scanPaths } from './path.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { type FactRow, factValue } from './fact-row.js';
import { scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';
import { Values } from './values.js';

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
  | { readonly what: 'owned'; readonly owner: string }
  | { readonly what: 'reassigned'; readonly afterMs: number };

async function scanTold(
  view: ReadView,
  params: ReportParams,
  { policies }: ReportContext,
  use: (told: Told, leadId: string, dims: Dims) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const { asOfMs } = params;
  const passes = dimensionFilter(params);
  const reassigned = ({ dims, key, rest }: FactRow): void => {
    if (!passes(dims)) return;
    for (const [atMs, ownerId, previous] of rest as Change[]) {
      if (previous === null || previous === ownerId || !inPeriod(params, atMs)) continue;
      groups?.asOf.sees(atMs);
      const leftMs = atMs > asOfMs ? null : policies.departureMs(previous, atMs);
      if (leftMs !== null) use({ what: 'reassigned', afterMs: atMs - leftMs }, key, dims);
    }
  };
  await scanFacts(view, OWNERS_TABLE, '', LAST_PART, reassigned, { params, groups });
  const openDeal = (deal: DealPast): void => {
    if (deal.at(asOfMs) === null) return;
    const changes = deal.ownerChangesBy(asOfMs).filter((atMs) => inPeriod(params, atMs)).length;
    use({ what: 'openDeal', changes }, deal.leadId, deal.dims);
  };
  await scanDeals(view, params, asOfMs, openDeal, groups, true);
  const owned = ({ dims, leadId, visits }: Path): void => {
    const owner = valueOf(dims, 'owner');
    const { state } = visits[visits.length - 1] as PathVisit;
    if (owner !== null && !AT_REST.has(state)) use({ what: 'owned', owner }, leadId, dims);
  };
  await scanPaths(view, params, null, owned, groups);
}

/** Says of an owner whether he has left by asOf. */
function departures({ policies }: ReportContext, asOfMs: number): (owner: string) => boolean {
  const gone = new Map<string, boolean>();
  return (owner) => {
    let left = gone.get(owner);
    if (left === undefined) gone.set(owner, (left = policies.departureMs(owner, asOfMs) !== null));
    return left;
  };
}

class Counts {
  openDeals = 0;
  changes = 0;
  /** Open leads by owner. */
  readonly owned = new Map<string, number>();
  readonly afterMs = new Values();

  add(told: Told): void {
    if (told.what === 'openDeal') {
      this.openDeals += 1;
      this.changes += told.changes;
    } else if (told.what === 'owned') this.owned.set(told.owner, (this.owned.get(told.owner) ?? 0) + 1);
    else this.afterMs.push(told.afterMs);
  }
}

export async function continuityReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const { policies } = context;
  const groups = new Groups<Counts>(params, () => new Counts(), `${numberOf(policies)} ${policies.revision}`);
  await scanTold(
    view,
    params,
    context,
    (told, _, dims) => {
      groups.total.add(told);
      groups.of(dims, 0)?.add(told);
    },
    groups,
  );
  const hasLeft = departures(context, params.asOfMs);
  return {
    unit: 'days',
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, hasLeft) })),
    total: figures(groups.total, params, hasLeft),
  };
}

function figures(counts: Counts, params: ReportParams, hasLeft: (owner: string) => boolean): ContinuityFigures {
  const link = drillLinks(params);
  const share = (numerator: number, denominator: number, figure: string, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  let owned = 0;
  let orphaned = 0;
  for (const [owner, leads] of counts.owned) {
    owned += leads;
    if (hasLeft(owner)) orphaned += leads;
  }
  return {
    ownerChanges: share(counts.changes, counts.openDeals, 'changed', 'openDeals'),
    orphaned: share(orphaned, owned, 'orphaned', 'owned'),
    daysToReassign: { ...counts.afterMs.spread(DAY_MS), drill: link('reassigned') },
  };
}

const FIGURES: Readonly<Record<string, (told: Told, hasLeft: (owner: string) => boolean) => boolean>> = {
  openDeals: ({ what }) => what === 'openDeal',
  changed: (told) => told.what === 'openDeal' && told.changes > 0,
  owned: ({ what }) => what === 'owned',
  orphaned: (told, hasLeft) => told.what === 'owned' && hasLeft(told.owner),
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
  const hasLeft = departures(context, params.asOfMs);
  await scanTold(view, params, context, (told, leadId) => {
    if (hit(told, hasLeft)) leads.add(leadId);
  });
  return [...leads];
}
