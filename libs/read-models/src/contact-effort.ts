import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART, utcDay, valueOf } from './dimensions.js';
import { DAY_MS, rate } from './figures.js';
import { type CountFigure, dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import type { LeadRow, Visit } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { enteredMsOf } from './merges.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { factValue } from './fact-row.js';
import { scanFacts } from './scan.js';
import { pipelinesAt, StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';

/** One fact per lead that sales ever accepted, by the UTC day of its first acceptance. */
const EFFORT_TABLE = 'effort';

/** Times since the acceptance. */
type Effort = readonly [
  attempts: readonly (readonly [at: number, cycle: number])[],
  responses: readonly number[],
  optOuts: readonly number[],
  complaints: readonly number[],
  /** Recycled as unresponsive; 1: after a sequence that was made to its end. */
  givenUp: readonly (readonly [at: number, full: 0 | 1])[],
];

/** Numbers: acceptance, and its handoff, from which on attempts count. The rest: what was done. */
export function effortFacts(row: LeadRow): Fact[] {
  const { visits } = row;
  const sal = visits.findIndex(({ state }) => state === 'SAL');
  const offered = row.handoffs.filter(({ outcome }) => outcome === 'accepted' || outcome === 'implicit');
  const first = offered.reduce<number | null>((least, { decidedMs }) => earlier(least, decidedMs), null);
  const acceptedMs = earlier(sal < 0 ? null : enteredMsOf(row, sal), first);
  if (acceptedMs === null) return [];
  const sinceMs = offered.find(({ decidedMs }) => decidedMs === acceptedMs)?.offeredMs ?? acceptedMs;
  const relative = (kind: 'response' | 'optOut' | 'complaint'): number[] =>
    notesOf(row.notes, kind).map(({ atMs }) => atMs - acceptedMs);
  const exhausted = notesOf(row.notes, 'exhausted');
  const cycleAt = (atMs: number): number => visits.findLast((visit) => visit.enteredMs <= atMs)?.cycle ?? 1;
  const givenUp = visits.flatMap(({ cycle, enteredMs, more, state }): [number, 0 | 1][] => {
    if (state !== 'RECYCLED' || more?.reason !== 'unresponsive' || enteredMs < acceptedMs) return [];
    const began = visits.find((visit) => visit.cycle === cycle) as Visit;
    const full = exhausted.some(({ atMs }) => atMs >= began.enteredMs && atMs <= enteredMs);
    return [[enteredMs - acceptedMs, full ? 1 : 0]];
  });
  const effort: Effort = [
    notesOf(row.notes, 'attempt').map(({ atMs }) => [atMs - acceptedMs, cycleAt(atMs)]),
    relative('response'),
    relative('optOut'),
    relative('complaint'),
    givenUp,
  ];
  return [
    {
      kind: 'row',
      table: EFFORT_TABLE,
      part: utcDay(acceptedMs),
      key: row.leadId,
      value: factValue(dimensionText(row, row.team, row.owner, acceptedMs), `${acceptedMs},${sinceMs}`, effort),
    },
  ];
}

const earlier = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b);

/**
 * Spec 7.22, by leads first accepted in the period: how often they were called on from that handoff until asOf, what came of the
 * first attempt, the second and so on up to the next, and who was called on more than EP-8 allows.
 */
export const contactEffortParams: ParamSpec = { report: 'contact-effort', period: true, by: true, groupBy: true };

export interface ContactEffortFigures {
  readonly accepted: CountFigure;
  /** Attempts / accepted leads. */
  readonly attempts: RateFigure;
  /** Of the leads that an attempt of this number was made at. */
  readonly byAttempt: readonly {
    readonly attempt: number;
    readonly responses: RateFigure;
    readonly optOuts: RateFigure;
    readonly complaints: RateFigure;
  }[];
  /** Over the cap of the pipeline, in any of its days or in a cycle. */
  readonly overCap: RateFigure;
  /** Of the leads given up as unresponsive, those after the full sequence. */
  readonly fullSequence: RateFigure;
}

/** Attempts after that are counted, and told of as one more. */
const MOST_TOLD = 20;

interface Work {
  readonly leadId: string;
  readonly dims: Dims;
  readonly acceptedMs: number;
  readonly attempts: number;
  /** What followed each attempt before the next one. */
  readonly followed: readonly { readonly response: boolean; readonly optOut: boolean; readonly complaint: boolean }[];
  readonly overCap: boolean;
  readonly givenUp: boolean;
  readonly fullSequence: boolean;
}

async function scanWork(
  view: ReadView,
  params: ReportParams,
  { policies }: ReportContext,
  use: (work: Work) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const { asOfMs } = params;
  const stages = new StagePolicies(policies, asOfMs);
  const fromPart = params.fromMs === null ? '' : utcDay(params.fromMs);
  const toPart = params.toMs === null ? LAST_PART : utcDay(params.toMs);
  await scanFacts(
    view,
    EFFORT_TABLE,
    fromPart,
    toPart,
    ({ dims, key, numbers, rest }) => {
      const [acceptedMs, sinceMs] = numbers as [number, number];
      groups?.asOf.sees(acceptedMs);
      if (acceptedMs > asOfMs || !inPeriod(params, acceptedMs) || !passes(dims)) return;
      const [allAttempts, responses, optOuts, complaints, recycled] = rest as Effort;
      const known = (at: number): boolean => {
        groups?.asOf.sees(acceptedMs + at);
        return acceptedMs + at >= sinceMs && acceptedMs + at <= asOfMs;
      };
      const attempts = allAttempts.filter(([at]) => known(at));
      const within = (times: readonly number[], index: number): boolean => {
        const from = (attempts[index] as readonly [number, number])[0];
        const to = attempts[index + 1]?.[0] ?? Infinity;
        return times.some((at) => known(at) && at >= from && at < to);
      };
      const givenUp = recycled.filter(([at]) => known(at));
      use({
        leadId: key,
        dims,
        acceptedMs,
        attempts: attempts.length,
        followed: attempts.map((_, index) => ({
          response: within(responses, index),
          optOut: within(optOuts, index),
          complaint: within(complaints, index),
        })),
        overCap: isOverCap(attempts, stages.pipeline(valueOf(dims, 'leadType'))?.contactCap ?? null),
        givenUp: givenUp.length > 0,
        fullSequence: givenUp.length > 0 && givenUp.every(([, full]) => full === 1),
      });
    },
    { params, groups },
  );
}

/** EP-8: more attempts than the cap within its days (a window open at its beginning), or in one cycle. */
function isOverCap(
  attempts: readonly (readonly [at: number, cycle: number])[],
  cap: { readonly attempts: number; readonly days: number; readonly attemptsPerCycle: number } | null,
): boolean {
  if (cap === null) return false;
  const byCycle = new Map<number, number>();
  return attempts.some(([at, cycle], index) => {
    const n = (byCycle.get(cycle) ?? 0) + 1;
    byCycle.set(cycle, n);
    const before = attempts[index - cap.attempts];
    return n > cap.attemptsPerCycle || (before !== undefined && at - before[0] < cap.days * DAY_MS);
  });
}

class Counts {
  accepted = 0;
  attempts = 0;
  overCap = 0;
  givenUp = 0;
  fullSequence = 0;
  readonly byAttempt: { made: number; response: number; optOut: number; complaint: number }[] = [];

  add(work: Work): void {
    this.accepted += 1;
    this.attempts += work.attempts;
    if (work.overCap) this.overCap += 1;
    if (work.givenUp) this.givenUp += 1;
    if (work.fullSequence) this.fullSequence += 1;
    work.followed.slice(0, MOST_TOLD).forEach((followed, index) => {
      const counts = (this.byAttempt[index] ??= { made: 0, response: 0, optOut: 0, complaint: 0 });
      counts.made += 1;
      if (followed.response) counts.response += 1;
      if (followed.optOut) counts.optOut += 1;
      if (followed.complaint) counts.complaint += 1;
    });
  }
}

export async function contactEffortReport(view: ReadView, params: ReportParams, context: ReportContext) {
  const groups = new Groups<Counts>(params, () => new Counts(), pipelinesAt(context.policies, params.asOfMs));
  await scanWork(
    view,
    params,
    context,
    (work) => {
      groups.total.add(work);
      groups.of(work.dims, work.acceptedMs)?.add(work);
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures(counts: Counts, params: ReportParams): ContactEffortFigures {
  const link = drillLinks(params);
  const share = (numerator: number, denominator: number, figure: string, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  return {
    accepted: { count: counts.accepted, drill: link('accepted') },
    attempts: share(counts.attempts, counts.accepted, 'attempted', 'accepted'),
    byAttempt: counts.byAttempt.map(({ complaint, made, optOut, response }, index) => {
      const attempt = index + 1;
      return {
        attempt,
        responses: share(response, made, `response.${attempt}`, `made.${attempt}`),
        optOuts: share(optOut, made, `optOut.${attempt}`, `made.${attempt}`),
        complaints: share(complaint, made, `complaint.${attempt}`, `made.${attempt}`),
      };
    }),
    overCap: share(counts.overCap, counts.accepted, 'overCap', 'accepted'),
    fullSequence: share(counts.fullSequence, counts.givenUp, 'fullSequence', 'givenUp'),
  };
}

const FIGURES: Readonly<Record<string, (work: Work) => boolean>> = {
  accepted: () => true,
  attempted: ({ attempts }) => attempts > 0,
  overCap: ({ overCap }) => overCap,
  givenUp: ({ givenUp }) => givenUp,
  fullSequence: ({ fullSequence }) => fullSequence,
};

/** Figures: `accepted`, `attempted`, `overCap`, `givenUp`, `fullSequence`; `made`, `response`, `optOut`, `complaint` with `.<number>`. */
export async function contactEffortLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  context: ReportContext,
): Promise<string[] | null> {
  const [, what, number] = /^(made|response|optOut|complaint)\.(\d{1,2})$/.exec(figure) ?? [];
  const hit = Object.hasOwn(FIGURES, figure) ? FIGURES[figure] : undefined;
  if (hit === undefined && what === undefined) return null;
  const leads: string[] = [];
  await scanWork(view, params, context, (work) => {
    const followed = work.followed[Number(number) - 1];
    const counts =
      hit?.(work) ??
      (followed !== undefined && (what === 'made' || followed[what as 'response' | 'optOut' | 'complaint']));
    if (counts) leads.push(work.leadId);
  });
  return leads;
}
