import { truthTable, type CompiledModel } from '#libs/scoring/src/compile.js';
import type { BehaviourField, FactValue, FitField } from '#libs/scoring/src/facts.js';
import { FIT_FIELDS, type Field } from '#libs/scoring/src/facts.js';
import type { Grade } from '#libs/scoring/src/model.js';
import { milliPoints } from '#libs/scoring/src/rounding.js';
import { fitOf, gradeReaches } from '#libs/scoring/src/score.js';
import type { BehaviourVariant, ProfileColumns, ScoringHistory } from './scoring-history.js';

/** Grades by number, so that columns can hold them; 0 is the lowest. */
export const GRADE_CODES: readonly Grade[] = ['U', 'D', 'C', 'B', 'A'];

/** One rule that counts a variant of a behaviour, with its points times the variant's count. */
export interface Counting {
  readonly rule: number;
  readonly points: number;
}

/** A model laid over a history: everything that its rules say of single values, looked up by number. */
export interface ReplayModel {
  readonly model: CompiledModel;
  /** By variant: index into `classes`. Variants that the same rules count alike share one; class 0: no rule does. */
  readonly classOf: Uint16Array | Uint32Array;
  readonly classes: readonly (readonly Counting[])[];
  /** By profile; one more than there are profiles, the last one being "nothing is known". */
  readonly fit: ReplayFit;
  readonly minTotalMp: number;
}
export interface ReplayFit {
  /** Points, clamped to the model's range. */
  readonly points: Float64Array;
  /** Index into `GRADE_CODES`. */
  readonly grade: Uint8Array;
  /** 1: grade and fit are enough to be marked as MQL. */
  readonly enough: Uint8Array;
}

export interface ReplayScope {
  /** Leads captured in [fromS, toS) and not merged away. */
  readonly fromS: number;
  readonly toS: number;
  /** Steps after it are not known yet. */
  readonly asOfS: number;
}

/** By lead; of leads outside the population nothing is written. */
export interface ReplayOutput {
  /** Greatest total at an eligible evaluation; −Infinity: there was none. */
  readonly maxMp: Float64Array;
  /** First eligible evaluation that reaches the MQL threshold; 0: none does. */
  readonly crossedAtS: Uint32Array;
  readonly crossedStep: Uint32Array;
  readonly crossedMp: Float64Array;
  /** Index into `GRADE_CODES`. */
  readonly crossedGrade: Uint8Array;
  /** Score of what was known at the cut, at the instant of the last step before it. */
  readonly cutMp: Float64Array;
  readonly cutGrade: Uint8Array;
}

export function replayModel(model: CompiledModel, { profiles, variants }: ScoringHistory): ReplayModel {
  const { classes, classOf } = classesOf(model, variants);
  return { model, classOf, classes, fit: fitColumns(model, profiles), minTotalMp: model.thresholds.mql.minTotal };
}

function classesOf(model: CompiledModel, variants: readonly BehaviourVariant[]) {
  const classes: Counting[][] = [[]];
  const known = new Map<string, number>([['', 0]]);
  const ofVariant = variants.map((variant) => {
    const counting: Counting[] = [];
    for (const { rule, where } of model.byKind.get(variant.kind) ?? []) {
      if (!where.every((predicate) => predicate.holds(valueOf(variant, predicate.field)))) continue;
      counting.push({ rule, points: model.points[rule]! * variant.count });
    }
    const key = counting.map(({ points, rule }) => `${rule}:${points}`).join();
    let found = known.get(key);
    if (found === undefined) {
      known.set(key, (found = classes.length));
      classes.push(counting);
    }
    return found;
  });
  return { classes, classOf: classes.length <= 65_536 ? Uint16Array.from(ofVariant) : Uint32Array.from(ofVariant) };
}

const valueOf = (variant: BehaviourVariant, field: BehaviourField): FactValue | undefined =>
  field === 'count' ? variant.count : variant.more?.[field];

const FIELDS = Object.keys(FIT_FIELDS) as FitField[];
/** As `isGradable` of libs/scoring has it. */
const TELLS_ENOUGH = FIELDS.filter((field) => field === 'role' || (FIT_FIELDS[field] as Field).firmographic === true);

/** Rule by rule over all profiles: every predicate is asked once for each value there is. */
function fitColumns(model: CompiledModel, { count, fields, values }: ProfileColumns): ReplayFit {
  const points = new Float64Array(count + 1);
  const holds = new Uint8Array(count);
  for (const rule of model.fit) {
    holds.fill(1);
    for (const predicate of rule.when) {
      const table = truthTable(predicate, values[predicate.field]);
      const codes = fields[predicate.field];
      for (let profile = 0; profile < count; profile++) holds[profile]! &= table[codes[profile]!]!;
    }
    for (let profile = 0; profile < count; profile++) if (holds[profile] === 1) points[profile]! += rule.points;
  }
  const gradable = new Uint8Array(count + 1);
  for (const field of TELLS_ENOUGH) {
    const isKnown = Uint8Array.from(values[field], (value) => (value === undefined ? 0 : 1));
    const codes = fields[field];
    for (let profile = 0; profile < count; profile++) gradable[profile]! |= isKnown[codes[profile]!]!;
  }
  const range = model.document.fitRange;
  if (range !== undefined)
    for (let profile = 0; profile < count; profile++)
      points[profile] = Math.min(range.max, Math.max(range.min, points[profile]!));
  points[count] = fitOf(model, {}).points;

  const { grades } = model.document;
  const [a, b, c] = [milliPoints(grades.A), milliPoints(grades.B), milliPoints(grades.C)];
  const { minFit, minGrade } = model.thresholds.mql;
  const reaches = Uint8Array.from(GRADE_CODES, (grade) => (gradeReaches(grade, minGrade) ? 1 : 0));
  const grade = new Uint8Array(count + 1);
  const enough = new Uint8Array(count + 1);
  for (let profile = 0; profile <= count; profile++) {
    const mp = milliPoints(points[profile]!);
    const code = gradable[profile] === 0 ? 0 : mp >= a ? 4 : mp >= b ? 3 : mp >= c ? 2 : 1;
    grade[profile] = code;
    enough[profile] = mp >= minFit ? reaches[code]! : 0;
  }
  return { points, grade, enough };
}
