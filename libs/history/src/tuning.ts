import { compileModel, type CompiledModel, truthTable } from '#libs/scoring/src/compile.js';
import type { ScoredKind } from '#libs/scoring/src/facts.js';
import { checkScoringModel, type ScoringModelDocument } from '#libs/scoring/src/model.js';
import { fitLogistic, logLossOf, type LogisticFit, type SparseRows } from './logistic-regression.js';
import { type ProfileColumns, STEP, STEP_MASK, type ScoringHistory } from './scoring-history.js';
import { featureRows, featuresOf, LEAST_LEADS, type Snapshot, type TuningFeature } from './tuning-features.js';

/** Leads with a known label: 1 reached it, 0 did not. */
export interface LabelledLeads {
  readonly leads: Uint32Array;
  readonly labels: Uint8Array;
}

export interface TuningOptions {
  readonly name: string;
  /** Half-lives to choose from, days. */
  readonly halfLivesDays: readonly number[];
  /** null: chosen as the half-life is. */
  readonly l2: number | null;
  /** Fields and kinds of behaviour that must not be scored. */
  readonly excluded: ReadonlySet<string>;
  /** Share of the leads that the model is to flag, of those it is fitted on; null: what gives the best F1. */
  readonly flaggedShare: number | null;
  /** Highest total of each of the leads under a model, milli-points, as a replay has it; null: nothing to read. */
  readonly highestTotals: (model: CompiledModel, leads: Uint32Array) => Float64Array;
  /** Between 0 and 1; throws to stop. */
  readonly progress?: (share: number) => void;
}

export interface TuningFit {
  readonly document: ScoringModelDocument;
  readonly halfLifeDays: number;
  readonly l2: number;
  /** Standard errors that a weight had to lie from 0 to stay in. */
  readonly toldApart: number;
  /** By half-life: mean log loss on the latest fifth of the leads, which this fit did not see. */
  readonly halfLives: readonly { readonly halfLifeDays: number; readonly logLoss: number }[];
  /** So many leads of the training window, evenly from all when there are more. */
  readonly fittedOn: number;
  readonly iterations: number;
  readonly converged: boolean;
  /** What was looked at and left out: it tells nothing, or less than half a point. */
  readonly dropped: readonly string[];
}

/** Too little to learn from. */
export class TuningError extends Error {
  readonly code = 'TOO_FEW_EXAMPLES';
  constructor(detail: string) {
    super(detail);
    this.name = 'TuningError';
  }
}

/** Fewer positives or negatives say nothing about twenty or more rules. */
export const LEAST_EXAMPLES = 30;
/** These speak against a lead or say nothing, whatever they came along with. */
const AGAINST: readonly ScoredKind[] = ['unsubscribe', 'complaint', 'bounce'];
/** Points of the strongest rule. */
const STRONGEST = 40;
const VALIDATION_SHARE = 0.2;
/** More leads than these say nothing new about a hundred numbers. */
const MOST_TO_CHOOSE_BY = 10_000;
const MOST_TO_FIT = 200_000;
const ROUNDS = 4;
/** Bars, in standard errors, below which a weight is left out; strengths of the penalty. Chosen by the latest fifth. */
const TOLD_APART = [3, 2, 1];
const STRENGTHS = [1, 30];
/** Points that a behaviour may bring at most, in units of its own points: the fifth page view of a day says little. */
const CAP_COUNT = 5;

/**
 * Fits a scoring model to what became of leads: logistic regression on the sums that the scoring kernel itself makes of every rule, at
 * each lead's cut. Weights become rounded points, so that people can read, edit and approve them.
 * The same history and options give the same document.
 * @throws TuningError when there are too few leads of either outcome, or no feature that enough of them have
 */
