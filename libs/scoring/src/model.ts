import { z } from 'zod';
import { ScoringError } from './errors.js';
import { BEHAVIOUR_FIELDS, FIT_FIELDS, isProtected, SCORED_KINDS, type Field } from './facts.js';

/**
 * The scoring model as a document (spec §5.1) and the events that carry it (spec §4.3). Points are written with at most three
 * decimals: a milli-point is the smallest there is.
 */

const code = z.string().min(1).max(64);
const id = z.string().min(1).max(128);
const ts = z.iso.datetime({ offset: false, precision: 3 });
const version = z.int().min(1);
const points = z
  .number()
  .min(-10_000)
  .max(10_000)
  .refine((value) => Math.abs(value * 1000 - Math.round(value * 1000)) < 1e-6, 'at most three decimals');
const days = z.number().positive().max(3650);

const literal = z.union([z.string().max(256), z.number(), z.boolean()]);
const literals = z.array(literal).min(1).max(1000);
/** Fields by the names that captures and accounts have for them. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'location.country': 'country',
  'location.region': 'region',
  'account.industry': 'firmographics.industry',
  'account.employees': 'firmographics.employees',
  industry: 'firmographics.industry',
  employees: 'firmographics.employees',
};
/** One operator, or `gte` and `lt` together. */
export const predicate = z.strictObject({
  field: z
    .string()
    .min(1)
    .max(64)
    .transform((name) => (Object.hasOwn(OTHER_NAMES, name) ? (OTHER_NAMES[name] as string) : name)),
  equals: literal.optional(),
  in: literals.optional(),
  notIn: literals.optional(),
  gte: z.number().optional(),
  lt: z.number().optional(),
  /** Text that contains this text, upper and lower case alike. */
  contains: z.string().min(1).max(256).optional(),
  missing: z.literal(true).optional(),
});
export type Predicate = z.infer<typeof predicate>;

export const fitRule = z.strictObject({
  id: code,
  label: z.string().max(256).optional(),
  /** All must hold. */
  when: z.array(predicate).min(1).max(50),
  points,
});
export const behaviourRule = z.strictObject({
  id: code,
  label: z.string().max(256).optional(),
  on: z.string().min(1).max(64),
  where: z.array(predicate).max(50).default([]),
  points,
  /** Most points this rule may bring at any time, after decay; of a penalty: the most it may take. */
  cap: points.positive().optional(),
  /** null: never decays. */
  halfLifeDays: days.nullable(),
});
export type BehaviourRule = z.infer<typeof behaviourRule>;

const range = z.strictObject({ min: points, max: points });
export const GRADES = ['A', 'B', 'C', 'D', 'U'] as const;
export type Grade = (typeof GRADES)[number];
export const BANDS = ['cold', 'warm', 'hot'] as const;
export type Band = (typeof BANDS)[number];
const minGrade = z.enum(['A', 'B', 'C', 'D']);

