import type { LeadColumns, SegmentDimension } from './scoring-history.js';
import type { ReplayScope } from './replay-model.js';
import { isIn } from './replay-kernel.js';

/** The figures of a what-if (spec §5.6), from what the kernel has found of each lead. Pure; null where there is nothing to divide by. */

export const LABELS = ['accepted', 'sql', 'won'] as const;
/** What a flagged lead is hoped to become within the horizon of its capture. */
export type Label = (typeof LABELS)[number];

/** What became of each lead, by number. */
export const OUTCOME = { outside: 0, negative: 1, positive: 2, immature: 3, undecided: 4 } as const;
export const OUTCOME_NAMES = ['outside', 'negative', 'positive', 'immature', 'undecided'] as const;

export interface Outcomes {
  readonly of: Uint8Array;
  /** Captured in the window, merged-away ones left out. */
  readonly population: number;
  readonly immature: number;
  readonly undecided: number;
}

/**
 * Label `accepted` covers the leads that sales has decided about, by their first decision; `sql` and `won` cover all leads whose
 * horizon is over by asOf, and those that came true before.
 */
export function outcomesOf(leads: LeadColumns, scope: ReplayScope, label: Label, horizonS: number): Outcomes {
  const of = new Uint8Array(leads.count);
  const { acceptedAtS, capturedAtS, rejectedAtS } = leads;
  const reachedAtS = { accepted: acceptedAtS, sql: leads.sqlAtS, won: leads.wonAtS }[label];
  const { asOfS } = scope;
  const counts = [0, 0, 0, 0, 0];
  for (let lead = 0; lead < leads.count; lead++) {
    if (!isIn(scope, leads, lead)) continue;
    const reachedS = reachedAtS[lead]!;
    const endS = capturedAtS[lead]! + horizonS;
    let outcome: number;
    if (label === 'accepted') {
      const rejectedS = rejectedAtS[lead]!;
      const isAccepted = reachedS !== 0 && reachedS <= asOfS && (rejectedS === 0 || reachedS <= rejectedS);
      const isDecided = isAccepted || (rejectedS !== 0 && rejectedS <= asOfS);
      outcome = !isDecided ? OUTCOME.undecided : isAccepted && reachedS <= endS ? OUTCOME.positive : OUTCOME.negative;
    } else if (reachedS !== 0 && reachedS <= Math.min(endS, asOfS)) outcome = OUTCOME.positive;
    else outcome = endS > asOfS ? OUTCOME.immature : OUTCOME.negative;
    of[lead] = outcome;
    counts[outcome]! += 1;
  }
  const [, negative, positive, immature, undecided] = counts as [number, number, number, number, number];
  return { of, population: negative + positive + immature + undecided, immature, undecided };
}

// ---- shares

/** Bounds of the Wilson 95 % interval. */
export type Interval = readonly [low: number, high: number] | null;
export interface Share {
  readonly numerator: number;
  readonly denominator: number;
  readonly rate: number | null;
  readonly interval: Interval;
}

const PLACES = 1_000_000n;
/** Six places, half up (spec §7.0). */
export function rate(numerator: number | bigint, denominator: number | bigint): number | null {
  const below = 2n * BigInt(denominator);
  if (below === 0n) return null;
  return Number((2n * BigInt(numerator) * PLACES + BigInt(denominator)) / below) / Number(PLACES);
}

const Z = 1.959963984540054;
const sixPlaces = (value: number): number => Math.round(value * 1_000_000) / 1_000_000;

export function wilson(successes: number, n: number): Interval {
  if (n === 0) return null;
  const p = successes / n;
  const z2 = Z * Z;
  const centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z / (1 + z2 / n)) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  return [sixPlaces(Math.max(0, centre - half)), sixPlaces(Math.min(1, centre + half))];
}

export const share = (numerator: number, denominator: number): Share => ({
  numerator,
  denominator,
  rate: rate(numerator, denominator),
  interval: wilson(numerator, denominator),
});

export interface Confusion {
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
  readonly tn: number;
}
export interface Quality extends Confusion {
  readonly leads: number;
  readonly flagged: number;
  readonly positives: number;
  readonly precision: Share;
  readonly recall: Share;
  readonly baseRate: Share;
  readonly f1: number | null;
  /** Precision / base rate. */
  readonly lift: number | null;
}

