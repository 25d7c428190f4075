import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { DAY_MS, rate } from './figures.js';
import { type CountFigure, dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import type { LeadRow } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { firstEnteredMs } from './merges.js';
import { scanPaths } from './path.js';
import { invalidParameter } from './report-error.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { factValue, orNull, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** One fact per lead that was scored, marked by the score or decided about, by the UTC day of its capture. */
const SCORED_TABLE = 'scored';

const MARKS: ReadonlySet<string> = new Set(['MarkedMQL', 'MarkedPQL', 'MarkedSQL']);

/** Numbers: capture, first mark by the score, decision, accepted; then [since the capture, total]… as they were scored. */
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
  if (mark === undefined && decision === undefined && scores.length === 0) return [];
  const accepted = decision !== undefined && decision.outcome !== 'rejected' ? 1 : 0;
  const numbers: (number | string)[] = [capturedMs, mark?.enteredMs ?? '', decision?.decidedMs ?? '', accepted];
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
  /** Highest total by asOf. */
  readonly peakMp: number | null;
}

interface Scored {
  readonly dims: Dims;
  readonly capturedMs: number;
  readonly markedMs: number | null;
  readonly decidedMs: number | null;
  readonly accepted: boolean;
  /** The last total at or before an instant; null: not scored by then. */
  totalAt(atMs: number): number | null;
  peakBy(atMs: number): number | null;
}

async function scanScored(
  view: ReadView,
  params: ReportParams,
  fromMs: number | null,
  toMs: number | null,
  use: (leadId: string, scored: Scored) => void,
): Promise<void> {
  const passes = dimensionFilter(params);
  const fromPart = fromMs === null ? '' : utcDay(fromMs);
  const toPart = toMs === null ? LAST_PART : utcDay(toMs);
  await scanFacts(view, SCORED_TABLE, fromPart, toPart, ({ dims, key, numbers }) => {
    if (!passes(dims)) return;
    const capturedMs = numbers[0] as number;
    if (capturedMs > params.asOfMs || (fromMs !== null && capturedMs < fromMs) || (toMs !== null && capturedMs >= toMs))
      return;
    const by = (atMs: number): number[] => {
      const totals: number[] = [];
      for (let index = 4; index < numbers.length; index += 2)
        if (capturedMs + (numbers[index] as number) <= atMs) totals.push(numbers[index + 1] as number);
      return totals;
    };
    use(key, {
      dims,
      capturedMs,
      markedMs: orNull(numbers[1]),
      decidedMs: orNull(numbers[2]),
      accepted: numbers[3] === 1,
      totalAt: (atMs) => by(atMs).at(-1) ?? null,
      peakBy: (atMs) => by(atMs).reduce<number | null>((peak, total) => Math.max(peak ?? total, total), null),
    });
  });
}

const USUAL_HORIZON_DAYS = 180;

function horizonMs({ choices }: ReportParams): number {
  const { horizonDays } = choices;
  if (horizonDays === undefined) return USUAL_HORIZON_DAYS * DAY_MS;
  if (!/^\d{1,4}$/.test(horizonDays) || Number(horizonDays) < 1)
    throw invalidParameter('horizonDays', 'whole days from 1 to 9999');
  return Number(horizonDays) * DAY_MS;
}

async function scanJudged(view: ReadView, params: ReportParams, use: (lead: Judged) => void): Promise<void> {
  const { asOfMs, choices, fromMs, toMs } = params;
  const horizon = horizonMs(params);
  const byAsOf = (atMs: number | null): number | null => (atMs === null || atMs > asOfMs ? null : atMs);
  const judge = (leadId: string, dims: Dims, capturedMs: number, scored: Scored | null, reachedMs: number | null) => {
    const decidedMs = byAsOf(scored?.decidedMs ?? null);
    const decided =
      scored === null || decidedMs === null
        ? null
        : { accepted: scored.accepted, totalMp: scored.totalAt(decidedMs), atMs: decidedMs };
    const marked = byAsOf(scored?.markedMs ?? null) !== null;
    const labelMs =
      choices.label === 'accepted' ? (decided?.accepted === true ? decided.atMs : null) : byAsOf(reachedMs);
    const positive = labelMs !== null && labelMs <= capturedMs + horizon;
    const outcome = ((): Outcome => {
      if (choices.label === 'accepted') {
        if (decided === null) return 'undecided';
      } else if (!positive && capturedMs + horizon > asOfMs) return 'immature';
      if (marked) return positive ? 'tp' : 'fp';
      return positive ? 'fn' : 'tn';
    })();
    use({ leadId, dims, capturedMs, outcome, decided, peakMp: scored?.peakBy(asOfMs) ?? null });
  };
  const scoredLeads = new Map<string, Scored>();
  await scanScored(view, params, fromMs, toMs, (leadId, scored) => scoredLeads.set(leadId, scored));
  await scanPaths(view, params, fromMs, ({ dims, leadId, visits }) => {
    const capturedMs = visits[0]?.enteredMs as number;
    if (!inPeriod(params, capturedMs)) return;
    const wanted = choices.label === 'won' ? 'CUSTOMER' : 'SQL';
    const reachedMs = visits.find(({ state }) => state === wanted)?.enteredMs ?? null;
    judge(leadId, dims, capturedMs, scoredLeads.get(leadId) ?? null, reachedMs);
  });
}