export function fitScoringModel(
  history: ScoringHistory,
  { labels, leads }: LabelledLeads,
  lastStep: Snapshot,
  options: TuningOptions,
): TuningFit {
  const { excluded, halfLivesDays, l2, progress = () => undefined } = options;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (positives < LEAST_EXAMPLES || labels.length - positives < LEAST_EXAMPLES)
    throw new TuningError(
      `${positives} leads of the training window reached the label and ${labels.length - positives} did not; at least ${LEAST_EXAMPLES} of each are needed`,
    );
  const features = featuresOf(history, leads, lastStep, excluded);
  if (features.length === 0)
    throw new TuningError(`nothing is known of at least ${LEAST_LEADS} leads of the training window`);

  const few = sampled({ labels, leads }, MOST_TO_CHOOSE_BY);
  const early = earlier(history, few.leads, 1 - VALIDATION_SHARE);
  const tried = halfLivesDays.map((halfLifeDays, n) => {
    const rows = featureRows(history, few.leads, lastStep, features, () => halfLifeDays);
    const parts = partsOf(rows, few.labels, early);
    const choice = STRENGTHS.map((strength) => judgedOn(parts, l2 ?? strength, 0)).reduce(better);
    progress((0.4 * (n + 1)) / halfLivesDays.length);
    return { halfLifeDays, parts, choice, logLoss: choice.logLoss };
  });
  const { choice: loose, halfLifeDays, parts } = tried.reduce(better);
  // Of equals the shortest model: fewer rules are easier to read, and to argue with.
  const choice = [...TOLD_APART.map((toldApart) => judgedOn(parts, loose.l2, toldApart)), loose].reduce(better);
  progress(0.5);

  const examples = sampled({ labels, leads }, MOST_TO_FIT);
  const penalties = new Set<ScoredKind>(AGAINST);
  let fitted: Fitted = refit(features);
  for (let round = 1; round <= ROUNDS; round++) {
    const before = penalties.size + fitted.features.length;
    // Negative points never decay (spec §5.1): what speaks against a lead is fitted again as something that stays.
    fitted.features.forEach((one, n) => {
      if (one.part === 'behaviour' && fitted.fit.weights[n]! < 0) penalties.add(one.on);
    });
    const stays = toldApartFrom0(fitted.fit, choice.toldApart);
    if (penalties.size + stays.filter(Boolean).length === before) break;
    fitted = refit(fitted.features.filter((_, n) => stays[n]));
    progress(0.5 + (0.4 * round) / ROUNDS);
  }

  const document = documentOf(fitted, penalties, halfLifeDays, options.name);
  const ruleIds = new Set([...document.fit, ...document.behaviour, ...document.penalty].map(({ id }) => id));
  return {
    document: withThresholds(document, examples, options, history, lastStep),
    halfLifeDays,
    l2: choice.l2,
    toldApart: choice.toldApart,
    halfLives: tried.map((one) => ({ halfLifeDays: one.halfLifeDays, logLoss: one.logLoss })),
    fittedOn: examples.leads.length,
    iterations: fitted.fit.iterations,
    converged: fitted.fit.converged,
    dropped: features.flatMap(({ ruleId }) => (ruleIds.has(ruleId) ? [] : [ruleId])),
  };

  function refit(some: readonly TuningFeature[]): Fitted {
    if (some.length === 0) throw new TuningError('nothing that is known tells the leads apart');
    const halfLives = (kind: ScoredKind) => (penalties.has(kind) ? null : halfLifeDays);
    const rows = featureRows(history, examples.leads, lastStep, some, halfLives);
    return { features: some, fit: fitLogistic(rows, examples.labels, { l2: choice.l2 }) };
  }
}

interface Fitted {
  readonly features: readonly TuningFeature[];
  readonly fit: LogisticFit;
}

/** The earlier leads, which a fit is made of, and the later ones, which it is judged on. */
interface Parts {
  readonly early: { readonly rows: SparseRows; readonly labels: Uint8Array };
  readonly late: { readonly rows: SparseRows; readonly labels: Uint8Array };
}

const partsOf = (rows: SparseRows, labels: Uint8Array, early: Uint8Array): Parts => ({
  early: { rows: rowsWhere(rows, early, true), labels: labelsWhere(labels, early, true) },
  late: { rows: rowsWhere(rows, early, false), labels: labelsWhere(labels, early, false) },
});

interface Choice {
  readonly l2: number;
  readonly toldApart: number;
  readonly logLoss: number;
}

const better = <T extends { readonly logLoss: number }>(one: T, other: T): T =>
  other.logLoss < one.logLoss ? other : one;