export function qualityOf({ fn, fp, tn, tp }: Confusion): Quality {
  const leads = tp + fp + fn + tn;
  return {
    leads,
    flagged: tp + fp,
    positives: tp + fn,
    tp,
    fp,
    fn,
    tn,
    precision: share(tp, tp + fp),
    recall: share(tp, tp + fn),
    baseRate: share(tp + fn, leads),
    f1: rate(2 * tp, 2 * tp + fp + fn),
    lift: rate(BigInt(tp) * BigInt(leads), BigInt(tp + fp) * BigInt(tp + fn)),
  };
}

/** When each lead was flagged, whoever did it; 0: it was not. */
export type Flags = Uint32Array;

export function confusionOf({ of }: Outcomes, flaggedAtS: Flags): Confusion {
  let [tp, fp, fn, tn] = [0, 0, 0, 0];
  for (let lead = 0; lead < of.length; lead++) {
    if (of[lead] === OUTCOME.positive) {
      if (flaggedAtS[lead] === 0) fn += 1;
      else tp += 1;
    } else if (of[lead] === OUTCOME.negative) {
      if (flaggedAtS[lead] === 0) tn += 1;
      else fp += 1;
    }
  }
  return { tp, fp, fn, tn };
}

// ---- by score

/** How many positives and negatives have each greatest eligible total, ascending; −Infinity first, where there was none. */
export interface Distribution {
  readonly mp: Float64Array;
  readonly positives: Uint32Array;
  readonly negatives: Uint32Array;
}

/** So many different totals are counted in a table; more are sorted. */
const TABLE = 4_000_000;

export function distributionOf({ of }: Outcomes, maxMp: Float64Array): Distribution {
  let low = Infinity;
  let high = -Infinity;
  for (let lead = 0; lead < of.length; lead++) {
    const mp = maxMp[lead]!;
    if (mp === -Infinity || !isJudged(of[lead]!)) continue;
    if (mp < low) low = mp;
    if (mp > high) high = mp;
  }
  const values = high - low < TABLE ? null : distinct(of, maxMp);
  // Place 0 is that of leads that were never eligible.
  const places = values === null ? Math.max(0, high - low + 1) : values.length;
  const placeOf =
    values === null
      ? (mp: number) => mp - low + 1
      : (
          (known) => (mp: number) =>
            known.get(mp)!
        )(new Map(Array.from(values, (mp, at) => [mp, at + 1])));
  const [positives, negatives] = [new Uint32Array(places + 1), new Uint32Array(places + 1)];
  for (let lead = 0; lead < of.length; lead++) {
    const outcome = of[lead]!;
    if (!isJudged(outcome)) continue;
    const mp = maxMp[lead]!;
    const place = mp === -Infinity ? 0 : placeOf(mp);
    if (outcome === OUTCOME.positive) positives[place]! += 1;
    else negatives[place]! += 1;
  }
  let found = 0;
  const mps = new Float64Array(places + 1);
  for (let place = 0; place <= places; place++) {
    const leads = positives[place]! + negatives[place]!;
    if (leads === 0) continue;
    mps[found] = place === 0 ? -Infinity : values === null ? low + place - 1 : values[place - 1]!;
    positives[found] = positives[place]!;
    negatives[found] = negatives[place]!;
    found += 1;
  }
  return { mp: mps.slice(0, found), positives: positives.slice(0, found), negatives: negatives.slice(0, found) };
}

const isJudged = (outcome: number): boolean => outcome === OUTCOME.positive || outcome === OUTCOME.negative;

function distinct(of: Uint8Array, maxMp: Float64Array): Float64Array {
  const all = new Set<number>();
  for (let lead = 0; lead < of.length; lead++)
    if (maxMp[lead]! !== -Infinity && isJudged(of[lead]!)) all.add(maxMp[lead]!);
  return Float64Array.from(all).sort();
}

const sum = (numbers: Uint32Array): number => {
  let total = 0;
  for (const one of numbers) total += one;
  return total;
};

