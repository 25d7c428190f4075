import { type Closing, CYCLE_STARTS, type CycleStart, scanClosings } from './closings.js';
import { DAY_MS, type Spread } from './figures.js';
import { type CountFigure, drillLinks, Groups } from './grouping.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import { Values } from './values.js';

/** Spec 7.8: days from the start to the close of won deals closed in the period; `inclLost` counts lost ones as well. */
export const salesCycleParams: ParamSpec = {
  report: 'sales-cycle',
  period: true,
  by: true,
  groupBy: true,
  choices: { start: CYCLE_STARTS },
};

/** Days. */
type DaysFigure = Spread & { readonly drill: string };

export interface SalesCycleFigures {
  readonly won: DaysFigure;
  readonly inclLost: DaysFigure;
  /** Won deals without such a start: the stage was skipped, so there is nothing to count from. */
  readonly withoutStart: CountFigure;
}

interface Lengths {
  won: Values;
  inclLost: Values;
  withoutStart: number;
}

const lengthOf = (closing: Closing, params: ReportParams): number | null =>
  closing.lengths[params.choices.start as CycleStart];

export async function salesCycleReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Lengths>(params, () => ({ won: new Values(), inclLost: new Values(), withoutStart: 0 }));
  await scanClosings(
    view,
    params,
    (closing) => {
      if (closing.kind === 'recycled') return;
      const ms = lengthOf(closing, params);
      for (const lengths of [groups.total, groups.of(closing.dims, closing.closedMs)]) {
        if (lengths === null) continue;
        if (ms !== null) lengths.inclLost.push(ms);
        if (closing.kind !== 'won') continue;
        if (ms === null) lengths.withoutStart += 1;
        else lengths.won.push(ms);
      }
    },
    groups,
  );
  return {
    unit: 'days',
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures(lengths: Lengths, params: ReportParams): SalesCycleFigures {
  const link = drillLinks(params);
  return {
    won: { ...lengths.won.spread(DAY_MS), drill: link('won') },
    inclLost: { ...lengths.inclLost.spread(DAY_MS), drill: link('inclLost') },
    withoutStart: { count: lengths.withoutStart, drill: link('withoutStart') },
  };
}

const FIGURES: Readonly<Record<string, (closing: Closing, ms: number | null) => boolean>> = {
  won: ({ kind }, ms) => kind === 'won' && ms !== null,
  inclLost: ({ kind }, ms) => kind !== 'recycled' && ms !== null,
  withoutStart: ({ kind }, ms) => kind === 'won' && ms === null,
};

/** Figures: `won`, `inclLost`, `withoutStart`. */
export async function salesCycleLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const hit = Object.hasOwn(FIGURES, figure) ? FIGURES[figure] : undefined;
  if (hit === undefined) return null;
  const leads = new Set<string>();
  await scanClosings(view, params, (closing) => {
    if (hit(closing, lengthOf(closing, params))) leads.add(closing.leadId);
  });
  return [...leads];
}
