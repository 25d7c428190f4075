import type { Behaviours } from './behaviours.js';
import type { CompiledFitRule, CompiledModel, MinimumScore } from './compile.js';
import { isGradable, type Facts } from './facts.js';
import { capped, rawAt } from './kernel.js';
import type { Band, Grade, ScoringModelDocument } from './model.js';
import { apportion, milliPoints } from './rounding.js';

/** In whole milli-points (1 point = 1000). */
export interface Score {
  readonly total: number;
  readonly fit: number;
  readonly engagement: number;
  /** Never above 0. */
  readonly penalties: number;
  readonly grade: Grade;
  readonly band: Band;
}

/** What is scored: one lead as it is known. */
export interface Scored {
  readonly facts: Facts;
  readonly behaviours: Behaviours;
  /** `fitOf` these facts under the same model, when it is known already. */
  readonly fit?: Fit | undefined;
}

/** What the facts alone make: it changes only when one of them does. */
export interface Fit {
  /** Points, clamped to the model's range. */
  readonly points: number;
  readonly isGradable: boolean;
}

export const fitOf = (model: CompiledModel, facts: Facts): Fit => ({
  points: clamped(fitPoints(model, facts), model.document.fitRange),
  isGradable: isGradable(facts),
});

const RANK: Readonly<Record<Grade, number>> = { A: 4, B: 3, C: 2, D: 1, U: 0 };

/** The score at an instant (whole seconds). Changes nothing: asking in between never alters a later answer. */
export function evaluate(model: CompiledModel, { behaviours, facts, fit: known }: Scored, atS: number): Score {
  const fit = known ?? fitOf(model, facts);
  const sums = behaviours.sums(model, atS);
  let engagement = 0;
  let penalties = 0;
  for (let rule = 0; rule < model.ruleIds.length; rule++) {
    const points = capped(model, rule, rawAt(model, sums, rule, atS));
    if (rule < model.penaltiesFrom) engagement += points;
    else penalties += points;
  }
  return scoreOf(model, fit, clamped(engagement, model.document.engagementRange), penalties);
}

function scoreOf(
  model: CompiledModel,
  { isGradable: graded, points }: Fit,
  engagement: number,
  penalties: number,
): Score {
  const total = milliPoints(points + engagement + penalties);
  const fitMp = milliPoints(points);
  return {
    total,
    fit: fitMp,
    engagement: milliPoints(engagement),
    penalties: milliPoints(penalties),
    grade: graded ? gradeOf(model.document, fitMp) : 'U',
    band: bandOf(model.document, total),
  };
}

function gradeOf({ grades }: ScoringModelDocument, fit: number): Grade {
  if (fit >= milliPoints(grades.A)) return 'A';
  if (fit >= milliPoints(grades.B)) return 'B';
  return fit >= milliPoints(grades.C) ? 'C' : 'D';
}

function bandOf({ bands }: ScoringModelDocument, total: number): Band {
  if (total >= milliPoints(bands.hot)) return 'hot';
  return total >= milliPoints(bands.warm) ? 'warm' : 'cold';
}

function fitPoints(model: CompiledModel, facts: Facts): number {
  let points = 0;
  for (const rule of model.fit) if (holds(rule, facts)) points += rule.points;
  return points;
}

const holds = ({ when }: CompiledFitRule, facts: Facts): boolean =>
  when.every((predicate) => predicate.holds(facts[predicate.field]));

const clamped = (points: number, range: { readonly min: number; readonly max: number } | undefined): number =>
  range === undefined ? points : Math.min(range.max, Math.max(range.min, points));

// ---- thresholds

/** Whether a score is enough; grade U never is where a grade is asked. */
export const reaches = (score: Score, { minFit, minGrade, minTotal }: MinimumScore): boolean =>
  score.total >= minTotal && score.fit >= minFit && gradeReaches(score.grade, minGrade);

export const gradeReaches = (grade: Grade, asked: Grade | null): boolean =>
  asked === null || RANK[grade] >= RANK[asked];

export const reachesMql = (model: CompiledModel, score: Score): boolean => reaches(score, model.thresholds.mql);