export const scoringModelDocument = z.strictObject({
  schema: z.literal('lead-scoring/1').default('lead-scoring/1'),
  /** Name and version come from the stream and its event; where the document repeats them it is for its reader. */
  id: id.optional(),
  version: version.optional(),
  name: z.string().min(1).max(256),
  fit: z.array(fitRule).max(500).default([]),
  behaviour: z.array(behaviourRule).max(500).default([]),
  penalty: z.array(behaviourRule).max(500).default([]),
  /** What the sum of the fit rules is clamped to. */
  fitRange: range.optional(),
  engagementRange: range.optional(),
  /** Least fit points of the grades; below C is D, and U when neither role nor company data is known. */
  grades: z.strictObject({ A: points, B: points, C: points, D: points.optional() }),
  /** Least total points of the bands; below `warm` is cold. */
  bands: z.strictObject({ cold: points.optional(), warm: points, hot: points }),
  thresholds: z.strictObject({
    mql: z.strictObject({ minTotal: points, minGrade: minGrade.optional(), minFit: points.optional() }),
    pql: z
      .strictObject({
        /** All must hold: so many of a behaviour, of the last `withinDays` days (null: ever). */
        requires: z
          .array(
            z.strictObject({
              on: z.string().min(1).max(64),
              atLeast: z.int().min(1).max(100_000).default(1),
              withinDays: days.nullable().default(null),
            }),
          )
          .min(1)
          .max(20)
          .default([
            { on: 'trial_started', atLeast: 1, withinDays: null },
            { on: 'product_action', atLeast: 3, withinDays: 14 },
          ]),
        minTotal: points.optional(),
        minGrade: minGrade.optional(),
      })
      .optional(),
    autoSql: z
      .strictObject({
        enabled: z.boolean(),
        minTotal: points,
        minGrade: minGrade.optional(),
        /** Only with a demo, price or contact request that is still fresh by the pipeline. */
        requiresActiveRequest: z.boolean().default(false),
      })
      .optional(),
  }),
  /** `reset_engagement`: points for behaviour start anew when sales returns the lead; penalties stay. */
  onRecycled: z.enum(['keep', 'reset_engagement']).default('keep'),
});
export type ScoringModelDocument = z.output<typeof scoringModelDocument>;

// Stored events drop unknown fields of the document itself: an older reader survives a later one (spec §4.6).
const occurred = z.object({ occurredAt: ts });
export const scoringEventSchemas = {
  ScoringModelDrafted: occurred.extend({ ...scoringModelDocument.shape, version }),
  ScoringModelValidated: occurred.extend({
    version: version.optional(),
    whatIfId: id,
    summary: z.record(z.string(), z.unknown()).optional(),
  }),
  ScoringModelApproved: occurred.extend({ version, party: z.enum(['marketing', 'sales']), by: id }),
  ScoringModelActivated: occurred.extend({ version, effectiveFrom: ts, rescoreExisting: z.boolean().default(false) }),
  /** Without a version: whatever was in force then. A version that was yet to come never does. */
  ScoringModelRetired: occurred.extend({ version: version.optional() }),
} as const;
export type ScoringEventType = keyof typeof scoringEventSchemas;
export type ScoringEventData<T extends ScoringEventType> = z.output<(typeof scoringEventSchemas)[T]>;
export type ScoringEvent = {
  [T in ScoringEventType]: { readonly type: T; readonly data: ScoringEventData<T> };
}[ScoringEventType];
export const isScoringEventType = (type: string): type is ScoringEventType => Object.hasOwn(scoringEventSchemas, type);

/**
 * A document as somebody sent it → a model that can be compiled, defaults filled in.
 * @throws ScoringError MODEL_INVALID: a wrong shape, no rule, a rule id twice, an unknown field, kind or value, an operator that
 *   does not fit the field's type, negative points that decay, thresholds in no order; PROTECTED_ATTRIBUTE: a rule reads age or gender
 */
export function checkScoringModel(document: unknown): ScoringModelDocument {
  const parsed = scoringModelDocument.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue!.path.map(String);
    const field = issue!.code === 'unrecognized_keys' ? [...path, issue.keys[0]!] : path;
    throw invalid(issue!.code === 'unrecognized_keys' ? 'unknown field' : issue!.message, field.join('.'));
  }
  const model = parsed.data;
  checkRules(model);
  checkOrder(model);
  return model;
}

const invalid = (detail: string, field: string): ScoringError => new ScoringError('MODEL_INVALID', detail, field);

