import { quotient, rate } from './figures.js';
import { drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import type { MoneyFigure } from './forecast.js';
import { type DealPast, scanDeals } from './deals.js';
import type { DealStage } from '#libs/policy/src/documents.js';
import { ceiling, Exchange, keepCurrency, reportingCurrency, share } from './money.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { type MeasuredStages, measureStages } from './stage-benchmarks.js';
import { PPM, ppm, StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';
import { absorb, type Tally, weightOf } from './tally.js';
import { rowTarget, targetOf } from './targets.js';

/**
 * Spec 7.17: ⌈(target / average won deal) / winProbability(s)⌉ for each deal stage s, and beside it for the gap that is left
 * instead of the target, by the overall win rate, and by the chain of measured stage-to-next rates. Seed 003's "divide by
 * two" is not applied (spec §10 C8).
 */
export const requiredOpportunitiesParams: ParamSpec = {
  report: 'required-opportunities',
  period: true,
  by: true,
  texts: ['target', 'scope', 'currency'],
};

/** Opportunities that must stand there; null when target, average or rate is missing. */
export interface Required {
  readonly forTarget: number | null;
  /** For what is left of the target. */
  readonly forGap: number | null;
}

export interface RequiredStage {
  readonly stage: string;
  readonly probability: number;
  readonly required: Required;
  /** Of the deals known to have left the stage, those that moved on or were won. */
  readonly stageToNext: { readonly numerator: number; readonly denominator: number; readonly rate: number | null };
  /** Product of these rates from the stage on; null when one is unknown. */
  readonly chainRate: number | null;
  readonly requiredByChain: Required;
  /** Deals that stand in the stage at asOf, those on hold too. */
  readonly open: { readonly count: number; readonly drill: string };
}

export interface RequiredFigures {
  readonly currency: string | null;
  readonly targetMinor: number | null;
  readonly gapMinor: number | null;
  readonly won: MoneyFigure;
  /** Won amount / won deals of the period; of all time up to asOf when it has none. */
  readonly averageWonDeal: RateFigure & { readonly amountMinor: number | null; readonly from: 'period' | 'history' };
  /** Target / average won deal, 4 places. */
  readonly dealsNeeded: { readonly forTarget: number | null; readonly forGap: number | null };
  readonly winRate: RateFigure;
  readonly requiredByWinRate: Required;
  /** Of the pipeline of the filtered lead type, else of the default one. */
  readonly stages: readonly RequiredStage[];
}

interface Won {
  deals: number;
  amountMinor: number;
}
const NONE: Won = { deals: 0, amountMinor: 0 };

/** Sums by currency. */
class Sales implements Tally {
  readonly #sums = new Map<string, Won>();

  add(currency: string, amountMinor: number): void {
    const sum = this.of(currency);
    this.#sums.set(currency, { deals: sum.deals + 1, amountMinor: sum.amountMinor + amountMinor });
  }
  absorb(other: Sales): void {
    absorb(this.#sums, other.#sums);
  }
  weight(): number {
    return 100 + weightOf(this.#sums);
  }
  of(currency: string | null): Won {
    return (currency === null ? undefined : this.#sums.get(currency)) ?? NONE;
  }
  /** Null unless there is exactly one. */
  onlyCurrency(): string | null {
    return this.#sums.size === 1 ? ([...this.#sums.keys()][0] as string) : null;
  }
}

class Counts {
  readonly period = new Sales();
  readonly history = new Sales();
  won = 0;
  lost = 0;
  readonly standing = new Map<string, number>();
}

function ways(params: ReportParams, { policies }: ReportContext) {
  const target = targetOf(policies, params, params.choices.scope ?? 'all');
  const reporting = reportingCurrency(params, target?.currency ?? null);
  return { target, reporting, exchange: new Exchange(policies, reporting, params.asOfMs) };
}

/** The steps of a pipeline as its deals have taken them so far, and the currency they are told in. */
interface Steps {
  readonly reporting: string | null;
  readonly dealStages: readonly DealStage[];
  readonly measured: MeasuredStages;
}

export async function requiredOpportunitiesReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const { target, reporting, exchange } = ways(params, context);
  const groups = new Groups<Counts>(params, () => new Counts(), reporting ?? '');
  await scanDeals(
    view,
    params,
    null,
    (deal) => {
      const end = deal.endBy(params.asOfMs);
      const stage = end === null ? standingIn(deal, params.asOfMs) : null;
      const value = end?.kind === 'won' ? exchange.won(deal) : null;
      if (value !== null && exchange.isDated(deal)) groups.asOf.isDecisive();
      const inside = end !== null && inPeriod(params, end.atMs);
      for (const counts of [groups.total, groups.of(deal.dims, 0)]) {
        if (counts === null) continue;
        if (stage !== null) counts.standing.set(stage, (counts.standing.get(stage) ?? 0) + 1);
        if (inside && (end.kind === 'won' || end.kind === 'lost')) counts[end.kind] += 1;
        if (value === null) continue;
        counts.history.add(value.currency, value.amountMinor);
        if (inside) counts.period.add(value.currency, value.amountMinor);
      }
    },
    groups,
  );
  const currency = reporting ?? groups.total.history.onlyCurrency();
  const leadTypes = params.filter.leadType;
  const leadType = leadTypes?.length === 1 ? (leadTypes[0] as string | null) : null;
  const pipeline = new StagePolicies(context.policies, params.asOfMs).pipeline(leadType);
  const dealStages = (pipeline?.dealStages ?? []).toSorted((a, b) => a.order - b.order);
  const order = dealStages.map(({ code }) => code);
  const steps = {
    reporting,
    dealStages,
    measured: await measureStages(view, { ...params, fromMs: null, toMs: null }, order),
  };
  return {
    rows: groups.rows().map((row) => ({
      dimensions: row.dimensions,
      ...figures(row.figures, row.params, steps, currency, rowTarget(context.policies, params, row.dimensions)),
    })),
    total: figures(groups.total, params, steps, currency, target?.amountMinor ?? null),
  };
}

function figures(
  counts: Counts,
  params: ReportParams,
  { dealStages, measured, reporting }: Steps,
  currency: string | null,
  targetMinor: number | null,
): RequiredFigures {
  const won = counts.period.of(currency);
  const from = won.deals > 0 ? 'period' : 'history';
  const basis = counts[from].of(currency);
  const gapMinor = targetMinor === null ? null : Math.max(0, targetMinor - won.amountMinor);
  const link = drillLinks(params);
  const wonFigure = `won.${currency ?? 'none'}`;
  const ever = keepCurrency({ ...params, fromMs: null, toMs: null }, reporting);
  const averaged = (from === 'period' ? link : drillLinks(ever))(wonFigure);

  /** ⌈amount / average · over / under⌉, not rounded on the way. */
  const needed = (amountMinor: number | null, over: bigint, under: bigint): number | null =>
    amountMinor === null || basis.amountMinor === 0
      ? null
      : ceiling(BigInt(amountMinor) * BigInt(basis.deals) * over, BigInt(basis.amountMinor) * under);
  const required = (over: bigint, under: bigint): Required => ({
    forTarget: needed(targetMinor, over, under),
    forGap: needed(gapMinor, over, under),
  });
  const dealsFor = (amountMinor: number | null): number | null =>
    amountMinor === null ? null : quotient(amountMinor * basis.deals, basis.amountMinor, 4);
  const resolved = counts.won + counts.lost;

  let over = 1n;
  let under = 1n;
  const chains = dealStages
    .toReversed()
    .map(({ code }) => {
      const { known, moved } = measured.of(code);
      over *= BigInt(known);
      under *= BigInt(moved);
      return { over, under };
    })
    .toReversed();
  return {
    currency,
    targetMinor,
    gapMinor,
    won: { ...won, drill: link(wonFigure) },
    averageWonDeal: {
      numerator: basis.amountMinor,
      denominator: basis.deals,
      rate: rate(basis.amountMinor, basis.deals),
      amountMinor: quotient(basis.amountMinor, basis.deals, 0),
      from,
      drill: averaged,
      drillDenominator: averaged,
    },
    dealsNeeded: { forTarget: dealsFor(targetMinor), forGap: dealsFor(gapMinor) },
    winRate: {
      numerator: counts.won,
      denominator: resolved,
      rate: rate(counts.won, resolved),
      drill: link('won'),
      drillDenominator: link('closed'),
    },
    requiredByWinRate: required(BigInt(resolved), BigInt(counts.won)),
    stages: dealStages.map(({ code, winProbability }, index) => {
      const { moved, known } = measured.of(code);
      const chain = chains[index] as { over: bigint; under: bigint };
      const chainPpm = chain.over === 0n ? null : share(chain.under * BigInt(PPM), chain.over);
      return {
        stage: code,
        probability: winProbability,
        required: required(BigInt(PPM), BigInt(ppm(winProbability))),
        stageToNext: { numerator: moved, denominator: known, rate: rate(moved, known) },
        chainRate: chainPpm === null ? null : chainPpm / PPM,
        requiredByChain: required(chain.over, chain.under),
        open: { count: counts.standing.get(code) ?? 0, drill: link(`open.${code}`) },
      };
    }),
  };
}

/** Null while it is back in qualification: it stands in no stage then. */
function standingIn(deal: DealPast, atMs: number): string | null {
  const now = deal.at(atMs);
  return now === null || now.requalifying ? null : now.stage;
}

/** Figures: `won`, `closed`, `won.<currency>`, `open.<stage>`. */
export async function requiredOpportunitiesLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const dot = figure.indexOf('.');
  const name = dot < 0 ? figure : figure.slice(0, dot);
  const which = dot < 0 ? null : figure.slice(dot + 1);
  if (!['won', 'closed', 'open'].includes(name) || (name === 'open') !== (name !== 'won' && which !== null))
    return null;
  const { exchange } = ways(params, context);
  const leads = new Set<string>();
  await scanDeals(view, params, null, (deal) => {
    const end = deal.endBy(params.asOfMs);
    if (name === 'open') {
      if (end === null && standingIn(deal, params.asOfMs) === which) leads.add(deal.leadId);
      return;
    }
    if (end === null || !inPeriod(params, end.atMs)) return;
    const hit = end.kind === 'won' || (name === 'closed' && end.kind === 'lost');
    if (hit && (which === null || exchange.won(deal)?.currency === which)) leads.add(deal.leadId);
  });
  return [...leads];
}
