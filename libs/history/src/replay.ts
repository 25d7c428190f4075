import { createHash } from 'node:crypto';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import type { ScoringModelDocument } from '#libs/scoring/src/model.js';
import { explainedAfter, lastStepBy } from './replay-explanation.js';
import type { ReplayOutput, ReplayScope } from './replay-model.js';
import {
  actualFlags,
  aucOf,
  cellsOf,
  changesOf,
  confusionOf,
  type Decile,
  decilesOf,
  distributionOf,
  type Flags,
  judgedBy,
  type Label,
  OUTCOME_NAMES,
  type Outcomes,
  outcomesOf,
  type Quality,
  qualityOf,
  type Shift,
  type Split,
  splitOf,
  type SweepRow,
  sweepOf,
  usualThresholds,
  type Volume,
  volumeOf,
  weeksOf,
} from './replay-metrics.js';
import { LEAD_FLAGS, type ScoringHistory, type SegmentDimension } from './scoring-history.js';

/** A what-if over the past (spec §5.6): candidates side by side, and the marks there actually were. */
export interface ReplayRequest {
  readonly candidates: readonly Candidate[];
  /** Captured in [from, to). */
  readonly window: { readonly fromMs: number; readonly toMs: number };
  readonly label: Label;
  readonly horizonDays: number;
  readonly asOfMs: number;
  readonly by: readonly SegmentDimension[];
  /** Points; null: some hundred round ones for each model. */
  readonly thresholds: readonly number[] | null;
  /** So many gained and lost leads are named. */
  readonly listed: number;
}
export interface Candidate {
  readonly name: string;
  readonly model: CompiledModel;
}

export const FLAGS = ['NO_LEADS', 'NO_MATURE_LEADS', 'NO_POSITIVES', 'NO_NEGATIVES', 'NOTHING_FLAGGED', 'FEW_POSITIVES'] as const; // prettier-ignore
/** Why figures are null or say little. */
export type ReplayFlag = (typeof FLAGS)[number];

export interface ListedLead {
  readonly leadId: string;
  /** When it was flagged, by the candidate (gained) or in fact (lost). */
  readonly at: string;
  readonly outcome: (typeof OUTCOME_NAMES)[number];
  /** Under the candidate at that instant, or at the cut if that was before; milli-points. */
  readonly total: number;
  readonly grade: string;
  readonly band: string;
  /** Greatest total at which it might have been marked; null: never, for grade, fit or a gate. */
  readonly maxTotal: number | null;
  readonly because: readonly { readonly ruleId: string; readonly mp: number }[];
}
export interface ChangedLeads {
  /** What the flags are compared with: `actual` or the name of another candidate. */
  readonly against: string;
  readonly gained: ChangedGroup;
  readonly lost: ChangedGroup;
  readonly shift: Shift;
}
export interface ChangedGroup {
  readonly leads: number;
  readonly positives: number;
  readonly negatives: number;
  /** The first so many by their greatest total. */
  readonly listed: readonly ListedLead[];
}

export interface CandidateResult {
  readonly name: string;
  readonly modelId: string;
  readonly version: number;
  /** sha256 of the document in canonical form. */
  readonly digest: string;
  readonly minTotal: number;
  readonly quality: Quality;
  readonly auc: number | null;
  readonly deciles: readonly Decile[];
  readonly sweep: readonly SweepRow[];
  readonly volume: Volume;
  readonly splits: readonly Split[];
  readonly changes: readonly ChangedLeads[];
  readonly flags: readonly ReplayFlag[];
}

export interface ReplayResult {
  readonly position: string | null;
  readonly window: { readonly from: string; readonly to: string };
  readonly asOf: string;
  readonly label: Label;
  readonly horizonDays: number;
  readonly population: {
    readonly leads: number;
    /** Mature and with a known outcome: what the figures are about. */
    readonly judged: number;
    readonly immature: number;
    readonly undecided: number;
  };
  /** The marks as MQL there were; `automatic` those the score made. */
  readonly actual: {
    readonly quality: Quality;
    readonly automatic: Quality;
    readonly volume: Volume;
  };
  readonly candidates: readonly CandidateResult[];
  readonly flags: readonly ReplayFlag[];
  readonly caveats: readonly string[];
}

export const scopeOf = ({ asOfMs, window }: Pick<ReplayRequest, 'asOfMs' | 'window'>): ReplayScope => ({
  fromS: Math.ceil(window.fromMs / 1000),
  toS: Math.ceil(window.toMs / 1000),
  asOfS: Math.floor(asOfMs / 1000),
});