function checkRules(model: ScoringModelDocument): void {
  const { behaviour, fit, penalty, thresholds } = model;
  if (fit.length + behaviour.length + penalty.length === 0) throw invalid('a model needs at least one rule', 'fit');
  const ids = new Set<string>();
  for (const part of ['fit', 'behaviour', 'penalty'] as const) {
    for (const [n, rule] of model[part].entries()) {
      if (ids.has(rule.id)) throw invalid(`rule id ${rule.id} is given twice`, `${part}.${n}.id`);
      ids.add(rule.id);
    }
  }
  for (const [n, { when }] of fit.entries()) checkPredicates(when, FIT_FIELDS, `fit.${n}.when`);
  for (const part of ['behaviour', 'penalty'] as const) {
    for (const [n, rule] of model[part].entries()) checkBehaviourRule(rule, part, `${part}.${n}`);
  }
  for (const [n, { on }] of (thresholds.pql?.requires ?? []).entries())
    checkKind(on, `thresholds.pql.requires.${n}.on`);
}

function checkBehaviourRule(rule: BehaviourRule, part: 'behaviour' | 'penalty', at: string): void {
  checkKind(rule.on, `${at}.on`);
  checkPredicates(rule.where, BEHAVIOUR_FIELDS, `${at}.where`);
  if (rule.points < 0 && rule.halfLifeDays !== null)
    throw invalid('negative points never decay: a total rises only at an event', `${at}.halfLifeDays`);
  if (part === 'behaviour' && rule.points <= 0)
    throw invalid('a behaviour brings points; what takes them is a penalty', `${at}.points`);
  if (part === 'penalty' && rule.points >= 0) throw invalid('a penalty has negative points', `${at}.points`);
}

function checkKind(kind: string, at: string): void {
  if (!(SCORED_KINDS as readonly string[]).includes(kind))
    throw invalid(`${kind} is no behaviour; there are ${SCORED_KINDS.join(', ')}`, at);
}

function checkPredicates(
  predicates: readonly Predicate[],
  fields: Readonly<Record<string, Field>>,
  path: string,
): void {
  for (const [n, { field: name, ...operators }] of predicates.entries()) {
    const at = `${path}.${n}`;
    if (isProtected(name))
      throw new ScoringError('PROTECTED_ATTRIBUTE', `${name} may be stored but never scored`, `${at}.field`);
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined)
      throw invalid(`${name} is no field to read here; there are ${Object.keys(fields).join(', ')}`, `${at}.field`);
    checkOperators(operators, field, at);
  }
}

function checkOperators(operators: Omit<Predicate, 'field'>, field: Field, at: string): void {
  const given = Object.keys(operators).filter((name) => operators[name as keyof typeof operators] !== undefined);
  const isRange = given.length > 0 && given.every((name) => name === 'gte' || name === 'lt');
  if (given.length !== 1 && !isRange) throw invalid('exactly one operator, or gte and lt', at);
  if (isRange && field.type !== 'number') throw invalid('only a number is compared by gte and lt', at);
  if (operators.gte !== undefined && operators.lt !== undefined && operators.gte >= operators.lt)
    throw invalid('gte must lie below lt', at);
  if (operators.contains !== undefined && field.type !== 'text') throw invalid('only a text contains', at);
  const asked = [
    ...(operators.equals === undefined ? [] : [operators.equals]),
    ...(operators.in ?? []),
    ...(operators.notIn ?? []),
  ];
  const type = field.type === 'text' ? 'string' : field.type === 'flag' ? 'boolean' : 'number';
  for (const value of asked) {
    if (typeof value !== type) throw invalid(`${String(value)} is no ${field.type}`, at);
    if (field.values !== undefined && !field.values.includes(String(value)))
      throw invalid(`${String(value)} is none of ${field.values.join(', ')}`, at);
  }
}

function checkOrder({ bands, engagementRange, fitRange, grades }: ScoringModelDocument): void {
  const { A, B, C, D = -Infinity } = grades;
  if (!(A > B && B > C && C > D)) throw invalid('A must ask more than B, B more than C, and C more than D', 'grades');
  const { cold = -Infinity, hot, warm } = bands;
  if (!(hot > warm && warm > cold)) throw invalid('hot must ask more than warm, and warm more than cold', 'bands');
  for (const [name, given] of Object.entries({ fitRange, engagementRange })) {
    if (given !== undefined && given.min >= given.max) throw invalid('min must lie below max', name);
  }
}
