import { RANK } from '#libs/lead/src/states.js';
import type { Dims } from './dimensions.js';
import { Exposure } from './exposure.js';
import { DAY_MS, rate, type Spread } from './figures.js';
import { type CountFigure, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { mostFirst } from './leak.js';
import { type Path, type PathVisit, scanPaths } from './path.js';
import { invalidParameter } from './report-error.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import { Values } from './values.js';

/**
 * Spec 7.13: of the leads first accepted to SAL in the period (`basis=cycle`: of the lead-cycles with an entry to SAL in it),
 * those recycled from SAL, SQL or OPPORTUNITY by asOf. Spec 7.14: of the recycles in the period, those followed by an entry to
 * MQL or higher within `horizonDays`; those that still have time are in the denominator and counted as `immature`.
 */
export const recyclingParams: ParamSpec = {
  report: 'recycling',
  period: true,
  by: true,
  groupBy: true,
  choices: { basis: ['lead', 'cycle'] },
  texts: ['horizonDays'],
};

const DEFAULT_HORIZON_DAYS = 180;
/** Seed 000: so many of those without an initiative are still interested. Benchmark `resurrection_rate` of a reason replaces it. */
const BENCHMARKS: Readonly<Record<string, number>> = { no_initiative: 0.4 };

export interface ResurrectionFigures {
  /** Back at MQL or higher within the horizon / all recycles. */
  readonly resurrection: RateFigure;
  /** The same without those whose horizon is not over. */
  readonly ofMature: RateFigure;
  /** Neither back nor out of time at asOf. */
  readonly immature: CountFigure;
}

export interface RecyclingFigures extends ResurrectionFigures {
  readonly recycled: RateFigure;
  readonly daysToReentry: Spread & { readonly drill: string };
  /** Won before they were recycled again, whenever that was. */
  readonly recycledToWon: RateFigure;
  readonly reasons: readonly (ResurrectionFigures & {
    readonly reasonCode: string | null;
    readonly benchmark: number | null;
    /** Null: no benchmark, or nothing to compare. */
    readonly meetsBenchmark: boolean | null;
  })[];
}

function horizonMs({ choices }: ReportParams): number {
  const { horizonDays } = choices;
  if (horizonDays === undefined) return DEFAULT_HORIZON_DAYS * DAY_MS;
  if (!/^\d{1,4}$/.test(horizonDays) || Number(horizonDays) < 1)
    throw invalidParameter('horizonDays', 'days, at least 1');
  return Number(horizonDays) * DAY_MS;
}

const SALES: ReadonlySet<string> = new Set(['SAL', 'SQL', 'OPPORTUNITY']);
const isRecycle = ({ rejected, state }: PathVisit): boolean => state === 'RECYCLED' && !rejected;

/** Each lead's (cycle's) first entry to SAL, and whether sales recycled it. */
function acceptances({ visits }: Path, basis: string): { atMs: number; recycled: boolean }[] {
  const units = new Map<number, { atMs: number; recycled: boolean }>();
  const recycled = new Set<number>();
  visits.forEach((visit, index) => {
    const unit = basis === 'cycle' ? visit.cycle : 0;
    if (visit.state === 'SAL' && !units.has(unit)) units.set(unit, { atMs: visit.enteredMs, recycled: false });
    if (isRecycle(visit) && SALES.has((visits[index - 1] as PathVisit).state)) recycled.add(unit);
  });
  return [...units].map(([unit, { atMs }]) => ({ atMs, recycled: recycled.has(unit) }));
}

interface Recycle {
  readonly atMs: number;
  /** With the track it was enrolled in last before it came back, or until it was recycled again. */
  readonly dims: Dims;
  /** To the next entry to MQL or higher; null: none by asOf. */
  readonly reentryMs: number | null;
  readonly won: boolean;
  readonly reason: string | null;
}

function recycles(path: Path, exposure: Exposure): Recycle[] {
  const { visits } = path;
  return visits.flatMap((visit, index) => {
    if (!isRecycle(visit)) return [];
    const next = visits.findIndex((later, at) => at > index && isRecycle(later));
    const until = visits.slice(index + 1, next < 0 ? undefined : next);
    const back = until.find(({ state }) => RANK[state] >= RANK.MQL);
    const dims = exposure.dims(path, () => (back ?? visits[next])?.enteredMs ?? Infinity);
    if (dims === null) return [];
    return {
      atMs: visit.enteredMs,
      dims,
      reentryMs: back === undefined ? null : back.enteredMs - visit.enteredMs,
      won: until.some(({ state }) => state === 'CUSTOMER'),
      reason: path.marks.exits.get(index)?.reason ?? null,
    };
  });
}

type Fate = 'resurrected' | 'immature' | 'gone';

function fateOf({ atMs, reentryMs }: Recycle, { asOfMs }: ReportParams, horizon: number): Fate {
  if (reentryMs !== null && reentryMs <= horizon) return 'resurrected';
  return reentryMs === null && atMs + horizon > asOfMs ? 'immature' : 'gone';
}

type Fates = Record<Fate, number>;

class Counts {
  accepted = 0;
  recycled = 0;
  won = 0;
  readonly fates: Fates = { resurrected: 0, immature: 0, gone: 0 };
  readonly byReason = new Map<string | null, Fates>();
  readonly times = new Values();

  add(recycle: Recycle, fate: Fate): void {
    let ofReason = this.byReason.get(recycle.reason);
    if (ofReason === undefined)
      this.byReason.set(recycle.reason, (ofReason = { resurrected: 0, immature: 0, gone: 0 }));
    ofReason[fate] += 1;
    this.fates[fate] += 1;
    if (recycle.won) this.won += 1;
    if (fate === 'resurrected') this.times.push(recycle.reentryMs as number);
  }
}

export async function recyclingReport(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const horizon = horizonMs(params);
  const benchmarkOf = (reason: string | null): number | null => {
    if (reason === null) return null;
    return policies.benchmark('resurrection_rate', reason, params.asOfMs) ?? BENCHMARKS[reason] ?? null;
  };
  const groups = new Groups<Counts>(params, () => new Counts());
  const exposure = new Exposure(params);
  await scanPaths(
    view,
    exposure.scanned,
    params.fromMs,
    (path) => {
      for (const { atMs, recycled } of acceptances(path, params.choices.basis as string)) {
        const dims = exposure.dims(path, () => atMs);
        if (dims === null || !inPeriod(params, atMs)) continue;
        for (const counts of [groups.total, groups.of(dims, atMs)]) {
          if (counts === null) continue;
          counts.accepted += 1;
          if (recycled) counts.recycled += 1;
        }
      }
      for (const recycle of recycles(path, exposure)) {
        if (!inPeriod(params, recycle.atMs)) continue;
        if (recycle.reentryMs === null) groups.asOf.sees(recycle.atMs + horizon);
        const fate = fateOf(recycle, params, horizon);
        for (const counts of [groups.total, groups.of(recycle.dims, recycle.atMs)]) counts?.add(recycle, fate);
      }
    },
    groups,
  );
  return {
    horizonDays: horizon / DAY_MS,
    rows: groups
      .rows()
      .map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, benchmarkOf) })),
    total: figures(groups.total, params, benchmarkOf),
  };
}

