import { compileModel, type CompiledModel, truthTable } from '#libs/scoring/src/compile.js';
import { FIT_FIELDS, SCORED_KINDS, type Field, type FitField, type ScoredKind } from '#libs/scoring/src/facts.js';
import { count, noSums, rawAt, resetEngagement } from '#libs/scoring/src/kernel.js';
import type { Predicate, ScoringModelDocument } from '#libs/scoring/src/model.js';
import type { SparseRows } from './logistic-regression.js';
import { STEP, STEP_MASK, type ScoringHistory } from './scoring-history.js';

/** Something a rule of a scoring model can say: what is fitted is a number of points for it. */
export type TuningFeature =
  | { readonly part: 'behaviour'; readonly ruleId: string; readonly label: string; readonly on: ScoredKind }
  | { readonly part: 'fit'; readonly ruleId: string; readonly label: string; readonly when: readonly Predicate[] };

/** A feature speaks for at least so many of the leads it is fitted on: fewer say little, and a rule for a handful is a rule about people. */
export const LEAST_LEADS = 30;
const MOST_VALUES = 12;
const BINS = 4;

/** Names of one thing each: a rule about one of them would learn its leads by heart. */
const NAMES_OF_ONE: ReadonlySet<FitField> = new Set<FitField>([
  'accountId',
  'personaId',
  'source.campaignId',
  'firmographics.annualRevenueCurrency',
  'firmographics.annualRevenueMinor',
]);

/** The steps that a model could know of each lead before its cut; null where there is none. Index of the last step. */
export type Snapshot = (lead: number) => number | null;

/** What can be told of the leads: kinds of behaviour and values of fields that enough of them have. None is a protected attribute. */
export function featuresOf(
  history: ScoringHistory,
  leads: Uint32Array,
  lastStep: Snapshot,
  excluded: ReadonlySet<string>,
): TuningFeature[] {
  const kinds = new Map<ScoredKind, number>();
  const profiles = new Map<number, number>();
  for (const lead of leads) {
    const last = lastStep(lead);
    if (last === null) continue;
    const seen = new Set<ScoredKind>();
    let profile: number | null = null;
    for (let step = history.leads.firstStep[lead]!; step <= last; step++) {
      const what = history.steps.kind[step]! & STEP_MASK;
      if (what === STEP.behaviour) seen.add(history.variants[history.steps.value[step]!]!.kind);
      else if (what === STEP.facts) profile = history.steps.value[step]!;
      else if (what === STEP.restated) seen.clear();
    }
    for (const kind of seen) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (profile !== null) profiles.set(profile, (profiles.get(profile) ?? 0) + 1);
  }
  const behaviours = SCORED_KINDS.filter((kind) => !excluded.has(kind) && (kinds.get(kind) ?? 0) >= LEAST_LEADS).map(
    (kind): TuningFeature => ({ part: 'behaviour', ruleId: kind, label: words(kind), on: kind }),
  );
  const fields = (Object.keys(FIT_FIELDS) as FitField[]).filter(
    (field) => !NAMES_OF_ONE.has(field) && !excluded.has(field),
  );
  return [...behaviours, ...fields.flatMap((field) => fieldFeatures(history, field, profiles))];
}

function fieldFeatures(
  { profiles: { fields, values } }: ScoringHistory,
  field: FitField,
  leadsOfProfile: ReadonlyMap<number, number>,
): TuningFeature[] {
  const leads = new Map<number, number>();
  for (const [profile, count] of leadsOfProfile) {
    const code = fields[field][profile]!;
    leads.set(code, (leads.get(code) ?? 0) + count);
  }
  // What most leads have is what the others are compared with: a rule for every value would say the same thing twice.
  const usual = [...leads].reduce((most, one) => (one[1] > most[1] ? one : most), [0, 0]);
  const known = [...leads].filter(([code]) => values[field][code] !== undefined);
  if ((FIT_FIELDS[field] as Field).type === 'number') {
    return ranges(
      field,
      known.map(([code, count]) => [Number(values[field][code]), count]),
    );
  }
  return known
    .filter(([code, count]) => code !== usual[0] && count >= LEAST_LEADS)
    .toSorted(([a, countA], [b, countB]) => countB - countA || a - b)
    .slice(0, MOST_VALUES)
    .map(([code], n): TuningFeature => {
      const value = values[field][code]!;
      return {
        part: 'fit',
        ruleId: ruleIdOf(field, String(value), n),
        label: value === true ? words(field) : `${words(field)}: ${String(value)}`,
        when: [{ field, equals: value }],
      };
    });
}

/** Quarters of the leads, by value. */
function ranges(field: FitField, counted: [value: number, leads: number][]): TuningFeature[] {
  const total = counted.reduce((sum, [, leads]) => sum + leads, 0);
  if (total < LEAST_LEADS * BINS) return [];
  const ordered = counted.toSorted(([a], [b]) => a - b);
  const edges: number[] = [];
  let below = 0;
  for (const [value, leads] of ordered) {
    if (below >= (total * (edges.length + 1)) / BINS && edges.length < BINS - 1) edges.push(value);
    below += leads;
  }
  return edges.map((gte, n) => {
    const lt = edges[n + 1];
    return {
      part: 'fit',
      ruleId: ruleIdOf(field, `from_${gte}`, n),
      label: `${words(field)}: ${lt === undefined ? `${gte} and more` : `${gte} to below ${lt}`}`,
      when: [{ field, gte, ...(lt === undefined ? {} : { lt }) }],
    };
  });
}

