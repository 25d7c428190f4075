import { Temporal } from 'temporal-polyfill';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { type DealPast, type OpenDeal, scanDeals } from './deals.js';
import { DAY_MS } from './figures.js';
import { type Groups, inPeriod } from './grouping.js';
import type { Money } from './lead-row.js';
import { Exchange } from './money.js';
import type { ReportParams } from './report-params.js';
import { PPM, StagePolicies } from './stage-policies.js';
import { type MeasuredStages, measureStages } from './stage-benchmarks.js';
import type { ReadView } from './store/read-store.js';

/** Spec EP-13: an amount that nobody has verified for longer does not count as committed. */
const UNVERIFIED_LIMIT_MS = 30 * DAY_MS;

/** The start of local days, by day number since 1970. */
export class LocalDays {
  readonly #starts = new Map<number, number>();
  constructor(private readonly tz: string) {}

  startMs(day: number): number {
    let startMs = this.#starts.get(day);
    if (startMs === undefined) {
      const date = Temporal.PlainDate.from('1970-01-01').add({ days: day });
      this.#starts.set(day, (startMs = date.toZonedDateTime(this.tz).epochMilliseconds));
    }
    return startMs;
  }
}

/** An open deal that is expected to close in the period. */
export interface Expected {
  readonly what: 'open' | 'onHold' | 'requalifying';
  readonly deal: DealPast;
  readonly now: OpenDeal;
  /** Local midnight that its expected close date begins at; null: it has none. */
  readonly closeMs: number | null;
  readonly value: Money;
  /** Chance of winning in millionths; null: the pipeline in force does not know its stage. */
  readonly probabilityPpm: number | null;
  readonly unverified: boolean;
}
export interface Won {
  readonly what: 'won';
  readonly deal: DealPast;
  readonly closedMs: number;
  /** Null when history gives no amount. */
  readonly value: Money | null;
}

interface Ways {
  readonly policies: PolicyBook;
  readonly reporting: string | null;
  readonly measured: MeasuredStages | null;
}

/** Tells of a deal how it stands; null: not open at asOf, or not expected to close in the period. */
export function expectations(params: ReportParams, ways: Ways): (deal: DealPast) => Expected | null {
  const { asOfMs, fromMs, toMs, tz } = params;
  const days = new LocalDays(tz);
  const stages = new StagePolicies(ways.policies, asOfMs);
  const exchange = new Exchange(ways.policies, ways.reporting, asOfMs);
  return (deal) => {
    const now = deal.at(asOfMs);
    if (now === null) return null;
    const closeMs = now.closeDay === null ? null : days.startMs(now.closeDay);
    if (closeMs === null ? fromMs !== null || toMs !== null : !inPeriod(params, closeMs)) return null;
    const configured = stages.probabilityPpm(deal.leadType, now.stage);
    return {
      what: now.onHold ? 'onHold' : now.requalifying ? 'requalifying' : 'open',
      deal,
      now,
      closeMs,
      value: exchange.open(now.amountMinor, deal.currency),
      probabilityPpm: ways.measured?.ppmOf(now.stage) ?? configured,
      unverified: now.unverifiedSinceMs !== null && asOfMs - now.unverifiedSinceMs > UNVERIFIED_LIMIT_MS,
    };
  };
}

/**
 * The deals that make up expected revenue (7.15): those won in the period by asOf, and those open at asOf whose expected
 * close date lies in it; those on hold or back in qualification are told apart. Without a period: all.
 */
export async function scanExpected(
  view: ReadView,
  params: ReportParams,
  ways: Ways,
  use: (one: Expected | Won) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const { asOfMs, fromMs } = params;
  const expectedOf = expectations(params, ways);
  const exchange = new Exchange(ways.policies, ways.reporting, asOfMs);
  await scanDeals(
    view,
    params,
    fromMs === null ? null : Math.min(fromMs, asOfMs),
    (deal) => {
      const end = deal.endBy(asOfMs);
      if (end === null) {
        const expected = expectedOf(deal);
        if (expected !== null) use(expected);
        return;
      }
      if (end.kind !== 'won' || !inPeriod(params, end.atMs)) return;
      if (exchange.isDated(deal)) groups?.asOf.isDecisive();
      use({ what: 'won', deal, closedMs: end.atMs, value: exchange.won(deal) });
    },
    groups,
  );
}

/** Measured chances when the question asks for them. They are those of all deals closed by asOf, whatever the filters. */
export async function measuredOf(view: ReadView, params: ReportParams): Promise<MeasuredStages | null> {
  if (params.choices.probabilities !== 'measured') return null;
  return measureStages(view, { ...params, filter: {}, fromMs: null, toMs: null });
}

/** Benchmark `market_factor` as of asOf, in millionths; 1 when none is set. */
export const marketFactorPpm = (policies: PolicyBook, atMs: number): number =>
  Math.round((policies.benchmark('market_factor', undefined, atMs) ?? 1) * PPM);