/** How a penalty and a bar for what stays in do on leads that the fit did not see. */
function judgedOn({ early, late }: Parts, l2: number, toldApart: number): Choice {
  let fit = fitLogistic(early.rows, early.labels, { l2 });
  let stays = toldApartFrom0(fit, toldApart);
  if (toldApart > 0) {
    fit = fitLogistic(withFeatures(early.rows, stays), early.labels, { l2 });
  } else stays = stays.map(() => true);
  return { l2, toldApart, logLoss: logLossOf(withFeatures(late.rows, stays), late.labels, fit) };
}

const toldApartFrom0 = ({ standardErrors, weights }: LogisticFit, errors: number): boolean[] =>
  Array.from(weights, (weight, n) => weight !== 0 && Math.abs(weight) >= errors * standardErrors[n]!);

/** The same rows without the features that do not stay; the numbers of the others stay what they are. */
function withFeatures(rows: SparseRows, stays: readonly boolean[]): SparseRows {
  return { ...rows, value: rows.value.map((value, entry) => (stays[rows.feature[entry]!] === true ? value : 0)) };
}

/** At most so many, evenly from all. */
function sampled({ labels, leads }: LabelledLeads, most: number): LabelledLeads {
  if (leads.length <= most) return { labels, leads };
  const every = leads.length / most;
  const rows = Array.from({ length: most }, (_, n) => Math.floor(n * every));
  return { labels: Uint8Array.from(rows, (row) => labels[row]!), leads: Uint32Array.from(rows, (row) => leads[row]!) };
}

/** By row: whether the lead is among the share that was captured first. */
function earlier({ leads: { capturedAtS } }: ScoringHistory, leads: Uint32Array, share: number): Uint8Array {
  const captured = Array.from(leads, (lead) => capturedAtS[lead]!).toSorted((a, b) => a - b);
  const edge = captured[Math.floor(share * captured.length)] ?? Infinity;
  return Uint8Array.from(leads, (lead) => (capturedAtS[lead]! < edge ? 1 : 0));
}

function rowsWhere(rows: SparseRows, chosen: Uint8Array, is: boolean): SparseRows {
  const kept = Array.from(chosen.keys()).filter((row) => (chosen[row] === 1) === is);
  const firstEntry = new Uint32Array(kept.length + 1);
  kept.forEach((row, n) => {
    firstEntry[n + 1] = firstEntry[n]! + rows.firstEntry[row + 1]! - rows.firstEntry[row]!;
  });
  const feature = new Uint16Array(firstEntry[kept.length]!);
  const value = new Float64Array(firstEntry[kept.length]!);
  kept.forEach((row, n) => {
    const [from, to] = [rows.firstEntry[row]!, rows.firstEntry[row + 1]!];
    feature.set(rows.feature.subarray(from, to), firstEntry[n]);
    value.set(rows.value.subarray(from, to), firstEntry[n]);
  });
  return { features: rows.features, firstEntry, feature, value };
}

const labelsWhere = (labels: Uint8Array, chosen: Uint8Array, is: boolean): Uint8Array =>
  labels.filter((_, row) => (chosen[row] === 1) === is);

/** Whole points, and tenths where a whole point would be far off. */
const rounded = (points: number): number => (Math.abs(points) >= 3 ? Math.round(points) : Math.round(points * 2) / 2);

function documentOf(
  { features, fit: { weights } }: Fitted,
  penalties: ReadonlySet<ScoredKind>,
  halfLifeDays: number,
  name: string,
): ScoringModelDocument {
  const strongest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
  const rules = features.flatMap((feature, n) => {
    const points = rounded((weights[n]! / strongest) * STRONGEST);
    // What was fitted as a penalty and turned out to be none says too little to be a rule.
    const fits = feature.part === 'fit' || (penalties.has(feature.on) ? points < 0 : points > 0);
    return points === 0 || !fits ? [] : [{ feature, points }];
  });
  if (rules.length === 0) throw new TuningError('nothing that is known tells the leads apart');
  return {
    schema: 'lead-scoring/1',
    name,
    fit: rules.flatMap(({ feature, points }) =>
      feature.part === 'fit'
        ? [{ id: feature.ruleId, label: feature.label, when: [...feature.when], points }]
        : [],
    ),
    behaviour: rules.flatMap(({ feature, points }) =>
      feature.part === 'behaviour' && points > 0
        ? [{ id: feature.ruleId, label: feature.label, on: feature.on, where: [], points, cap: points * CAP_COUNT, halfLifeDays }]
        : [],
    ),
    penalty: rules.flatMap(({ feature, points }) =>
      feature.part === 'behaviour' && points < 0
        ? [{ id: feature.ruleId, label: feature.label, on: feature.on, where: [], points, halfLifeDays: null }]
        : [],
    ),
    grades: { A: 30, B: 20, C: 10 },
    bands: { warm: 30, hot: 60 },
    thresholds: { mql: { minTotal: 60 } },
    onRecycled: 'keep',
  }; // prettier-ignore
}