const DAY_S = 86_400;
const TOP = 5;
/** Below that an interval is wide. */
const FEW = 30;

/** A result that names leads by number yet, and has no capacities. */
export interface NumberedResult extends Omit<ReplayResult, 'candidates' | 'actual'> {
  readonly actual: Omit<ReplayResult['actual'], 'volume'> & { readonly weeks: ReturnType<typeof weeksOf> };
  readonly candidates: readonly NumberedCandidate[];
}
interface NumberedCandidate extends Omit<CandidateResult, 'changes' | 'volume'> {
  readonly weeks: ReturnType<typeof weeksOf>;
  readonly changes: readonly (Omit<ChangedLeads, 'gained' | 'lost'> & {
    readonly gained: NumberedGroup;
    readonly lost: NumberedGroup;
  })[];
}
type NumberedGroup = Omit<ChangedGroup, 'listed'> & {
  readonly listed: readonly (Omit<ListedLead, 'leadId'> & { readonly lead: number })[];
};

/** All figures of a what-if from what the kernel found for each candidate. Nothing else is asked: the same in, the same out. */
export function judged(
  history: ScoringHistory,
  request: ReplayRequest,
  outputs: readonly ReplayOutput[],
): NumberedResult {
  const scope = scopeOf(request);
  const { leads } = history;
  const outcomes = outcomesOf(leads, scope, request.label, request.horizonDays * DAY_S);
  const actual = actualFlags(leads, scope, 0);
  const automatic = actualFlags(leads, scope, LEAD_FLAGS.markedAutomatically);
  const quality = qualityOf(confusionOf(outcomes, actual));
  const flags: ReplayFlag[] = [];
  if (outcomes.population === 0) flags.push('NO_LEADS');
  else if (quality.leads === 0) flags.push('NO_MATURE_LEADS');
  else if (quality.positives === 0) flags.push('NO_POSITIVES');
  else if (quality.positives === quality.leads) flags.push('NO_NEGATIVES');
  if (quality.positives > 0 && quality.positives < FEW) flags.push('FEW_POSITIVES');

  const candidates = request.candidates.map(({ model, name }, n): NumberedCandidate => {
    const { crossedAtS, maxMp } = outputs[n]!;
    const distribution = distributionOf(outcomes, maxMp);
    const cells = cellsOf(outcomes, actual, crossedAtS);
    const own = judgedBy(cells).candidate;
    const { minTotal } = model.thresholds.mql;
    const others = n === 0 ? [] : [{ against: request.candidates[0]!.name, before: outputs[0]!.crossedAtS }];
    return {
      name,
      modelId: model.modelId,
      version: model.version,
      digest: modelDigest(model.document),
      minTotal: minTotal / 1000,
      quality: own,
      auc: aucOf(distribution),
      deciles: decilesOf(distribution),
      sweep: sweepOf(distribution, request.thresholds ?? usualThresholds(distribution, minTotal)),
      weeks: weeksOf(outcomes, crossedAtS, scope),
      splits: request.by.map((dimension) => splitOf(cells, leads, dimension)),
      changes: [{ against: 'actual', before: actual }, ...others].map(({ against, before }) => ({
        against,
        ...changedLeads(history, request, outcomes, model, outputs[n]!, before),
      })),
      flags: own.leads > 0 && own.flagged === 0 ? ['NOTHING_FLAGGED'] : [],
    };
  });
  const { immature, population, undecided } = outcomes;
  return {
    position: history.position,
    window: { from: new Date(request.window.fromMs).toISOString(), to: new Date(request.window.toMs).toISOString() },
    asOf: new Date(request.asOfMs).toISOString(),
    label: request.label,
    horizonDays: request.horizonDays,
    population: { leads: population, judged: quality.leads, immature, undecided },
    actual: {
      quality,
      automatic: qualityOf(confusionOf(outcomes, automatic)),
      weeks: weeksOf(outcomes, actual, scope),
    },
    candidates,
    flags,
    caveats: caveatsOf(request, outcomes, quality),
  };
}