const total = ({ gone, immature, resurrected }: Fates): number => gone + immature + resurrected;

function figures(
  counts: Counts,
  params: ReportParams,
  benchmarkOf: (reason: string | null) => number | null,
): RecyclingFigures {
  const link = drillLinks(params);
  const share = (numerator: number, figure: string, denominator: number, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  const resurrections = (fates: Fates, suffix: string): ResurrectionFigures => {
    const { gone, immature, resurrected } = fates;
    const mature = resurrected + gone;
    return {
      resurrection: share(resurrected, `resurrected${suffix}`, total(fates), `recycles${suffix}`),
      ofMature: share(resurrected, `resurrected${suffix}`, mature, `mature${suffix}`),
      immature: { count: immature, drill: link(`immature${suffix}`) },
    };
  };
  const byCount = new Map([...counts.byReason].map(([reason, fates]) => [reason, total(fates)]));
  return {
    recycled: share(counts.recycled, 'recycled', counts.accepted, 'accepted'),
    ...resurrections(counts.fates, ''),
    daysToReentry: { ...counts.times.spread(DAY_MS), drill: link('resurrected') },
    recycledToWon: share(counts.won, 'won', total(counts.fates), 'recycles'),
    reasons: mostFirst(byCount).map(([reasonCode]) => {
      const fates = counts.byReason.get(reasonCode) as Fates;
      const benchmark = benchmarkOf(reasonCode);
      return {
        reasonCode,
        ...resurrections(fates, `.${reasonCode ?? ''}`),
        benchmark,
        meetsBenchmark: benchmark === null ? null : fates.resurrected >= benchmark * total(fates),
      };
    }),
  };
}

/** Figures: `accepted`, `recycled`; `recycles`, `resurrected`, `mature`, `immature` with `.<reason, or nothing>` or without; `won`. */
export async function recyclingLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [, name = '', reason] =
    /^(accepted|recycled|won|(?:recycles|resurrected|mature|immature)(?=(?:\.|$)))(?:\.(.*))?$/s.exec(figure) ?? [];
  const ofAcceptance = name === 'accepted' || name === 'recycled';
  if (name === '' || (reason !== undefined && (ofAcceptance || name === 'won'))) return null;
  const horizon = horizonMs(params);
  const exposure = new Exposure(params);
  const hits = (path: Path): boolean => {
    if (ofAcceptance) {
      return acceptances(path, params.choices.basis as string).some(
        ({ atMs, recycled }) =>
          inPeriod(params, atMs) && (recycled || name === 'accepted') && exposure.dims(path, () => atMs) !== null,
      );
    }
    return recycles(path, exposure).some((recycle) => {
      if (!inPeriod(params, recycle.atMs)) return false;
      if (reason !== undefined && (recycle.reason ?? '') !== reason) return false;
      if (name === 'recycles') return true;
      if (name === 'won') return recycle.won;
      const fate = fateOf(recycle, params, horizon);
      return name === 'mature' ? fate !== 'immature' : fate === name;
    });
  };
  const leads: string[] = [];
  await scanPaths(view, exposure.scanned, params.fromMs, (path) => {
    if (hits(path)) leads.push(path.leadId);
  });
  return leads;
}
