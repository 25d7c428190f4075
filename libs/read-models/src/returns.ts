import { rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { offFunnel, type Path, scanPaths } from './path.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';

/**
 * Spec 7.28: of the entries to SAL in the period, those whose lead was recycled or disqualified from SAL or SQL by asOf: accepted,
 * then sent back. Of these, the ones nobody had tried to contact since the handoff. `basis=cycle` (default) counts
 * every cycle's entry, `lead` the first of each lead.
 */
export const returnsParams: ParamSpec = {
  report: 'returns',
  period: true,
  by: true,
  groupBy: true,
  choices: { basis: ['cycle', 'lead'] },
};

export interface ReturnsFigures {
  readonly accepted: CountFigure;
  /** Recycled or disqualified / accepted. */
  readonly returned: RateFigure;
  readonly recycled: RateFigure;
  readonly disqualified: RateFigure;
  /** Of those returned. */
  readonly withoutAttempt: RateFigure;
}

interface Acceptance {
  readonly atMs: number;
  readonly end: 'recycled' | 'disqualified' | null;
  readonly attempted: boolean;
}

/** What became of each entry to SAL. */
function acceptances(path: Path, params: ReportParams): Acceptance[] {
  const found = new Map<number, Acceptance>();
  const { marks, visits } = path;
  visits.forEach(({ cycle, enteredMs, state }, index) => {
    if (state === 'SAL' && !found.has(cycle)) found.set(cycle, { atMs: enteredMs, end: null, attempted: false });
    const before = visits[index - 1]?.state;
    const kind = offFunnel(visits[index] as Path['visits'][number]);
    const accepted = found.get(cycle);
    if ((before !== 'SAL' && before !== 'SQL') || (kind !== 'recycled' && kind !== 'disqualified')) return;
    if (accepted === undefined) return;
    found.set(cycle, { ...accepted, end: kind, attempted: marks.exits.get(index)?.attempted === true });
  });
  const all = [...found.values()];
  const [first] = all;
  if (params.choices.basis !== 'lead' || first === undefined) return all;
  // The lead counts once, as returned if any of its cycles was.
  return [{ ...(all.find(({ end }) => end !== null) ?? first), atMs: first.atMs }];
}

interface Counts {
  accepted: number;
  recycled: number;
  disqualified: number;
  withoutAttempt: number;
}

async function scanAcceptances(
  view: ReadView,
  params: ReportParams,
  use: (acceptance: Acceptance, path: Path) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  await scanPaths(
    view,
    params,
    params.fromMs,
    (path) => {
      if (!path.visits.some(({ state }) => state === 'SAL')) return;
      for (const acceptance of acceptances(path, params)) if (inPeriod(params, acceptance.atMs)) use(acceptance, path);
    },
    groups,
  );
}

export async function returnsReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts>(params, () => ({ accepted: 0, recycled: 0, disqualified: 0, withoutAttempt: 0 }));
  await scanAcceptances(
    view,
    params,
    ({ atMs, attempted, end }, { dims }) => {
      for (const counts of [groups.total, groups.of(dims, atMs)]) {
        if (counts === null) continue;
        counts.accepted += 1;
        if (end === null) continue;
        counts[end] += 1;
        if (!attempted) counts.withoutAttempt += 1;
      }
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures({ accepted, disqualified, recycled, withoutAttempt }: Counts, params: ReportParams): ReturnsFigures {
  const link = drillLinks(params);
  const share = (numerator: number, figure: string, denominator: number, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  const returned = recycled + disqualified;
  return {
    accepted: { count: accepted, drill: link('accepted') },
    returned: share(returned, 'returned', accepted, 'accepted'),
    recycled: share(recycled, 'recycled', accepted, 'accepted'),
    disqualified: share(disqualified, 'disqualified', accepted, 'accepted'),
    withoutAttempt: share(withoutAttempt, 'withoutAttempt', returned, 'returned'),
  };
}

const FIGURES: Readonly<Record<string, (acceptance: Acceptance) => boolean>> = {
  accepted: () => true,
  returned: ({ end }) => end !== null,
  recycled: ({ end }) => end === 'recycled',
  disqualified: ({ end }) => end === 'disqualified',
  withoutAttempt: ({ attempted, end }) => end !== null && !attempted,
};

/** Figures: `accepted`, `returned`, `recycled`, `disqualified`, `withoutAttempt`. */
export async function returnsLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const hit = Object.hasOwn(FIGURES, figure) ? FIGURES[figure] : undefined;
  if (hit === undefined) return null;
  const leads = new Set<string>();
  await scanAcceptances(view, params, (acceptance, { leadId }) => {
    if (hit(acceptance)) leads.add(leadId);
  });
  return [...leads];
}
