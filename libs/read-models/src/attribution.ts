import { Temporal } from 'temporal-polyfill';
import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { rate } from './figures.js';
import { dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { closedMsOf, type LeadRow, type Money, type Visit } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { enteredMsOf } from './merges.js';
import { share } from './money.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { factValue, orNull } from './fact-row.js';
import { scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';
import { absorb, type Tally, weightOf } from './tally.js';

/** One fact per lead that was ever qualified or won: its touches, by the UTC day of the last event that credits them. */
const TOUCH_TABLE = 'touch';

type Touch = readonly [atMs: number, campaign: string | null, source: string | null];
type Sale = readonly [closedMs: number, amountMinor: number | null, currency: string | null];

/** Numbers: first MQL, first SQL. The rest: touches and won deals. */
export function touchFacts(row: LeadRow): Fact[] {
  const firstMs = (state: Visit['state']): number | null => {
    const index = row.visits.findIndex((visit) => visit.state === state);
    return index < 0 ? null : enteredMsOf(row, index);
  };
  const mqlMs = firstMs('MQL');
  const sqlMs = firstMs('SQL');
  const sales = row.deals.flatMap((deal): Sale[] => {
    const closedMs = closedMsOf(row, deal);
    if (deal.closed?.kind !== 'won' || closedMs === null) return [];
    const { amount } = deal.closed;
    return [[closedMs, amount?.amountMinor ?? null, amount?.currency ?? null]];
  });
  const lastMs = Math.max(mqlMs ?? -Infinity, sqlMs ?? -Infinity, ...sales.map(([closedMs]) => closedMs));
  if (lastMs === -Infinity) return [];
  const capture: Touch = [(row.visits[0] as Visit).enteredMs, row.campaign, row.source];
  const others = notesOf(row.notes, 'touch').map(({ atMs, says }): Touch => [
    atMs,
    says[0] as string | null,
    says[1] as string | null,
  ]);
  const touches = [capture, ...others].sort(([a], [b]) => a - b);
  return [
    {
      kind: 'row',
      table: TOUCH_TABLE,
      part: utcDay(lastMs),
      key: row.leadId,
      value: factValue(dimensionText(row, row.team, row.owner), `${mqlMs ?? ''},${sqlMs ?? ''}`, [touches, sales]),
    },
  ];
}

/**
 * Spec 7.21: which touches brought the leads first qualified (MQL, SQL) and the deals won in the period. A touch is the capture, a
 * repeated capture or a campaign's behaviour up to the credited event; it is called by its campaign, else by its source.
 * `first` and `last` credit one touch, `linear` all of them alike.
 */
export const attributionParams: ParamSpec = {
  report: 'attribution',
  period: true,
  by: true,
  choices: { model: ['first', 'last', 'linear'] },
};

/** Credit: a number of leads or deals, with parts of one under `linear`. */
export interface TouchFigures {
  /** `campaign:<id>`, `source:<name>` or `unknown`. */
  readonly touch: string;
  readonly campaign: string | null;
  readonly source: string | null;
  /** Credit / all that are credited. */
  readonly mql: RateFigure;
  readonly sql: RateFigure;
  readonly won: RateFigure;
  /** Credited minor units / all of the currency. */
  readonly wonAmount: readonly (RateFigure & { readonly currency: string })[];
  /** What the campaign cost in the period, in minor units; null: no campaign of ours. */
  readonly cost: Money | null;
  /** Cost / credit of MQL, in minor units; null without cost or credit. */
  readonly costPerMql: {
    readonly numerator: number;
    readonly denominator: number;
    readonly rate: number | null;
  } | null;
}
export interface AttributionFigures {
  readonly mql: { readonly count: number; readonly drill: string };
  readonly sql: { readonly count: number; readonly drill: string };
  readonly won: { readonly count: number; readonly drill: string };
  readonly touches: readonly TouchFigures[];
}

const CREDITED = ['mql', 'sql', 'won'] as const;
type Credited = (typeof CREDITED)[number];
const UNKNOWN = 'unknown';

const nameOf = ([, campaign, source]: Touch): string =>
  campaign !== null ? `campaign:${campaign}` : source !== null ? `source:${source}` : UNKNOWN;

/** Whole credit by the size of its parts: added exactly, rounded once at the end. */
class Credit implements Tally {
  /** Number of touches that share → how often the touch was one of them. */
  readonly #parts = new Map<number, number>();
  /** The same, with the amounts to be shared. */
  readonly #amounts = new Map<string, Map<number, bigint>>();

  add(of: number, amount: Money | null): void {
    this.#parts.set(of, (this.#parts.get(of) ?? 0) + 1);
    if (amount === null) return;
    let sums = this.#amounts.get(amount.currency);
    if (sums === undefined) this.#amounts.set(amount.currency, (sums = new Map()));
    sums.set(of, (sums.get(of) ?? 0n) + BigInt(amount.amountMinor));
  }

  absorb(other: Credit): void {
    absorb(this.#parts, other.#parts);
    absorb(this.#amounts, other.#amounts);
  }
  weight(): number {
    return 100 + weightOf(this.#parts) + weightOf(this.#amounts);
  }

  /** Six places, half-up. */
  get count(): number {
    return rounded([...this.#parts].map(([of, times]) => [of, BigInt(times)])) / MILLION;
  }

  /** Minor units, half-up. */
  amountIn(currency: string): number {
    const [numerator, denominator] = sumOf([...(this.#amounts.get(currency) ?? [])]);
    return share(numerator, denominator);
  }
}
const MILLION = 1_000_000;

/** Σ amount / parts as one fraction. */
function sumOf(parts: readonly (readonly [of: number, amount: bigint])[]): [bigint, bigint] {
  let numerator = 0n;
  let denominator = 1n;
  for (const [of, amount] of parts) {
    numerator = numerator * BigInt(of) + amount * denominator;
    denominator *= BigInt(of);
  }
  return [numerator, denominator];
}
function rounded(parts: readonly (readonly [number, bigint])[]): number {
  const [numerator, denominator] = sumOf(parts);
  return share(numerator * BigInt(MILLION), denominator);
}

class Credits implements Tally {
  readonly mql = new Credit();
  readonly sql = new Credit();
  readonly won = new Credit();

  constructor(readonly touch: Touch) {}

  absorb({ mql, sql, won }: Credits): void {
    this.mql.absorb(mql);
    this.sql.absorb(sql);
    this.won.absorb(won);
  }
  fresh(): this {
    return new Credits(this.touch) as this;
  }
}

interface Counts {
  readonly totals: Record<Credited, number>;
  readonly amounts: Map<string, number>;
  readonly touches: Map<string, Credits>;
}

/** Every event of the period that credits touches, with the touches it credits by the asked model. */
async function scanCredits(
  view: ReadView,
  params: ReportParams,
  use: (
    what: Credited,
    touches: readonly Touch[],
    amount: Money | null,
    dims: Dims,
    leadId: string,
    atMs: number,
  ) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const { asOfMs, choices, fromMs } = params;
  await scanFacts(
    view,
    TOUCH_TABLE,
    fromMs === null ? '' : utcDay(fromMs),
    LAST_PART,
    (fact) => {
      if (!passes(fact.dims)) return;
      const [mql, sql] = fact.numbers;
      const [touches, sales] = fact.rest as [Touch[], Sale[]];
      const credit = (what: Credited, atMs: number | null, amount: Money | null): void => {
        if (atMs !== null) groups?.asOf.sees(atMs);
        if (atMs === null || atMs > asOfMs || !inPeriod(params, atMs)) return;
        // Nothing lies before the capture but what was recorded late: then the earliest touch there is.
        const before = touches.filter(([touchedMs]) => touchedMs <= atMs);
        const known = before.length === 0 ? touches.slice(0, 1) : before;
        const credited =
          choices.model === 'first' ? known.slice(0, 1) : choices.model === 'last' ? known.slice(-1) : known;
        use(what, credited, amount, fact.dims, fact.key, atMs);
      };
      credit('mql', orNull(mql), null);
      credit('sql', orNull(sql), null);
      for (const [closedMs, amountMinor, currency] of sales)
        credit('won', closedMs, amountMinor === null || currency === null ? null : { amountMinor, currency });
    },
    { params, groups },
  );
}

export async function attributionReport(view: ReadView, params: ReportParams, { campaigns }: ReportContext) {
  const groups = new Groups<Counts>(params, () => ({
    totals: { mql: 0, sql: 0, won: 0 },
    amounts: new Map(),
    touches: new Map(),
  }));
  await scanCredits(
    view,
    params,
    (what, touches, amount, dims, _, atMs) => {
      for (const counts of [groups.total, groups.of(dims, atMs)]) {
        if (counts === null) continue;
        counts.totals[what] += 1;
        if (amount !== null)
          counts.amounts.set(amount.currency, (counts.amounts.get(amount.currency) ?? 0) + amount.amountMinor);
        for (const touch of touches) {
          const name = nameOf(touch);
          let credit = counts.touches.get(name);
          if (credit === undefined) counts.touches.set(name, (credit = new Credits(touch)));
          credit[what].add(touches.length, amount);
        }
      }
    },
    groups,
  );
  const costs = costsOf(params, campaigns);
  const make = (counts: Counts, asked: ReportParams, whole: boolean) =>
    figures(counts, asked, whole ? costs : new Map());
  return {
    // What a campaign costs is of the campaign, not of a part of its leads.
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...make(row.figures, row.params, false) })),
    total: make(groups.total, params, Object.keys(params.filter).length === 0),
  };
}

/** By campaign: what was spent on the local days of the period, up to asOf. */
function costsOf(params: ReportParams, campaigns: ReportContext['campaigns']): Map<string, Money> {
  const { asOfMs, fromMs, toMs, tz } = params;
  const day = (ms: number): string =>
    Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(tz).toPlainDate().toString();
  const from = fromMs === null ? '' : day(fromMs);
  const to = day(Math.min(asOfMs, (toMs ?? Infinity) - 1));
  const costs = new Map<string, Money>();
  for (const { campaignId, costs: spent, planned } of campaigns?.all() ?? []) {
    if (planned === null) continue;
    const amountMinor = spent
      .filter(({ date }) => date >= from && date <= to)
      .reduce((sum, cost) => sum + cost.amountMinor, 0);
    costs.set(campaignId, { amountMinor, currency: planned.budget.currency });
  }
  return costs;
}

function figures(
  { amounts, totals, touches }: Counts,
  params: ReportParams,
  costs: ReadonlyMap<string, Money>,
): AttributionFigures {
  const link = drillLinks(params);
  const part = (numerator: number, denominator: number, what: Credited, name: string): RateFigure => ({
    numerator,
    denominator,
    rate: denominator === 0 ? null : Math.round((numerator / denominator) * MILLION) / MILLION,
    drill: link(`${what}.${name}`),
    drillDenominator: link(what),
  });
  // A campaign that cost money and brought nobody is what one looks for.
  const all = new Map(touches);
  for (const [campaign, { amountMinor }] of costs) {
    const touch: Touch = [0, campaign, null];
    const name = nameOf(touch);
    if (amountMinor > 0 && !all.has(name)) all.set(name, new Credits(touch));
  }
  const made = [...all].map(([name, { mql, sql, touch, won }]): TouchFigures => {
    const [, campaign, source] = touch;
    const cost = campaign === null ? null : (costs.get(campaign) ?? null);
    return {
      touch: name,
      campaign,
      source: campaign === null ? source : null,
      mql: part(mql.count, totals.mql, 'mql', name),
      sql: part(sql.count, totals.sql, 'sql', name),
      won: part(won.count, totals.won, 'won', name),
      wonAmount: [...amounts]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([currency, amountMinor]) => {
          const credited = won.amountIn(currency);
          return { currency, ...part(credited, amountMinor, 'won', name), rate: rate(credited, amountMinor) };
        }),
      cost,
      costPerMql:
        cost === null
          ? null
          : {
              numerator: cost.amountMinor,
              denominator: mql.count,
              rate: mql.count === 0 ? null : Math.round((cost.amountMinor / mql.count) * 10_000) / 10_000,
            },
    };
  });
  return {
    mql: { count: totals.mql, drill: link('mql') },
    sql: { count: totals.sql, drill: link('sql') },
    won: { count: totals.won, drill: link('won') },
    touches: made.sort((a, b) => b.mql.numerator - a.mql.numerator || (a.touch < b.touch ? -1 : 1)),
  };
}

/** Figures: `mql`, `sql`, `won`, each also with `.<touch>`: the leads that the touch is credited for. */
export async function attributionLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [, what, name] = /^(mql|sql|won)(?:\.(.+))?$/.exec(figure) ?? [];
  if (what === undefined) return null;
  const leads = new Set<string>();
  await scanCredits(view, params, (credited, touches, _, __, leadId) => {
    if (credited === what && (name === undefined || touches.some((touch) => nameOf(touch) === name))) leads.add(leadId);
  });
  return [...leads];
}