const words = (name: string): string => name.replaceAll(/[._]/g, ' ');

function ruleIdOf(field: string, value: string, n: number): string {
  const id = `${field}_${value}`.replaceAll(/[^A-Za-z0-9_.-]+/g, '_');
  return id.length <= 60 ? id : `${id.slice(0, 56)}_${n}`;
}

/** How a behaviour's points fade in what is being fitted; by kind, days; null: they stay. */
export type HalfLives = (kind: ScoredKind) => number | null;

/**
 * The features of each lead as its last step leaves them, summed by the scoring kernel itself: what is fitted is what will score.
 */
export function featureRows(
  history: ScoringHistory,
  leads: Uint32Array,
  lastStep: Snapshot,
  features: readonly TuningFeature[],
  halfLives: HalfLives,
): SparseRows {
  const behaviours = features.flatMap((feature, n) => (feature.part === 'behaviour' ? [{ feature, n }] : []));
  const model = featureModel(features, halfLives);
  const ruleOfVariant = history.variants.map(({ kind }) => behaviours.findIndex(({ feature }) => feature.on === kind));
  const profileFeatures = featuresByProfile(history, features, model);
  const { firstStep } = history.leads;
  const { atS, kind, occurredAtS, value: values } = history.steps;

  const firstEntry = new Uint32Array(leads.length + 1);
  const feature = new GrowingArray(Uint16Array);
  const value = new GrowingArray(Float64Array);
  leads.forEach((lead, row) => {
    const last = lastStep(lead) ?? -1;
    let sums = noSums(model);
    let profile: number | null = null;
    for (let step = firstStep[lead]!; step <= last; step++) {
      switch (kind[step]! & STEP_MASK) {
        case STEP.behaviour: {
          const variant = values[step]!;
          const rule = ruleOfVariant[variant]!;
          if (rule < 0) break;
          const times = history.variants[variant]!.count;
          count(model, sums, rule, { atS: atS[step]!, occurredAtS: occurredAtS[step]!, count: times });
          break;
        }
        case STEP.facts:
          profile = values[step]!;
          break;
        case STEP.restated:
          sums = noSums(model);
          break;
        case STEP.returned:
          resetEngagement(model, sums);
          break;
        default:
      }
    }
    behaviours.forEach(({ n }, rule) => {
      const sum = rawAt(model, sums, rule, atS[last]!);
      if (sum === 0) return;
      feature.push(n);
      value.push(sum);
    });
    for (const n of profile === null ? [] : profileFeatures[profile]!) {
      feature.push(n);
      value.push(1);
    }
    firstEntry[row + 1] = feature.length;
  });
  const [names, sums] = [feature.taken() as Uint16Array, value.taken() as Float64Array];
  return { features: features.length, firstEntry, feature: names, value: sums };
}

/** Every feature as a rule that brings one point. */
function featureModel(features: readonly TuningFeature[], halfLives: HalfLives): CompiledModel {
  const document: ScoringModelDocument = {
    schema: 'lead-scoring/1',
    name: 'features',
    fit: features.flatMap((one) => (one.part === 'fit' ? [{ id: one.ruleId, points: 1, when: [...one.when] }] : [])),
    behaviour: features.flatMap((one) =>
      one.part === 'behaviour'
        ? [{ id: one.ruleId, on: one.on, where: [], points: 1, halfLifeDays: halfLives(one.on) }]
        : [],
    ),
    penalty: [],
    grades: { A: 3, B: 2, C: 1 },
    bands: { warm: 1, hot: 2 },
    thresholds: { mql: { minTotal: 0 } },
    onRecycled: 'keep',
  };
  return compileModel(document, { modelId: 'features', version: 1 });
}

/** Which fit features hold on each profile, ascending. */
function featuresByProfile({ profiles }: ScoringHistory, features: readonly TuningFeature[], model: CompiledModel) {
  const numbers = features.flatMap(({ part }, n) => (part === 'fit' ? [n] : []));
  const tables = model.fit.map(({ when }, rule) => {
    const [predicate] = when;
    const { field } = predicate!;
    return { n: numbers[rule]!, codes: profiles.fields[field], truth: truthTable(predicate!, profiles.values[field]) };
  });
  return Array.from({ length: profiles.count }, (_, profile) =>
    Uint16Array.from(tables.filter(({ codes, truth }) => truth[codes[profile]!] === 1).map(({ n }) => n)),
  );
}

/** A typed array that grows. */
class GrowingArray {
  #array: Uint16Array | Float64Array;
  length = 0;
  constructor(private readonly type: Uint16ArrayConstructor | Float64ArrayConstructor) {
    this.#array = new type(1024);
  }
  push(value: number): void {
    if (this.length === this.#array.length) {
      const larger = new this.type(this.length * 2);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.length++] = value;
  }
  taken(): Uint16Array | Float64Array {
    return this.#array.slice(0, this.length);
  }
}