export function reachesPql(model: CompiledModel, { behaviours }: Scored, score: Score, atS: number): boolean {
  const { pql } = model.thresholds;
  if (pql === null || behaviours.length === 0) return false;
  return (
    reaches(score, pql) &&
    pql.requires.every(({ atLeast, on, withinS }) => behaviours.occurrences(on, withinS, atS) >= atLeast)
  );
}

// ---- explanation

export interface Contribution {
  /** Of the model's rule; `fitRange` and `engagementRange` for what a range takes away or adds. */
  readonly ruleId: string;
  readonly label: string;
  readonly part: 'fit' | 'engagement' | 'penalty';
  /** Milli-points of the total; all of them add up to it exactly. */
  readonly mp: number;
  /** Milli-points before the rule's cap. */
  readonly rawMp: number;
  readonly capped: boolean;
}
export interface Explanation {
  readonly score: Score;
  /** Rules that bring or take something, in the order of the model. */
  readonly contributions: readonly Contribution[];
}

/** The score at an instant and where it comes from; the same sums as `evaluate`, split so that the parts add up to the total. */
export function explain(model: CompiledModel, scored: Scored, atS: number): Explanation {
  const score = evaluate(model, scored, atS);
  const { document } = model;
  const parts: { ruleId: string; label: string; part: Contribution['part']; points: number; raw: number }[] = [];
  for (const rule of model.fit) {
    if (!holds(rule, scored.facts)) continue;
    parts.push({ ruleId: rule.ruleId, label: rule.label, part: 'fit', points: rule.points, raw: rule.points });
  }
  pushRange('fit', document.fitRange);
  const sums = scored.behaviours.sums(model, atS);
  model.ruleIds.forEach((ruleId, rule) => {
    if (rule === model.penaltiesFrom) pushRange('engagement', document.engagementRange);
    const raw = rawAt(model, sums, rule, atS);
    const part = rule < model.penaltiesFrom ? 'engagement' : 'penalty';
    if (raw !== 0) parts.push({ ruleId, label: model.labels[rule]!, part, points: capped(model, rule, raw), raw });
  });
  if (model.penaltiesFrom === model.ruleIds.length) pushRange('engagement', document.engagementRange);

  const shares = apportion(
    parts.map(({ points }) => points),
    score.total,
  );
  return {
    score,
    contributions: parts.map(({ label, part, points, raw, ruleId }, n) => ({
      ruleId,
      label,
      part,
      mp: shares[n]!,
      rawMp: milliPoints(raw),
      capped: points !== raw,
    })),
  };

  /** A range makes a part worth more or less than its rules: a line of its own, so that the lines still add up. */
  function pushRange(part: 'fit' | 'engagement', range: { readonly min: number; readonly max: number } | undefined) {
    const sum = parts.filter((one) => one.part === part).reduce((total, { points }) => total + points, 0);
    const points = clamped(sum, range) - sum;
    if (points !== 0) parts.push({ ruleId: `${part}Range`, label: 'range of the model', part, points, raw: points });
  }
}

/** The rules that bring most, at most `limit`, most first; rules that take something are left out. */
export const topContributions = (
  { contributions }: Explanation,
  limit: number,
): { readonly ruleId: string; readonly mp: number }[] =>
  contributions
    .filter(({ mp, ruleId }) => mp > 0 && !ruleId.endsWith('Range'))
    .toSorted((a, b) => b.mp - a.mp)
    .slice(0, limit)
    .map(({ mp, ruleId }) => ({ ruleId, mp }));

/** A hundred years: what has not cooled by then does not. */
const HORIZON_S = 100 * 365 * 86_400;

/**
 * The first second from `atS` on at which the total lies below the MQL threshold if nothing happens (spec §5.4 `coolsAt`);
 * null: it lies below already, or what does not decay keeps it there.
 */
export function coolsAtS(model: CompiledModel, scored: Scored, atS: number): number | null {
  const isBelow = (seconds: number) => evaluate(model, scored, seconds).total < model.thresholds.mql.minTotal;
  // Nothing rises by itself, so there is one such second and it can be bisected.
  if (isBelow(atS) || !isBelow(atS + HORIZON_S)) return null;
  let above = atS;
  let below = atS + HORIZON_S;
  while (below - above > 1) {
    const middle = Math.floor((above + below) / 2);
    if (isBelow(middle)) below = middle;
    else above = middle;
  }
  return below;
}
