import type { LeadStateName } from '#libs/lead/src/states.js';
import { scanDeals } from './deals.js';
import type { Dims } from './dimensions.js';
import { DAY_MS, rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { Exchange, reportingCurrency } from './money.js';
import { scanPaths } from './path.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { absorb, type Tally } from './tally.js';
import { targetOf } from './targets.js';

/**
 * Spec 7.23: which share of the open value at asOf is meant to close on the short and on the long horizon; and, a row a week
 * (or `groupBy`), the new leads and how many more entered a stage than left it.
 */
export const balanceParams: ParamSpec = {
  report: 'balance',
  period: true,
  by: true,
  groupBy: true,
  defaultGroupBy: 'week',
  texts: ['currency'],
};

const STATES = [
  'SUBSCRIBER',
  'LEAD',
  'PROSPECT',
  'MQL',
  'SAL',
  'SQL',
  'OPPORTUNITY',
] as const satisfies LeadStateName[];

export interface HorizonFigures {
  /** Open value of the horizon / open value; minor units. */
  readonly currencies: readonly { readonly currency: string; readonly short: RateFigure; readonly long: RateFigure }[];
  readonly mixedCurrencies: boolean;
}
export interface StageBalance {
  readonly state: (typeof STATES)[number];
  /** In OPPORTUNITY; null: the state as a whole. */
  readonly dealStage: string | null;
  readonly entries: CountFigure;
  readonly exits: CountFigure;
  /** entries − exits. */
  readonly net: number;
}
export interface BalanceFigures {
  readonly newLeads: CountFigure;
  readonly stages: readonly StageBalance[];
}

class Flows implements Tally {
  newLeads = 0;
  /** The first thing that is counted. */
  firstMs = Infinity;
  readonly entries = new Map<string, number>();
  readonly exits = new Map<string, number>();

  absorb({ entries, exits, firstMs, newLeads }: Flows): void {
    this.newLeads += newLeads;
    this.firstMs = Math.min(this.firstMs, firstMs);
    absorb(this.entries, entries);
    absorb(this.exits, exits);
  }
}
type What = 'newLeads' | 'entries' | 'exits';

/** What came, entered and left in the period, by asOf. */
async function scanFlows(
  view: ReadView,
  params: ReportParams,
  use: (what: What, stage: string, atMs: number, dims: Dims, leadId: string) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const { asOfMs, fromMs } = params;
  const told = (what: What, stage: string, atMs: number | null, dims: Dims, leadId: string): void => {
    if (atMs !== null && inPeriod(params, atMs)) use(what, stage, atMs, dims, leadId);
  };
  await scanPaths(
    view,
    params,
    fromMs,
    ({ dims, leadId, visits }) => {
      visits.forEach(({ enteredMs, state }, index) => {
        if (index === 0) told('newLeads', '', enteredMs, dims, leadId);
        if (!(STATES as readonly string[]).includes(state)) return;
        told('entries', state, enteredMs, dims, leadId);
        told('exits', state, visits[index + 1]?.enteredMs ?? null, dims, leadId);
      });
    },
    groups,
  );
  await scanDeals(
    view,
    params,
    fromMs,
    (deal) => {
      for (const { enteredMs, exitedMs, stage } of deal.stagesBy(asOfMs)) {
        told('entries', `OPPORTUNITY.${stage}`, enteredMs, deal.dims, deal.leadId);
        told('exits', `OPPORTUNITY.${stage}`, exitedMs, deal.dims, deal.leadId);
      }
    },
    groups,
  );
}

const NO_DIMS: Dims = { values: [] };
/** A year of weeks and then some: gaps between are shown as far back as that. */
const MOST_FILLED = 400;

export async function balanceReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const groups = new Groups<Flows>(params, () => new Flows());
  await scanFlows(
    view,
    params,
    (what, stage, atMs, dims) => {
      groups.total.firstMs = Math.min(groups.total.firstMs, atMs);
      for (const flows of [groups.total, groups.of(dims, atMs)]) {
        if (flows === null) continue;
        if (what === 'newLeads') flows.newLeads += 1;
        else flows[what].set(stage, (flows[what].get(stage) ?? 0) + 1);
      }
    },
    groups,
  );
  const { entries, exits } = groups.total;
  const firstMs = Math.min(params.fromMs ?? Infinity, groups.total.firstMs);
  const seen = new Set(
    [...entries.keys(), ...exits.keys()].flatMap((name) => (name.startsWith('OPPORTUNITY.') ? [name.slice(12)] : [])),
  );
  // A week in which nothing came is what continuity is about, so it has a row as well.
  const lastMs = Math.min(params.asOfMs, (params.toMs ?? Infinity) - 1);
  if (params.by.length === 0 && (lastMs - firstMs) / DAY_MS < 7 * MOST_FILLED) {
    // Where clocks go forward a day is shorter than a day.
    for (let atMs = firstMs; atMs <= lastMs; atMs += DAY_MS / 2) groups.of(NO_DIMS, atMs);
    if (firstMs <= lastMs) groups.of(NO_DIMS, lastMs);
  }
  const stages = new StagePolicies(context.policies, params.asOfMs);
  const names = [
    ...STATES,
    ...stages
      .inOrder(seen)
      .filter((stage) => seen.has(stage))
      .map((stage) => `OPPORTUNITY.${stage}`),
  ];
  return {
    horizon: await horizonReport(view, params, context),
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, names) })),
    total: figures(groups.total, params, names),
  };
}