/** Probability that a positive has a greater total than a negative, equals counting half; null without either. */
export function aucOf({ negatives, positives }: Distribution): number | null {
  const [allPositives, allNegatives] = [sum(positives), sum(negatives)];
  if (allPositives === 0 || allNegatives === 0) return null;
  let below = 0;
  let won = 0;
  for (let at = 0; at < positives.length; at++) {
    won += positives[at]! * (below + negatives[at]! / 2);
    below += negatives[at]!;
  }
  return sixPlaces(won / (allPositives * allNegatives));
}

export interface SweepRow {
  /** Points. */
  readonly minTotal: number;
  readonly flagged: number;
  readonly tp: number;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  readonly lift: number | null;
}

/** The same model with other MQL thresholds (points, any order): a lead is flagged when its greatest eligible total reaches it. */
export function sweepOf({ mp, negatives, positives }: Distribution, thresholds: readonly number[]): SweepRow[] {
  const [allPositives, allNegatives] = [sum(positives), sum(negatives)];
  const leads = allPositives + allNegatives;
  const ascending = [...new Set(thresholds)].sort((a, b) => a - b);
  let [at, tp, fp] = [0, allPositives, allNegatives];
  return ascending.map((minTotal) => {
    const minMp = Math.round(minTotal * 1000);
    for (; at < mp.length && mp[at]! < minMp; at++) {
      tp -= positives[at]!;
      fp -= negatives[at]!;
    }
    const flagged = tp + fp;
    return {
      minTotal,
      flagged,
      tp,
      precision: rate(tp, flagged),
      recall: rate(tp, allPositives),
      f1: rate(2 * tp, flagged + allPositives),
      lift: rate(BigInt(tp) * BigInt(leads), BigInt(flagged) * BigInt(allPositives)),
    };
  });
}

const THRESHOLDS = 100;
/** Some hundred round thresholds from nothing to where hardly anybody is left, the model's own among them. Points. */
export function usualThresholds({ mp, negatives, positives }: Distribution, minTotalMp: number): number[] {
  const few = (sum(positives) + sum(negatives)) / 200;
  let at = mp.length - 1;
  for (let above = 0; at > 0 && above + positives[at]! + negatives[at]! <= few; at--) above += positives[at]! + negatives[at]!; // prettier-ignore
  const most = Math.max(minTotalMp, at < 0 || mp[at] === -Infinity ? 0 : mp[at]!, 1000) / 1000;
  const magnitude = 10 ** Math.floor(Math.log10(most / THRESHOLDS));
  const stepMp = Math.max(1, ([1, 2, 5, 10].find((nice) => nice * magnitude * THRESHOLDS >= most) ?? 10) * magnitude * 1000); // prettier-ignore
  const thresholds = Array.from({ length: THRESHOLDS }, (_, n) => Math.round((n + 1) * stepMp) / 1000);
  return [...new Set([...thresholds, minTotalMp / 1000])].sort((a, b) => a - b);
}

export interface Decile {
  /** 1: the lowest totals. */
  readonly decile: number;
  /** Least and greatest of its totals; null: never eligible. */
  readonly fromMp: number | null;
  readonly toMp: number | null;
  /** Positives among its leads. */
  readonly positives: Share;
}

/** Tenths by greatest eligible total. Equal totals stay together, in the tenth that their middle lies in. */
export function decilesOf({ mp, negatives, positives }: Distribution): Decile[] {
  const all = sum(positives) + sum(negatives);
  const tenths: { from: number; to: number; positives: number; leads: number }[] = [];
  let below = 0;
  for (let at = 0; at < mp.length; at++) {
    const leads = positives[at]! + negatives[at]!;
    const tenth = Math.min(9, Math.floor((10 * (below + leads / 2)) / all));
    tenths[tenth] ??= { from: mp[at]!, to: mp[at]!, positives: 0, leads: 0 };
    tenths[tenth].to = mp[at]!;
    tenths[tenth].positives += positives[at]!;
    tenths[tenth].leads += leads;
    below += leads;
  }
  const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return tenths.flatMap(({ from, leads, positives: came, to }, tenth) => ({
    decile: tenth + 1,
    fromMp: finite(from),
    toMp: finite(to),
    positives: share(came, leads),
  }));
}