function changedLeads(
  history: ScoringHistory,
  request: ReplayRequest,
  outcomes: Outcomes,
  model: CompiledModel,
  { crossedAtS, crossedStep, maxMp }: ReplayOutput,
  before: Flags,
): { readonly gained: NumberedGroup; readonly lost: NumberedGroup; readonly shift: Shift } {
  const { gained, lost, shift } = changesOf(outcomes, before, crossedAtS);
  const { asOfS } = scopeOf(request);
  const listedLead = (lead: number, atS: number, step: number) => {
    const { because, score } = explainedAfter(model, history, lead, step, TOP);
    return {
      lead,
      at: new Date(atS * 1000).toISOString(),
      outcome: OUTCOME_NAMES[outcomes.of[lead]!]!,
      total: score.total,
      grade: score.grade,
      band: score.band,
      maxTotal: Number.isFinite(maxMp[lead]!) ? maxMp[lead]! : null,
      because,
    };
  };
  const group = (
    changed: readonly number[],
    listed: (lead: number) => NumberedGroup['listed'][number] | null,
  ): NumberedGroup => {
    const count = (name: 'positive' | 'negative') =>
      changed.reduce((found, lead) => found + (OUTCOME_NAMES[outcomes.of[lead]!] === name ? 1 : 0), 0);
    const first = mostFirst(changed, maxMp, request.listed);
    return {
      leads: changed.length,
      positives: count('positive'),
      negatives: count('negative'),
      listed: first.flatMap((lead) => listed(lead) ?? []),
    };
  };
  return {
    gained: group(gained, (lead) => listedLead(lead, crossedAtS[lead]!, crossedStep[lead]!)),
    lost: group(lost, (lead) => {
      const atS = before[lead]!;
      const step = lastStepBy(history, lead, Math.min(atS, asOfS));
      return step === null ? null : listedLead(lead, atS, step);
    }),
    shift,
  };
}

/** The `limit` leads with the greatest totals, in their order; of equals the earlier one. */
function mostFirst(leads: readonly number[], maxMp: Float64Array, limit: number): number[] {
  const order = (a: number, b: number) => maxMp[b]! - maxMp[a]! || a - b;
  let most: number[] = [];
  let least = -Infinity;
  const cut = () => {
    most = most.sort(order).slice(0, limit);
    if (most.length === limit && limit > 0) least = maxMp[most.at(-1)!]!;
  };
  for (const lead of leads) {
    // Of equals those that are there already come first.
    if (most.length >= limit && maxMp[lead]! <= least) continue;
    most.push(lead);
    if (most.length >= 2 * limit + 100) cut();
  }
  cut();
  return most;
}

function caveatsOf({ horizonDays, label }: ReplayRequest, outcomes: Outcomes, quality: Quality): string[] {
  const caveats: string[] = [];
  if (label === 'accepted') {
    caveats.push(
      `Label accepted covers decided leads only: ${outcomes.undecided} leads that sales never decided about say nothing (selection bias); sql and won cover all leads.`,
    );
  } else if (outcomes.immature > 0) {
    caveats.push(`${outcomes.immature} leads are left out: their ${horizonDays} days are not over, and they have not reached the label. Those that have are in, so rates look better than they will be: end the window ${horizonDays} days before.`); // prettier-ignore
  }
  if (quality.positives < FEW)
    caveats.push(`Only ${quality.positives} leads came true: look at the intervals, not at the rates.`);
  caveats.push(
    'What sales did with the leads that were marked is in the labels: a lead that nobody called had less of a chance.',
    'Behaviour after the actual handoff is not read. Weeks (UTC) count leads captured in the window only.',
  );
  return caveats;
}

/** The result as it is told: leads by id, weeks against what sales can take. `capacityAt`: in the week that begins then. */
export function toldResult(
  numbered: NumberedResult,
  leadIds: readonly string[],
  capacityAt: (weekStartsMs: number) => number | null,
): ReplayResult {
  const told = ({ listed, ...group }: NumberedGroup): ChangedGroup => ({
    ...group,
    listed: listed.map(({ lead, ...rest }) => ({ leadId: leadIds[lead]!, ...rest })),
  });
  const { weeks, ...actual } = numbered.actual;
  return {
    ...numbered,
    actual: { ...actual, volume: volumeOf(weeks, capacityAt) },
    candidates: numbered.candidates.map(({ changes, weeks: own, ...candidate }) => ({
      ...candidate,
      volume: volumeOf(own, capacityAt),
      changes: changes.map(({ gained, lost, ...rest }) => ({ ...rest, gained: told(gained), lost: told(lost) })),
    })),
  };
}

/** The same for the same rules, however the document's members are ordered and whatever id and version it says it has. */
export const modelDigest = ({ id: _, version: __, ...document }: ScoringModelDocument): string =>
  createHash('sha256')
    .update(JSON.stringify(ordered(document)))
    .digest('hex');

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    members.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, member]) => [name, ordered(member)]),
  );
}
