import { type CompiledModel, DAY_S } from '#libs/scoring/src/compile.js';
import type { ScoringModelDocument } from '#libs/scoring/src/model.js';
import { fastKernel, replayOutput } from './replay-kernel.js';
import {
  confusionOf,
  OUTCOME,
  outcomesOf,
  type Outcomes,
  type Label,
  qualityOf,
  type Quality,
  share,
  type Share,
} from './replay-metrics.js';
import { replayModel, type ReplayOutput, type ReplayScope } from './replay-model.js';
import { type AucDifference, compareAuc, aucOfScores } from './auc.js';
import type { ScoringHistory } from './scoring-history.js';
import { compiled, fitScoringModel, type LabelledLeads, type TuningFit, TuningError } from './tuning.js';

/** Instants in whole seconds. */
export interface TuningRequest {
  readonly name: string;
  readonly label: Label;
  readonly horizonDays: number;
  /** Leads captured in [fromS, toS) are looked at. */
  readonly fromS: number;
  readonly toS: number;
  /** Nothing that was known later is read. */
  readonly asOfS: number;
  /** Share of the leads, the latest, that the model is tested on and never fitted to. */
  readonly testShare: number;
  /** The leads captured so many days before the test begins are in neither part. */
  readonly embargoDays: number;
  readonly halfLivesDays: readonly number[];
  /** null: chosen by the latest fifth of the training leads. */
  readonly l2: number | null;
  readonly excluded: readonly string[];
  /** Of the leads it is fitted to, this share is to be flagged; null: as many as the active model flags, else what gives the best F1. */
  readonly flaggedShare: number | null;
}

export interface NamedModel {
  readonly name: string;
  readonly model: CompiledModel;
}

/** One part of the split. */
export interface TuningPart {
  readonly fromS: number;
  readonly toS: number;
  readonly leads: number;
  readonly positives: number;
  /** Left out: the horizon is not over and the label not reached; sales has not decided (label `accepted`). */
  readonly immature: number;
  readonly undecided: number;
}

export interface TestedModel {
  readonly name: string;
  /** Whether a positive had the higher score than a negative when it was handed over, or last known. */
  readonly auc: number | null;
  /** The same by the greatest total at which the lead could have been marked: what the threshold looks at. */
  readonly aucOfHighest: number | null;
  readonly minTotal: number;
  /** Of what the model flags in the test. */
  readonly quality: Quality;
}

export interface TuningComparison extends AucDifference {
  readonly against: string;
  readonly verdict: 'better' | 'no_difference_shown' | 'worse';
  readonly says: string;
}

export interface TuningResult {
  readonly document: ScoringModelDocument;
  readonly fit: Omit<TuningFit, 'document'>;
  readonly train: TuningPart;
  readonly test: TuningPart;
  /** The tuned model first. */
  readonly models: readonly TestedModel[];
  readonly comparisons: readonly TuningComparison[];
  /** Of the leads that the tuned model flags in the test, those about which sales never decided. */
  readonly neverDecided: Share;
  readonly caveats: readonly string[];
}

/**
 * Fits a scoring model to the earlier part of a history and tests it on the later part (issue "History": time-based split, embargo,
 * no leakage): the labels it is fitted to are those that were known when the test begins, and features end at each lead's actual
 * handoff. Pure and deterministic.
 * @throws TuningError TOO_FEW_EXAMPLES
 */
export function tune(
  history: ScoringHistory,
  request: TuningRequest,
  others: { readonly active: NamedModel | null; readonly compareWith: readonly NamedModel[] },
  progress: (share: number) => void = () => undefined,
): TuningResult {
  const { asOfS, embargoDays, horizonDays, label, testShare, toS } = request;
  const horizonS = horizonDays * DAY_S;
  const earliestS = history.leads.capturedAtS.reduce((least, atS) => Math.min(least, atS), toS);
  const fromS = Math.max(request.fromS, earliestS);
  const testFromS = startOfTest(history, { fromS, toS, asOfS }, testShare);
  const trainScope = { fromS, toS: Math.max(fromS, testFromS - Math.round(embargoDays * DAY_S)), asOfS: testFromS };
  const testScope = { fromS: testFromS, toS, asOfS };
  const inTrain = outcomesOf(history.leads, trainScope, label, horizonS);
  const inTest = outcomesOf(history.leads, testScope, label, horizonS);
  const [train, test] = [partOf(trainScope, inTrain), partOf(testScope, inTest)];
  if (test.positives === 0 || test.positives === test.leads)
    throw new TuningError(
      `${test.positives} of the ${test.leads} leads of the test window reached the label: there is nothing to test by`,
    );
  progress(0.02);

  const run = (model: CompiledModel, scope: ReplayScope): ReplayOutput => {
    const out = replayOutput(history.leads.count);
    fastKernel(replayModel(model, history), history)(0, history.leads.count, scope, out);
    return out;
  };
  const examples = labelled(inTrain);
  const { active, compareWith } = others;
  const flaggedShare = request.flaggedShare ?? shareFlagged(active, examples, (model) => run(model, trainScope));
  const { document, ...fit } = fitScoringModel(history, examples, lastStepBefore(history, testFromS), {
    name: request.name,
    halfLivesDays: request.halfLivesDays,
    l2: request.l2,
    excluded: new Set(request.excluded),
    flaggedShare,
    highestTotals: (model, leads) => {
      const { maxMp } = run(model, trainScope);
      return Float64Array.from(leads, (lead) => maxMp[lead]!);
    },
    progress: (share) => progress(0.02 + 0.88 * share),
  });

  const tested = labelled(inTest);
  const tuned = { name: request.name, model: compiled(document) };
  const runs = [tuned, ...(active === null ? [] : [active]), ...compareWith].map(({ model, name }) => {
    const out = run(model, testScope);
    return { name, model, out, atCut: scoresOf(out.cutMp, tested.leads) };
  });
  progress(0.98);
  const [own, ...rest] = runs as [(typeof runs)[number], ...(typeof runs)[number][]];
  return {
    document,
    fit,
    train,
    test,
    models: runs.map(({ atCut, model, name, out }) => ({
      name,
      auc: aucOfScores(atCut, tested.labels),
      aucOfHighest: aucOfScores(scoresOf(out.maxMp, tested.leads), tested.labels),
      minTotal: model.thresholds.mql.minTotal / 1000,
      quality: qualityOf(confusionOf(inTest, out.crossedAtS)),
    })),
    comparisons: rest.map((one) => comparison(one.name, compareAuc(own.atCut, one.atCut, tested.labels))),
    neverDecided: neverDecided(history, inTest, own.out),
    caveats: caveatsOf(request, train, test),
  };
}