// ---- who, when, and how many a week

export interface Changes {
  /** Flagged now and not before, and the other way round, by lead index. */
  readonly gained: readonly number[];
  readonly lost: readonly number[];
  readonly shift: Shift;
}
export interface Shift {
  /** Leads that both flagged. */
  readonly leads: number;
  /** Days from the one flag to the other, below 0: earlier. Nearest rank, 4 places. */
  readonly p10: number | null;
  readonly median: number | null;
  readonly p90: number | null;
}

const DAY_S = 86_400;

/** Of the whole population, mature or not. */
export function changesOf({ of }: Outcomes, beforeAtS: Flags, nowAtS: Flags): Changes {
  const [gained, lost]: [number[], number[]] = [[], []];
  const seconds = new Int32Array(of.length);
  let both = 0;
  for (let lead = 0; lead < of.length; lead++) {
    if (of[lead] === OUTCOME.outside) continue;
    const [before, now] = [beforeAtS[lead]!, nowAtS[lead]!];
    if (now !== 0 && before !== 0) seconds[both++] = now - before;
    else if (now !== 0) gained.push(lead);
    else if (before !== 0) lost.push(lead);
  }
  const ascending = seconds.subarray(0, both).sort();
  const days = (percent: number): number | null =>
    both === 0 ? null : Math.round((ascending[Math.max(1, Math.ceil((percent * both) / 100)) - 1]! / DAY_S) * 10_000) / 10_000; // prettier-ignore
  return { gained, lost, shift: { leads: both, p10: days(10), median: days(50), p90: days(90) } };
}

const WEEK_S = 7 * DAY_S;
/** 1970-01-05 was a Monday. */
const MONDAY_S = 4 * DAY_S;
export const weekOf = (atS: number): number => Math.floor((atS - MONDAY_S) / WEEK_S);
export const weekStartMs = (week: number): number => (week * WEEK_S + MONDAY_S) * 1000;

/** Flagged leads of the population by ISO week (UTC), from the first week of the window with any to the last. */
export function weeksOf(
  { of }: Outcomes,
  flaggedAtS: Flags,
  { asOfS, fromS }: ReplayScope,
): { firstWeek: number; flagged: number[] } {
  const first = weekOf(fromS);
  const flagged = new Uint32Array(Math.max(0, weekOf(asOfS) - first + 1));
  for (let lead = 0; lead < of.length; lead++) {
    const atS = flaggedAtS[lead]!;
    if (atS !== 0 && of[lead] !== OUTCOME.outside) flagged[weekOf(atS) - first]! += 1;
  }
  const begin = Math.max(0, flagged.findIndex((count) => count > 0)); // prettier-ignore
  const end = flagged.findLastIndex((count) => count > 0) + 1;
  return { firstWeek: first + begin, flagged: Array.from(flagged.subarray(begin, end)) };
}

export interface Volume {
  readonly weeks: readonly {
    /** Its Monday, e.g. 2026-01-05. */
    readonly week: string;
    readonly flagged: number;
    /** Leads that sales can take in that week; null: no limit is configured. */
    readonly capacity: number | null;
    readonly overflow: number | null;
  }[];
  readonly flagged: number;
  /** Σ max(0, flagged − capacity) over the weeks that have one. */
  readonly overflow: number | null;
  /** Overflow / flagged: the share that would have been answered late. */
  readonly impliedBreachShare: number | null;
}

export function volumeOf(
  { firstWeek, flagged }: { readonly firstWeek: number; readonly flagged: readonly number[] },
  capacityAt: (weekStartsMs: number) => number | null,
): Volume {
  let all = 0;
  let overflows: number | null = null;
  const weeks = flagged.map((count, n) => {
    const startsMs = weekStartMs(firstWeek + n);
    const capacity = capacityAt(startsMs);
    const overflow = capacity === null ? null : Math.max(0, count - capacity);
    all += count;
    if (overflow !== null) overflows = (overflows ?? 0) + overflow;
    return { week: new Date(startsMs).toISOString().slice(0, 10), flagged: count, capacity, overflow };
  });
  const overflow = overflows as number | null;
  return { weeks, flagged: all, overflow, impliedBreachShare: overflow === null ? null : rate(overflow, all) };
}