/** Of the leads that the score marked and sales decided about by asOf, captured in the period: how many were accepted. */
export async function markedAndAccepted(
  view: ReadView,
  params: ReportParams,
): Promise<{ readonly marked: number; readonly accepted: number }> {
  let marked = 0;
  let accepted = 0;
  await scanScored(view, params, params.fromMs, params.toMs, (_, scored) => {
    if (scored.markedMs === null || scored.decidedMs === null || scored.decidedMs > params.asOfMs) return;
    marked += 1;
    if (scored.accepted) accepted += 1;
  });
  return { marked, accepted };
}

class Counts {
  readonly outcomes: Record<Outcome, number> = { tp: 0, fp: 0, fn: 0, tn: 0, immature: 0, undecided: 0 };
  readonly decided: Decided[] = [];

  add({ decided, leadId, outcome }: Judged): void {
    this.outcomes[outcome] += 1;
    if (decided?.totalMp != null) this.decided.push({ leadId, totalMp: decided.totalMp, accepted: decided.accepted });
  }
}
interface Decided {
  readonly leadId: string;
  readonly totalMp: number;
  readonly accepted: boolean;
}

export async function scoreQualityReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts>(params, () => new Counts());
  const peaks: number[] = [];
  await scanJudged(view, params, (lead) => {
    groups.total.add(lead);
    groups.of(lead.dims, lead.capturedMs)?.add(lead);
    if (lead.peakMp !== null) peaks.push(lead.peakMp);
  });
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
    drift: await driftOf(view, params, peaks),
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
    deciles: decilesOf(decided).map((leads, index) => {
      const acceptedLeads = leads.filter(({ accepted }) => accepted).length;
      return {
        decile: index + 1,
        fromMp: leads[0]?.totalMp as number,
        toMp: leads[leads.length - 1]?.totalMp as number,
        acceptance: share(acceptedLeads, leads.length, `decile.${index + 1}.accepted`, `decile.${index + 1}`),
      };
    }),
  };
}

const TENTHS = 10;

/** Tenths by score, then by id; fewer where there are fewer leads. */
function decilesOf(decided: readonly Decided[]): Decided[][] {
  const sorted = [...decided].sort((a, b) => a.totalMp - b.totalMp || (a.leadId < b.leadId ? -1 : 1));
  const tenths = Math.min(TENTHS, sorted.length);
  return Array.from({ length: tenths }, (_, index) =>
    sorted.slice(Math.floor((index * sorted.length) / tenths), Math.floor(((index + 1) * sorted.length) / tenths)),
  );
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
async function driftOf(view: ReadView, params: ReportParams, peaks: readonly number[]) {
  const endMs = Math.min(params.toMs ?? params.asOfMs, params.asOfMs);
  const fromMs = params.fromMs ?? endMs - DRIFT_DAYS * DAY_MS;
  const now = params.fromMs === null ? await peaksOf(view, params, fromMs, null) : [...peaks];
  const before = await peaksOf(view, params, fromMs - Math.max(endMs - fromMs, DAY_MS), fromMs);
  const psi = stability(now, before);
  return { from: new Date(fromMs).toISOString(), n: now.length, baselineN: before.length, psi };
}

async function peaksOf(view: ReadView, params: ReportParams, fromMs: number, toMs: number | null): Promise<number[]> {
  const peaks: number[] = [];
  await scanScored(view, params, fromMs, toMs, (_, scored) => {
    const peak = scored.peakBy(params.asOfMs);
    if (peak !== null) peaks.push(peak);
  });
  return peaks;
}

/** Σ (p − q) · ln(p / q) over the tenths of `before`; six places; null when one of both is empty. */
export function stability(now: readonly number[], before: readonly number[]): number | null {
  if (now.length === 0 || before.length === 0) return null;
  const sorted = Float64Array.from(before).sort();
  const edges = [
    ...new Set(
      Array.from({ length: TENTHS - 1 }, (_, index) => sorted[Math.ceil(((index + 1) * sorted.length) / TENTHS) - 1]),
    ),
  ] as number[];
  const sharesOf = (values: readonly number[]): number[] => {
    const counts = Array.from({ length: edges.length + 1 }, () => 0);
    for (const value of values) {
      const bin = edges.findIndex((edge) => value <= edge);
      const index = bin < 0 ? edges.length : bin;
      counts[index] = (counts[index] as number) + 1;
    }
    return counts.map((count) => Math.max(count / values.length, LEAST_SHARE));
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
  return (decilesOf(counts.decided)[Number(tenth) - 1] ?? [])
    .filter(({ accepted }) => acceptedOnly === undefined || accepted)
    .map(({ leadId }) => leadId);
}