/** Captured first of the latest `share` of the leads in the window. */
function startOfTest({ leads }: ScoringHistory, { asOfS, fromS, toS }: ReplayScope, share: number): number {
  const captured = leads.capturedAtS.filter((atS) => atS >= fromS && atS < toS && atS <= asOfS).toSorted();
  return captured[Math.floor((1 - share) * captured.length)] ?? toS;
}

function partOf({ fromS, toS }: ReplayScope, outcomes: Outcomes): TuningPart {
  const { immature, undecided } = outcomes;
  const { labels } = labelled(outcomes);
  const positives = labels.reduce((sum, one) => sum + one, 0);
  return { fromS, toS, leads: labels.length, positives, immature, undecided };
}

function labelled({ of }: Outcomes): LabelledLeads {
  const leads = Uint32Array.from(of.keys()).filter(
    (lead) => of[lead] === OUTCOME.positive || of[lead] === OUTCOME.negative,
  );
  return { leads, labels: Uint8Array.from(leads, (lead) => (of[lead] === OUTCOME.positive ? 1 : 0)) };
}

const lastStepBefore =
  ({ leads, steps }: ScoringHistory, asOfS: number) =>
  (lead: number): number | null => {
    const first = leads.firstStep[lead]!;
    let last = leads.cutStep[lead]! - 1;
    while (last >= first && steps.atS[last]! > asOfS) last--;
    return last < first ? null : last;
  };

function shareFlagged(
  active: NamedModel | null,
  { leads }: LabelledLeads,
  run: (model: CompiledModel) => ReplayOutput,
): number | null {
  if (active === null || leads.length === 0) return null;
  const { crossedAtS } = run(active.model);
  const flagged = leads.reduce((sum, lead) => sum + (crossedAtS[lead] === 0 ? 0 : 1), 0);
  return flagged === 0 ? null : flagged / leads.length;
}

const scoresOf = (mp: Float64Array, leads: Uint32Array): Float64Array => Float64Array.from(leads, (lead) => mp[lead]!);

function comparison(against: string, difference: AucDifference): TuningComparison {
  const [low, high] = difference.interval;
  const verdict = low > 0 ? 'better' : high < 0 ? 'worse' : 'no_difference_shown';
  const by = `${difference.difference >= 0 ? '+' : ''}${difference.difference.toFixed(4)} AUC, 95 % interval ${low.toFixed(4)} to ${high.toFixed(4)}`;
  const says = {
    better: `The tuned model ranks the test leads better than ${against} (${by}).`,
    worse: `The tuned model does NOT beat ${against}: it ranks the test leads worse (${by}).`,
    no_difference_shown: `The tuned model does NOT show itself better than ${against} (${by}).`,
  }[verdict];
  return { against, ...difference, verdict, says };
}

function neverDecided({ leads }: ScoringHistory, { of }: Outcomes, { crossedAtS }: ReplayOutput): Share {
  let [flagged, undecided] = [0, 0];
  for (let lead = 0; lead < of.length; lead++) {
    if (of[lead] === OUTCOME.outside || crossedAtS[lead] === 0) continue;
    flagged++;
    if (leads.acceptedAtS[lead] === 0 && leads.rejectedAtS[lead] === 0) undecided++;
  }
  return share(undecided, flagged);
}

const FEW_POSITIVES = 200;

function caveatsOf({ embargoDays, horizonDays, label }: TuningRequest, train: TuningPart, test: TuningPart): string[] {
  return [
    'Leads that were never offered to sales had no chance to be accepted, and most leads that sales took up were chosen by the models in force then: what sales never saw, the history cannot tell (selection bias).',
    ...(label === 'accepted' ? ['The label accepted covers only leads that sales has decided about.'] : []),
    ...(embargoDays < horizonDays
      ? [`The embargo of ${embargoDays} days is shorter than the horizon of ${horizonDays}: of the last leads before it, those that came true early are in and the others are left out.`]
      : []),
    ...([['training', train], ['test', test]] as const).flatMap(([name, { positives }]) =>
      positives < FEW_POSITIVES ? [`Only ${positives} leads of the ${name} window reached the label: figures may move a lot.`] : [],
    ),
  ]; // prettier-ignore
}