/** Threshold, bands and grades where the leads of the training window put them. */
function withThresholds(
  document: ScoringModelDocument,
  { labels, leads }: LabelledLeads,
  { flaggedShare, highestTotals }: TuningOptions,
  history: ScoringHistory,
  lastStep: Snapshot,
): ScoringModelDocument {
  const model = compiled(document);
  const totals = highestTotals(model, leads);
  const minTotal = flaggedShare === null ? bestF1(totals, labels) : atShare(totals, flaggedShare);
  return checkScoringModel({
    ...document,
    thresholds: { mql: { minTotal } },
    bands: { warm: Math.floor((minTotal - 1) / 2), hot: minTotal },
    grades: gradesOf(model, history, leads, lastStep),
  });
}

export const compiled = (document: ScoringModelDocument): CompiledModel =>
  compileModel(document, { modelId: 'candidate', version: 1 });

/** Totals are milli-points; a threshold is a whole number of points. */
function atShare(totals: Float64Array, share: number): number {
  const ordered = totals.toSorted().toReversed();
  const last = ordered[Math.min(ordered.length - 1, Math.max(0, Math.round(share * ordered.length) - 1))]!;
  return Number.isFinite(last) ? Math.ceil(last / 1000) : 0;
}

function bestF1(totals: Float64Array, labels: Uint8Array): number {
  const order = Array.from(totals.keys()).toSorted((a, b) => totals[b]! - totals[a]!);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  let [best, bestAt, found] = [-1, 0, 0];
  order.forEach((row, n) => {
    found += labels[row]!;
    const next = order[n + 1];
    const total = totals[row]!;
    if (!Number.isFinite(total) || (next !== undefined && Math.ceil(totals[next]! / 1000) === Math.ceil(total / 1000)))
      return;
    const f1 = (2 * found) / (n + 1 + positives);
    if (f1 > best) [best, bestAt] = [f1, Math.ceil(total / 1000)];
  });
  return bestAt;
}

/** Least fit points of the best fifth, half and four fifths of the leads. */
function gradesOf(
  model: CompiledModel,
  history: ScoringHistory,
  leads: Uint32Array,
  lastStep: Snapshot,
): ScoringModelDocument['grades'] {
  const points = fitPointsByProfile(model, history.profiles);
  const { firstStep } = history.leads;
  const { kind, value } = history.steps;
  const ordered = Array.from(leads, (lead) => {
    for (let step = lastStep(lead) ?? -1; step >= firstStep[lead]!; step--)
      if ((kind[step]! & STEP_MASK) === STEP.facts) return points[value[step]!]!;
    return 0;
  }).toSorted((a, b) => b - a);
  const atLeast = (share: number) => Math.round(ordered[Math.floor(share * (ordered.length - 1))] ?? 0);
  const C = atLeast(0.8);
  const B = Math.max(C + 1, atLeast(0.5));
  return { A: Math.max(B + 1, atLeast(0.2)), B, C };
}

function fitPointsByProfile({ fit }: CompiledModel, { count, fields, values }: ProfileColumns): Float64Array {
  const rules = fit.map(({ points, when }) => ({
    points,
    tests: when.map((predicate) => ({
      codes: fields[predicate.field],
      truth: truthTable(predicate, values[predicate.field]),
    })),
  }));
  return Float64Array.from({ length: count }, (_, profile) =>
    rules.reduce(
      (sum, { points, tests }) =>
        tests.every(({ codes, truth }) => truth[codes[profile]!] === 1) ? sum + points : sum,
      0,
    ),
  );
}
