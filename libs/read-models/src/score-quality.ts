import { type LeadStateName, RANK } from '#libs/lead/src/states.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { DAY_MS, rate } from './figures.js';
import { type CountFigure, dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import type { LeadRow } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { enteredMsOf, firstEnteredMs } from './merges.js';
import { invalidParameter } from './report-error.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { type FactRow, factValue, orNull } from './fact-row.js';
import { ownText, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';
import type { Tally } from './tally.js';

/** One fact per lead, by the UTC day of its capture: how it was scored, and what came of it. */
const SCORED_TABLE = 'scored';

const MARKS: ReadonlySet<string> = new Set(['MarkedMQL', 'MarkedPQL', 'MarkedSQL']);

/** Numbers: capture, first mark by the score, decision, accepted, first SQL, first CUSTOMER; then [since the capture, total]… as it was scored. */
export function scoredFacts(row: LeadRow): Fact[] {
  const [first] = row.visits;
  if (first === undefined) return [];
  const capturedMs = firstEnteredMs(row);
  const mark = row.visits.find(
    ({ cycle, more, type }) => cycle === first.cycle && MARKS.has(type) && more?.auto === true,
  );
  const decision = row.handoffs.find(
    ({ offeredIn, outcome }) =>
      row.visits[offeredIn]?.cycle === first.cycle && outcome !== 'open' && outcome !== 'cancelled',
  );
  const scores = notesOf(row.notes, 'score');
  const accepted = decision !== undefined && decision.outcome !== 'rejected' ? 1 : 0;
  const firstIn = (wanted: LeadStateName): number | string => {
    // Reached as spec §7.0 has it: imported history may tell of a sale alone.
    const index = row.visits.findIndex(({ state }) => RANK[state] >= RANK[wanted]);
    return index < 0 ? '' : enteredMsOf(row, index);
  };
  const numbers: (number | string)[] = [
    capturedMs,
    mark?.enteredMs ?? '',
    decision?.decidedMs ?? '',
    accepted,
    firstIn('SQL'),
    firstIn('CUSTOMER'),
  ];
  for (const { atMs, says } of scores) numbers.push(atMs - capturedMs, says[0] as number);
  return [
    {
      kind: 'row',
      table: SCORED_TABLE,
      part: utcDay(capturedMs),
      key: row.leadId,
      value: factValue(dimensionText(row, row.team, row.owner), numbers.join(',')),
    },
  ];
}

/**
 * Spec 7.24: whether the score that marked leads in their first cycle also told which of them come true, by leads captured in the
 * period. Label `accepted`: of the leads that sales decided about; `sql`, `won`: of all, reached within `horizonDays` of the
 * capture. Who has not reached it while the horizon is not over is immature and counted nowhere else.
 */
export const scoreQualityParams: ParamSpec = {
  report: 'score-quality',
  period: true,
  by: true,
  choices: { label: ['accepted', 'sql', 'won'] },
  texts: ['horizonDays'],
};

/** Bounds of the Wilson 95 % interval. */
type Interval = readonly [low: number, high: number] | null;

export interface ScoreQualityFigures {
  readonly leads: CountFigure;
  readonly truePositives: CountFigure;
  readonly falsePositives: CountFigure;
  readonly falseNegatives: CountFigure;
  readonly trueNegatives: CountFigure;
  /** Came true / flagged. */
  readonly precision: RateFigure & { readonly interval: Interval };
  /** Flagged / came true. */
  readonly recall: RateFigure & { readonly interval: Interval };
  readonly baseRate: RateFigure;
  readonly f1: number | null;
  /** Precision / base rate. */
  readonly lift: number | null;
  readonly immature: CountFigure;
  /** Under label `accepted`: leads that nobody has decided about; they say nothing. */
  readonly undecided: CountFigure;
  /** By the score that a lead had when it was decided, the lowest tenth first. */
  readonly deciles: readonly {
    readonly decile: number;
    readonly fromMp: number;
    readonly toMp: number;
    readonly acceptance: RateFigure;
  }[];
}

/** Leads with and without the mark that came true or did not. */
const OUTCOMES = ['tp', 'fp', 'fn', 'tn', 'immature', 'undecided'] as const;
type Outcome = (typeof OUTCOMES)[number];
const COUNTED: readonly Outcome[] = ['tp', 'fp', 'fn', 'tn'];

interface Judged {
  readonly leadId: string;
  readonly dims: Dims;
  readonly capturedMs: number;
  readonly outcome: Outcome;
  /** Decided by asOf, with the score of then. */
  readonly decided: { readonly accepted: boolean; readonly totalMp: number | null } | null;
}

interface Scored {
  readonly leadId: string;
  readonly dims: Dims;
  readonly capturedMs: number;
  readonly markedMs: number | null;
  readonly decidedMs: number | null;
  readonly accepted: boolean;
  readonly sqlMs: number | null;
  readonly wonMs: number | null;
  /** The last total at or before an instant; null: not scored by then. */
  totalAt(atMs: number): number | null;
  /** The highest total by asOf. */
  peak(): number | null;
}

const SCORES = 6;

const periodOf = ({ fromMs, toMs }: ReportParams) => [fromMs, toMs] as const;

/** Leads that pass the filters, captured by asOf and when they should be; none of them was before or after the window. */
async function scanScored(
  view: ReadView,
  params: ReportParams,
  [fromMs, toMs]: readonly [fromMs: number | null, toMs: number | null],
  isIn: (capturedMs: number) => boolean,
  use: (scored: Scored) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const { asOfMs } = params;
  const fromPart = fromMs === null ? '' : utcDay(fromMs);
  const toPart = toMs === null ? LAST_PART : utcDay(toMs);
  const take = ({ dims, key, numbers }: FactRow): void => {
    if (!passes(dims)) return;
    const capturedMs = numbers[0] as number;
    groups?.asOf.sees(capturedMs);
    if (!isIn(capturedMs) || capturedMs > asOfMs) return;
    const seen = (number: number | undefined): number | null => {
      const atMs = orNull(number);
      if (atMs !== null) groups?.asOf.sees(atMs);
      return atMs;
    };
    use({
      leadId: key,
      dims,
      capturedMs,
      markedMs: seen(numbers[1]),
      decidedMs: seen(numbers[2]),
      accepted: numbers[3] === 1,
      sqlMs: seen(numbers[4]),
      wonMs: seen(numbers[5]),
      totalAt(atMs) {
        let total: number | null = null;
        for (let index = SCORES; index < numbers.length; index += 2) {
          if (capturedMs + (numbers[index] as number) <= atMs) total = numbers[index + 1] as number;
        }
        return total;
      },
      peak() {
        let peak: number | null = null;
        for (let index = SCORES; index < numbers.length; index += 2) {
          const atMs = capturedMs + (numbers[index] as number);
          groups?.asOf.sees(atMs);
          if (atMs <= asOfMs) peak = Math.max(peak ?? -Infinity, numbers[index + 1] as number);
        }
        return peak;
      },
    });
  };
  await scanFacts(view, SCORED_TABLE, fromPart, toPart, take, { params, groups });
}

const USUAL_HORIZON_DAYS = 180;

function horizonMs({ choices }: ReportParams): number {
  const { horizonDays } = choices;
  if (horizonDays === undefined) return USUAL_HORIZON_DAYS * DAY_MS;
  if (!/^\d{1,4}$/.test(horizonDays) || Number(horizonDays) < 1)
    throw invalidParameter('horizonDays', 'whole days from 1 to 9999');
  return Number(horizonDays) * DAY_MS;
}

async function scanJudged(
  view: ReadView,
  params: ReportParams,
  use: (lead: Judged) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const { asOfMs, choices } = params;
  const horizon = horizonMs(params);
  const byAsOf = (atMs: number | null): number | null => (atMs === null || atMs > asOfMs ? null : atMs);
  const judge = (scored: Scored): void => {
    const { accepted, capturedMs, dims, leadId } = scored;
    groups?.asOf.sees(capturedMs + horizon);
    const decidedMs = byAsOf(scored.decidedMs);
    const decided = decidedMs === null ? null : { accepted, totalMp: scored.totalAt(decidedMs), atMs: decidedMs };
    const marked = byAsOf(scored.markedMs) !== null;
    const labelMs =
      choices.label === 'accepted'
        ? decided?.accepted === true
          ? decided.atMs
          : null
        : byAsOf(choices.label === 'won' ? scored.wonMs : scored.sqlMs);
    const positive = labelMs !== null && labelMs <= capturedMs + horizon;
    const outcome = ((): Outcome => {
      if (choices.label === 'accepted') {
        if (decided === null) return 'undecided';
      } else if (!positive && capturedMs + horizon > asOfMs) return 'immature';
      if (marked) return positive ? 'tp' : 'fp';
      return positive ? 'fn' : 'tn';
    })();
    use({ leadId, dims, capturedMs, outcome, decided });
  };
  await scanScored(view, params, periodOf(params), (atMs) => inPeriod(params, atMs), judge, groups);
}

/** Of the leads that the score marked and sales decided about by asOf, captured in the period: how many were accepted. */
export async function markedAndAccepted(
  view: ReadView,
  params: ReportParams,
): Promise<{ readonly marked: number; readonly accepted: number }> {
  let marked = 0;
  let accepted = 0;
  const isIn = (capturedMs: number): boolean => inPeriod(params, capturedMs);
  await scanScored(view, params, periodOf(params), isIn, (scored) => {
    if (scored.markedMs === null || scored.decidedMs === null || scored.decidedMs > params.asOfMs) return;
    marked += 1;
    if (scored.accepted) accepted += 1;
  });
  return { marked, accepted };
}

class Counts {
  readonly outcomes: Record<Outcome, number> = { tp: 0, fp: 0, fn: 0, tn: 0, immature: 0, undecided: 0 };
  readonly decided = new Decided();

  add({ decided, leadId, outcome }: Judged): void {
    this.outcomes[outcome] += 1;
    if (decided?.totalMp != null) this.decided.add(decided.totalMp, decided.accepted, ownText(leadId));
  }
}

const TENTHS = 10;

/** Decided leads of one score; by id, where a tenth ends among them. */
class Tied {
  readonly accepted: string[] = [];
  readonly rejected: string[] = [];

  get size(): number {
    return this.accepted.length + this.rejected.length;
  }

  inOrder(): { readonly leadId: string; readonly accepted: boolean }[] {
    const all = [
      ...this.accepted.map((leadId) => ({ leadId, accepted: true })),
      ...this.rejected.map((leadId) => ({ leadId, accepted: false })),
    ];
    return all.sort((a, b) => (a.leadId < b.leadId ? -1 : 1));
  }
}

interface Tenth {
  /** The lowest score first; of a tie those in [from, to). */
  readonly slices: readonly {
    readonly totalMp: number;
    readonly tied: Tied;
    readonly from: number;
    readonly to: number;
  }[];
}

const leadsOf = ({ slices }: Tenth) => slices.flatMap(({ from, tied, to }) => tied.inOrder().slice(from, to));
const sizeOf = ({ slices }: Tenth): number => slices.reduce((sum, { from, to }) => sum + to - from, 0);

function acceptedOf({ slices }: Tenth): number {
  let accepted = 0;
  for (const { from, tied, to } of slices) {
    if (to - from === tied.size) accepted += tied.accepted.length;
    else for (const lead of tied.inOrder().slice(from, to)) if (lead.accepted) accepted += 1;
  }
  return accepted;
}

/** Decided leads by the score of then. */
class Decided implements Tally {
  readonly #byTotal = new Map<number, Tied>();

  add(totalMp: number, accepted: boolean, leadId: string): void {
    this.#of(totalMp)[accepted ? 'accepted' : 'rejected'].push(leadId);
  }

  absorb(other: Decided): void {
    for (const [totalMp, { accepted, rejected }] of other.#byTotal) {
      const of = this.#of(totalMp);
      for (const leadId of accepted) of.accepted.push(leadId);
      for (const leadId of rejected) of.rejected.push(leadId);
    }
  }

  weight(): number {
    let weight = 100;
    for (const [, { size }] of this.#byTotal) weight += 250 + 40 * size;
    return weight;
  }

  /** Tenths by score, then by id; fewer where there are fewer leads. */
  tenths(): Tenth[] {
    const ties = [...this.#byTotal].sort(([a], [b]) => a - b);
    const size = ties.reduce((sum, [, tied]) => sum + tied.size, 0);
    const tenths = Math.min(TENTHS, size);
    let next = 0;
    let taken = 0;
    return Array.from({ length: tenths }, (_, tenth) => {
      let wanted = Math.floor(((tenth + 1) * size) / tenths) - Math.floor((tenth * size) / tenths);
      const slices: Tenth['slices'][number][] = [];
      while (wanted > 0) {
        const [totalMp, tied] = ties[next] as [number, Tied];
        const count = Math.min(wanted, tied.size - taken);
        slices.push({ totalMp, tied, from: taken, to: taken + count });
        wanted -= count;
        taken += count;
        if (taken === tied.size) {
          next += 1;
          taken = 0;
        }
      }
      return { slices };
    });
  }

  #of(totalMp: number): Tied {
    let tied = this.#byTotal.get(totalMp);
    if (tied === undefined) this.#byTotal.set(totalMp, (tied = new Tied()));
    return tied;
  }
}

export async function scoreQualityReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts>(params, () => new Counts());
  await scanJudged(
    view,
    params,
    (lead) => {
      groups.total.add(lead);
      groups.of(lead.dims, lead.capturedMs)?.add(lead);
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
    drift: await driftOf(view, params),
  };
}

function figures({ decided, outcomes }: Counts, params: ReportParams): ScoreQualityFigures {
  const link = drillLinks(params);
  const { fn, fp, immature, tn, tp, undecided } = outcomes;
  const n = tp + fp + fn + tn;
  const share = (numerator: number, denominator: number, figure: string, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  const count = (value: number, figure: string): CountFigure => ({ count: value, drill: link(figure) });
  return {
    leads: count(n, 'leads'),
    truePositives: count(tp, 'tp'),
    falsePositives: count(fp, 'fp'),
    falseNegatives: count(fn, 'fn'),
    trueNegatives: count(tn, 'tn'),
    precision: { ...share(tp, tp + fp, 'tp', 'flagged'), interval: wilson(tp, tp + fp) },
    recall: { ...share(tp, tp + fn, 'tp', 'positives'), interval: wilson(tp, tp + fn) },
    baseRate: share(tp + fn, n, 'positives', 'leads'),
    f1: rate(2 * tp, 2 * tp + fp + fn),
    lift: rate(tp * n, (tp + fp) * (tp + fn)),
    immature: count(immature, 'immature'),
    undecided: count(undecided, 'undecided'),
    deciles: decided.tenths().map((tenth, index) => ({
      decile: index + 1,
      fromMp: tenth.slices[0]?.totalMp as number,
      toMp: tenth.slices[tenth.slices.length - 1]?.totalMp as number,
      acceptance: share(acceptedOf(tenth), sizeOf(tenth), `decile.${index + 1}.accepted`, `decile.${index + 1}`),
    })),
  };
}

const Z = 1.959963984540054;
const MILLION = 1_000_000;
const sixPlaces = (value: number): number => Math.round(value * MILLION) / MILLION;

/** Wilson's 95 % interval of a share; null when there is nothing to share. */
export function wilson(successes: number, n: number): Interval {
  if (n === 0) return null;
  const p = successes / n;
  const z2 = Z * Z;
  const centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z / (1 + z2 / n)) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  return [sixPlaces(Math.max(0, centre - half)), sixPlaces(Math.min(1, centre + half))];
}

/** Of a report without a beginning: the leads of the last so many days against those before. */
const DRIFT_DAYS = 90;
/** A tenth that nobody is in would make the index infinite. */
const LEAST_SHARE = 0.0001;

/**
 * Population stability index of the highest totals: leads captured in the period against those of as long a time before it, by
 * the tenths of the latter. Around 0.1 something moves, from 0.25 on the model scores other people than it did.
 */
async function driftOf(view: ReadView, params: ReportParams) {
  const { asOfMs, toMs } = params;
  const endMs = Math.min(toMs ?? asOfMs, asOfMs);
  const fromMs = params.fromMs ?? endMs - DRIFT_DAYS * DAY_MS;
  const beforeMs = fromMs - Math.max(endMs - fromMs, DAY_MS);
  const groups = new Groups<Peaks>(
    { ...params, by: [], groupBy: null },
    () => ({ now: new Map(), before: new Map() }),
    'drift',
  );
  // Both windows move with asOf: a lead passes from one into the other, or out of both.
  const isIn = (capturedMs: number): boolean => {
    if (params.fromMs !== null) groups.asOf.sees(2 * params.fromMs - capturedMs);
    else for (const windows of [1, 2]) groups.asOf.sees(capturedMs + windows * DRIFT_DAYS * DAY_MS + 1);
    return capturedMs >= beforeMs && (toMs === null || capturedMs < toMs);
  };
  const add = (scored: Scored): void => {
    const peak = scored.peak();
    if (peak === null) return;
    const peaks = groups.total[scored.capturedMs < fromMs ? 'before' : 'now'];
    peaks.set(peak, (peaks.get(peak) ?? 0) + 1);
  };
  await scanScored(view, params, [beforeMs, toMs], isIn, add, groups);
  const { before, now } = groups.total;
  return {
    from: new Date(fromMs).toISOString(),
    n: sizeOfAll(now),
    baselineN: sizeOfAll(before),
    psi: stability(now, before),
  };
}

/** How many leads came to which highest total. */
type Counted = Map<number, number>;
interface Peaks {
  readonly now: Counted;
  readonly before: Counted;
}
const sizeOfAll = (counted: Counted): number => [...counted.values()].reduce((sum, count) => sum + count, 0);

/** Σ (p − q) · ln(p / q) over the tenths of `before`; six places; null when one of both is empty. */
function stability(now: Counted, before: Counted): number | null {
  const size = sizeOfAll(before);
  if (now.size === 0 || size === 0) return null;
  const edges: number[] = [];
  let below = 0;
  let tenth = 1;
  for (const [value, count] of [...before].sort(([a], [b]) => a - b)) {
    below += count;
    if (tenth < TENTHS && below >= Math.ceil((tenth * size) / TENTHS)) edges.push(value);
    while (tenth < TENTHS && below >= Math.ceil((tenth * size) / TENTHS)) tenth += 1;
  }
  const sharesOf = (values: Counted): number[] => {
    const counts = Array.from({ length: edges.length + 1 }, () => 0);
    for (const [value, count] of values) {
      const bin = edges.findIndex((edge) => value <= edge);
      const index = bin < 0 ? edges.length : bin;
      counts[index] = (counts[index] as number) + count;
    }
    const all = sizeOfAll(values);
    return counts.map((count) => Math.max(count / all, LEAST_SHARE));
  };
  const q = sharesOf(before);
  return sixPlaces(
    sharesOf(now).reduce((sum, p, index) => sum + (p - (q[index] as number)) * Math.log(p / (q[index] as number)), 0),
  );
}

const GROUPS: Readonly<Record<string, readonly Outcome[]>> = {
  leads: COUNTED,
  flagged: ['tp', 'fp'],
  positives: ['tp', 'fn'],
};

/** Figures: `leads`, `flagged`, `positives`, `tp`, `fp`, `fn`, `tn`, `immature`, `undecided`, `decile.<1–10>`, also with `.accepted`. */
export async function scoreQualityLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
): Promise<string[] | null> {
  const [, tenth, acceptedOnly] = /^decile\.(\d{1,2})(\.accepted)?$/.exec(figure) ?? [];
  const outcomes = Object.hasOwn(GROUPS, figure)
    ? GROUPS[figure]
    : (OUTCOMES as readonly string[]).includes(figure)
      ? [figure as Outcome]
      : undefined;
  if (outcomes === undefined && tenth === undefined) return null;
  const leads: string[] = [];
  const counts = new Counts();
  await scanJudged(view, params, (lead) => {
    counts.add(lead);
    if (outcomes?.includes(lead.outcome) === true) leads.push(lead.leadId);
  });
  if (tenth === undefined) return leads;
  const found = counts.decided.tenths()[Number(tenth) - 1];
  return (found === undefined ? [] : leadsOf(found))
    .filter(({ accepted }) => acceptedOnly === undefined || accepted)
    .map(({ leadId }) => leadId);
}