function figures(flows: Flows, params: ReportParams, names: readonly string[]): BalanceFigures {
  const link = drillLinks(params);
  return {
    newLeads: { count: flows.newLeads, drill: link('newLeads') },
    stages: names.map((name) => {
      const entries = flows.entries.get(name) ?? 0;
      const exits = flows.exits.get(name) ?? 0;
      const dot = name.indexOf('.');
      return {
        state: (dot < 0 ? name : name.slice(0, dot)) as StageBalance['state'],
        dealStage: dot < 0 ? null : name.slice(dot + 1),
        entries: { count: entries, drill: link(`entries.${name}`) },
        exits: { count: exits, drill: link(`exits.${name}`) },
        net: entries - exits,
      };
    }),
  };
}

type Horizons = Map<string, { short: number; long: number }>;

/** Every deal that is open at asOf, whatever the period, those on hold or back in qualification too. */
async function scanOpenValue(
  view: ReadView,
  params: ReportParams,
  { policies }: ReportContext,
  use: (amountMinor: number, currency: string, horizon: 'short' | 'long', dims: Dims, leadId: string) => void,
): Promise<void> {
  const { asOfMs } = params;
  const reporting = reportingCurrency(params, targetOf(policies, params, 'all')?.currency ?? null);
  const exchange = new Exchange(policies, reporting, asOfMs);
  await scanDeals(view, params, asOfMs, (deal) => {
    const now = deal.at(asOfMs);
    if (now === null) return;
    const { amountMinor, currency } = exchange.open(now.amountMinor, deal.currency);
    use(amountMinor, currency, deal.horizon, deal.dims, deal.leadId);
  });
}

async function horizonReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const groups = new Groups<Horizons>({ ...params, groupBy: null }, () => new Map());
  await scanOpenValue(view, params, context, (amountMinor, currency, horizon, dims) => {
    for (const sums of [groups.total, groups.of(dims, 0)]) {
      if (sums === null) continue;
      let sum = sums.get(currency);
      if (sum === undefined) sums.set(currency, (sum = { short: 0, long: 0 }));
      sum[horizon] += amountMinor;
    }
  });
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...horizons(row.figures, row.params) })),
    total: horizons(groups.total, params),
  };
}

function horizons(sums: Horizons, params: ReportParams): HorizonFigures {
  const link = drillLinks(params);
  return {
    currencies: [...sums]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([currency, { long, short }]) => {
        const share = (numerator: number, horizon: string): RateFigure => ({
          numerator,
          denominator: short + long,
          rate: rate(numerator, short + long),
          drill: link(`${horizon}.${currency}`),
          drillDenominator: link(`open.${currency}`),
        });
        return { currency, short: share(short, 'short'), long: share(long, 'long') };
      }),
    mixedCurrencies: sums.size > 1,
  };
}

/** Figures: `newLeads`; `entries`, `exits` with `.<state>` or `.OPPORTUNITY.<deal stage>`; `short`, `long`, `open` with `.<currency>`. */
export async function balanceLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const [, name = '', part = ''] = /^(newLeads|entries|exits|short|long|open)(?:\.(.+))?$/.exec(figure) ?? [];
  if (name === '' || (name === 'newLeads') !== (part === '')) return null;
  const leads = new Set<string>();
  if (name === 'short' || name === 'long' || name === 'open') {
    await scanOpenValue(view, params, context, (_, currency, horizon, __, leadId) => {
      if (currency === part && (name === 'open' || name === horizon)) leads.add(leadId);
    });
  } else {
    await scanFlows(view, params, (what, stage, _, __, leadId) => {
      if (what === name && stage === part) leads.add(leadId);
    });
  }
  return [...leads];
}
