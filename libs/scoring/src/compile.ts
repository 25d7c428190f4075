import { SCORED_KINDS, type BehaviourField, type FactValue, type FitField, type ScoredKind } from './facts.js';
import type { Grade, Predicate, ScoringModelDocument } from './model.js';
import { milliPoints } from './rounding.js';

/**
 * A model as the kernel runs it: rules as tables by number, in the order of the document (behaviour rules first, then penalties),
 * predicates as functions of one value. A replay over dictionary-coded columns turns each predicate into a table of its column's
 * codes once (`truthTable`) and runs the same rules.
 */
export interface CompiledModel {
  readonly modelId: string;
  readonly version: number;
  readonly document: ScoringModelDocument;
  readonly fit: readonly CompiledFitRule[];
  /** Behaviour rules and penalties by number; from `penaltiesFrom` on they are penalties. */
  readonly ruleIds: readonly string[];
  readonly labels: readonly string[];
  readonly points: Float64Array;
  /** Most that a rule may bring (or take); Infinity: no cap. */
  readonly caps: Float64Array;
  /** Group of each rule. */
  readonly groupOf: Uint16Array;
  readonly penaltiesFrom: number;
  /** Half-life of each group in seconds; Infinity: undecayed. */
  readonly halfLifeS: Float64Array;
  readonly rulesOfGroup: readonly Uint16Array[];
  /** Rules that may count a kind, and what else they ask. */
  readonly byKind: ReadonlyMap<string, readonly CompiledBehaviourRule[]>;
  readonly thresholds: CompiledThresholds;
}

export interface CompiledFitRule {
  readonly ruleId: string;
  readonly label: string;
  readonly points: number;
  readonly when: readonly CompiledPredicate<FitField>[];
}
export interface CompiledBehaviourRule {
  readonly rule: number;
  readonly where: readonly CompiledPredicate<BehaviourField>[];
}
export interface CompiledPredicate<F extends string> {
  readonly field: F;
  /** Of a value as the lead has it; undefined: not known. */
  holds(value: FactValue | undefined): boolean;
}
export interface CompiledThresholds {
  readonly mql: MinimumScore;
  readonly pql: (MinimumScore & { readonly requires: readonly Requirement[] }) | null;
  /** Null also when the model has it disabled. */
  readonly autoSql: (MinimumScore & { readonly requiresActiveRequest: boolean }) | null;
}
/** In milli-points. */
export interface MinimumScore {
  readonly minTotal: number;
  readonly minFit: number;
  readonly minGrade: Exclude<Grade, 'U'> | null;
}
export interface Requirement {
  readonly on: ScoredKind;
  readonly atLeast: number;
  /** Infinity: ever. */
  readonly withinS: number;
}

export const DAY_S = 86_400;

/** Of a checked document (`checkScoringModel`). */
export function compileModel(
  document: ScoringModelDocument,
  { modelId, version }: { readonly modelId: string; readonly version: number },
): CompiledModel {
  const rules = [...document.behaviour, ...document.penalty];
  const halfLives = [...new Set(rules.map(({ halfLifeDays }) => halfLifeDays))];
  const groupOf = Uint16Array.from(rules, ({ halfLifeDays }) => halfLives.indexOf(halfLifeDays));
  const byKind = new Map<string, CompiledBehaviourRule[]>();
  for (const kind of SCORED_KINDS) {
    const counting = rules.flatMap(({ on, where }, rule) =>
      on === kind ? [{ rule, where: where.map((one) => compilePredicate<BehaviourField>(one)) }] : [],
    );
    if (counting.length > 0) byKind.set(kind, counting);
  }
  const { autoSql, mql, pql } = document.thresholds;
  return {
    modelId,
    version,
    document,
    fit: document.fit.map((rule) => ({
      ruleId: rule.id,
      label: rule.label ?? rule.id,
      points: rule.points,
      when: rule.when.map((one) => compilePredicate<FitField>(one)),
    })),
    ruleIds: rules.map((rule) => rule.id),
    labels: rules.map((rule) => rule.label ?? rule.id),
    points: Float64Array.from(rules, (rule) => rule.points),
    caps: Float64Array.from(rules, (rule) => rule.cap ?? Number.POSITIVE_INFINITY),
    groupOf,
    penaltiesFrom: document.behaviour.length,
    halfLifeS: Float64Array.from(halfLives, (halfLife) => (halfLife === null ? Infinity : halfLife * DAY_S)),
    rulesOfGroup: halfLives.map((_, group) =>
      Uint16Array.from(rules.flatMap((__, rule) => (groupOf[rule] === group ? [rule] : []))),
    ),
    byKind,
    thresholds: {
      mql: minimum(mql),
      pql:
        pql === undefined
          ? null
          : {
              ...minimum(pql),
              requires: pql.requires.map(({ atLeast, on, withinDays }) => ({
                on: on as ScoredKind,
                atLeast,
                withinS: withinDays === null ? Infinity : withinDays * DAY_S,
              })),
            },
      autoSql:
        autoSql?.enabled === true
          ? { ...minimum(autoSql), requiresActiveRequest: autoSql.requiresActiveRequest }
          : null,
    },
  };
}

const minimum = (asked: {
  readonly minTotal?: number | undefined;
  readonly minFit?: number | undefined;
  readonly minGrade?: Exclude<Grade, 'U'> | undefined;
}): MinimumScore => ({
  minTotal: asked.minTotal === undefined ? -Infinity : milliPoints(asked.minTotal),
  minFit: asked.minFit === undefined ? -Infinity : milliPoints(asked.minFit),
  minGrade: asked.minGrade ?? null,
});

function compilePredicate<F extends string>(predicate: Predicate): CompiledPredicate<F> {
  return { field: predicate.field as F, holds: testOf(predicate) };
}

function testOf(predicate: Predicate): (value: FactValue | undefined) => boolean {
  const { contains, equals, gte = -Infinity, in: among, lt = Infinity, missing, notIn } = predicate;
  if (missing === true) return (value) => value === undefined;
  if (equals !== undefined) return (value) => value === equals;
  if (among !== undefined) {
    const values = new Set<FactValue | undefined>(among);
    return (value) => values.has(value);
  }
  if (notIn !== undefined) {
    const values = new Set<FactValue>(notIn);
    return (value) => value !== undefined && !values.has(value);
  }
  if (contains !== undefined) {
    const part = contains.toLowerCase();
    return (value) => typeof value === 'string' && value.toLowerCase().includes(part);
  }
  return (value) => typeof value === 'number' && value >= gte && value < lt;
}

/** 1 for each entry of a column's dictionary on which the predicate holds: what a replay looks up instead of comparing text. */
export const truthTable = (
  predicate: CompiledPredicate<string>,
  dictionary: readonly (FactValue | undefined)[],
): Uint8Array => Uint8Array.from(dictionary, (value) => (predicate.holds(value) ? 1 : 0));