export interface Segment {
  /** null: leads that have none. */
  readonly value: string | null;
  readonly actual: Quality;
  readonly candidate: Quality;
}
export interface Split {
  readonly dimension: SegmentDimension;
  /** Most leads first. */
  readonly segments: readonly Segment[];
  /** All values beyond the first fifty. */
  readonly others: Omit<Segment, 'value'> | null;
}

/** So many values of a dimension are told apart. */
const MOST_SEGMENTS = 50;
const POSITIVE = 4;
const BY_CANDIDATE = 2;
const BY_ACTUAL = 1;
const NOT_JUDGED = 8;
const CELLS = 16;

/** Each lead's outcome and flags as one number, so that every split counts them in one pass. */
export function cellsOf({ of }: Outcomes, actualAtS: Flags, flaggedAtS: Flags): Uint8Array {
  const cells = new Uint8Array(of.length);
  for (let lead = 0; lead < of.length; lead++) {
    const outcome = of[lead]!;
    cells[lead] = !isJudged(outcome)
      ? NOT_JUDGED
      : (outcome === OUTCOME.positive ? POSITIVE : 0) |
        (flaggedAtS[lead] === 0 ? 0 : BY_CANDIDATE) |
        (actualAtS[lead] === 0 ? 0 : BY_ACTUAL);
  }
  return cells;
}

/** Quality of all together. */
export function judgedBy(cells: Uint8Array): Omit<Segment, 'value'> {
  const counts = new Uint32Array(CELLS);
  for (let lead = 0; lead < cells.length; lead++) counts[cells[lead]!]! += 1;
  return qualities(counts);
}

/** Quality by the values of one dimension. */
export function splitOf(
  cells: Uint8Array,
  { dimensionValues, dimensions }: Pick<LeadColumns, 'dimensions' | 'dimensionValues'>,
  dimension: SegmentDimension,
): Split {
  const values = dimensionValues[dimension];
  const codes = dimensions[dimension];
  const counts = new Uint32Array(values.length * CELLS);
  for (let lead = 0; lead < cells.length; lead++) counts[codes[lead]! * CELLS + cells[lead]!]! += 1;
  const found = values
    .map((value, code) => ({ value, own: counts.subarray(code * CELLS, code * CELLS + NOT_JUDGED) }))
    .map(({ own, value }) => ({ value, own, leads: sum(own) }))
    .filter(({ leads }) => leads > 0)
    .sort((a, b) => b.leads - a.leads);
  const rest = found.slice(MOST_SEGMENTS);
  const together = new Uint32Array(NOT_JUDGED).map((_, cell) => rest.reduce((total, { own }) => total + own[cell]!, 0));
  return {
    dimension,
    segments: found.slice(0, MOST_SEGMENTS).map(({ own, value }) => ({ value, ...qualities(own) })),
    others: rest.length === 0 ? null : qualities(together),
  };
}

function qualities(counts: Uint32Array): Omit<Segment, 'value'> {
  const by = (flag: number): Quality => {
    const count = (cell: number) => counts[cell]! + counts[cell | (flag ^ (BY_ACTUAL | BY_CANDIDATE))]!;
    return qualityOf({ tp: count(POSITIVE | flag), fp: count(flag), fn: count(POSITIVE), tn: count(0) });
  };
  return { actual: by(BY_ACTUAL), candidate: by(BY_CANDIDATE) };
}

/** The actual marks as MQL of cycle 1 as far as they were known. `flag`: only those with that bit of `LEAD_FLAGS`; 0: all. */
export function actualFlags({ flags, mqlAtS }: LeadColumns, { asOfS }: ReplayScope, flag: number): Flags {
  const marked = new Uint32Array(mqlAtS.length);
  for (let lead = 0; lead < marked.length; lead++) {
    const atS = mqlAtS[lead]!;
    if (atS <= asOfS && (flags[lead]! & flag) === flag) marked[lead] = atS;
  }
  return marked;
}
