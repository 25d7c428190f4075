import type { Pipeline } from '#libs/policy/src/documents.js';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import { milliPoints } from '#libs/scoring/src/rounding.js';
import type { Score } from '#libs/scoring/src/score.js';
import { becomeMql, becomeSql, BEFORE_MQL, handOff, withdrawQualification } from './decide-qualification.js';
import type { Decision } from './decision.js';
import { LeadError, type LeadErrorCode } from './errors.js';
import type { LeadEventData } from './events.js';
import type { Rules } from './rule.js';
import { SCORED_FACTS } from './scored-facts.js';
import { mayBeProfiled, mayBeScored, scoreRecord, standingOf, type Standing } from './scoring.js';
import type { LeadState } from './state.js';
import type { LeadStateName } from './states.js';

/** What the ledger does by itself when a score changes (spec §5.4, §5.5), in the append of the fact that changed it. */

const SCORING = 'system:scoring';

type Cause = Pick<LeadEventData<'LeadScored'>, 'cause' | 'causeEventId'>;
export type Consequence = 'mql' | 'pql' | 'sql' | 'withdrawn' | null;

const MAY_BE_MARKED: ReadonlySet<LeadStateName> = new Set(BEFORE_MQL);
const MAY_SKIP_TO_SQL: ReadonlySet<LeadStateName> = new Set<LeadStateName>(['LEAD', 'PROSPECT', 'MQL', 'RECYCLED']);
/** What keeps a handoff from being made at once: the mark stands, and marketing hands off when it is cleared up. */
const NO_HANDOFF: ReadonlySet<LeadErrorCode> = new Set<LeadErrorCode>([
  'NO_ACTIVE_AGREEMENT',
  'NOT_READY',
  'UNKNOWN_TEAM',
]);

export const scoringRules: Rules<'RescoreLead'> = {
  RescoreLead: {
    decide(decision) {
      const { context, lead } = decision;
      const model = context.models.inForce(context.nowMs);
      if (model === null || !mayBeScored(lead)) return;
      const { score } = lead;
      // Done already: by an earlier run, or by something that happened since the activation.
      if (score?.modelId === model.modelId && score.modelVersion === model.version) return;
      const former = context.models.predecessor(context.nowMs);
      const before = () => (former === null ? null : standingOf(lead, former, context.nowMs, decision.pipeline));
      follow(decision, model, before, { cause: 'model_activated' });
    },
  },
};

/**
 * Evaluates the lead when the command recorded something that scores, at t = now, the lead as it was before and as it is after at
 * the same t: so only a fact crosses a threshold upwards, never the mere passing of time. History is not scored (spec §9.3).
 */
export function scoreAfter(decision: Decision, before: LeadState): void {
  if (decision.isImport) return;
  const first = decision.events.findIndex(({ type }) => SCORED_FACTS.has(type));
  if (first < 0) return;
  const { context, lead } = decision;
  const model = context.models.inForce(context.nowMs);
  if (model === null || !mayBeScored(lead)) return;
  const was = () =>
    before.state !== null && mayBeProfiled(before) ? standingOf(before, model, context.nowMs, decision.pipeline) : null;
  const merged = decision.events.some(({ type }) => type === 'DuplicateAbsorbed' || type === 'MergeReverted');
  const causeEventId = context.eventId(first);
  follow(decision, model, was, { cause: merged ? 'merge' : 'event', causeEventId });
}

/** The score is recorded when its grade or band is another one, with whatever it brings about, and under a new model. */
function follow(decision: Decision, model: CompiledModel, was: () => Standing | null, cause: Cause): void {
  const { context, lead } = decision;
  const is = standingOf(lead, model, context.nowMs, decision.pipeline);
  // Who is beyond no threshold has crossed none: what he was before need not be worked out.
  const before = is.mql || is.pql || is.autoSql ? was() : null;
  const { consequence, isRecorded } = followsFrom(lead, decision.pipeline, before, is, cause);
  if (!isRecorded) return;
  decision.asPolicy(SCORING, context.nowMs, () => {
    decision.record('LeadScored', { modelId: model.modelId, modelVersion: model.version, ...is.score, ...cause });
  });
  // Of a lead whose last transition a client's clock put a little ahead, the order of transitions is kept.
  decision.asPolicy(SCORING, Math.max(context.nowMs, lead.lastTransitionAtMs), () =>
    bringAbout(decision, consequence, is),
  );
}

/** Whether a lead's new standing is recorded, and what it brings about. */
export function followsFrom(
  lead: LeadState,
  pipeline: Pipeline,
  was: Standing | null,
  is: Standing,
  { cause }: Pick<Cause, 'cause'>,
): { readonly isRecorded: boolean; readonly consequence: Consequence } {
  const consequence = consequenceOf(lead, pipeline, was, is);
  const { grade, band } = lead.score ?? { grade: 'U', band: 'cold' };
  const changed = grade !== is.score.grade || band !== is.score.band;
  return { consequence, isRecorded: consequence !== null || changed || cause === 'model_activated' };
}

function consequenceOf(lead: LeadState, pipeline: Pipeline, was: Standing | null, is: Standing): Consequence {
  const state = lead.state!;
  if (is.autoSql && was?.autoSql !== true && MAY_SKIP_TO_SQL.has(state)) return 'sql';
  if (MAY_BE_MARKED.has(state)) {
    if (is.mql && was?.mql !== true) return 'mql';
    if (is.pql && was?.pql !== true) return 'pql';
  }
  const { enabled, hysteresis } = pipeline.decayWithdrawal;
  if (!enabled || state !== 'MQL' || lead.latestTransition?.eventId !== lead.autoMarkEventId) return null;
  return is.score.total < is.model.thresholds.mql.minTotal - milliPoints(hysteresis) ? 'withdrawn' : null;
}

function bringAbout(decision: Decision, consequence: Consequence, is: Standing): void {
  const record = scoreRecord(is);
  switch (consequence) {
    case null:
      return;
    case 'mql':
      becomeMql(decision, 'MarkedMQL', { basis: 'marketing', mode: 'auto', ...record });
      return offer(decision, is);
    case 'pql': {
      const keyActions = is.model.thresholds.pql?.requires.map(({ on }) => on) ?? [];
      becomeMql(decision, 'MarkedPQL', { basis: 'product', mode: 'auto', keyActions, ...record });
      return offer(decision, is);
    }
    case 'sql':
      return becomeSql(decision, { skipRule: 'auto_sql_score' });
    case 'withdrawn':
      return withdrawQualification(decision, { reason: 'score_decay' });
  }
}

function offer(decision: Decision, { model, score, top }: Standing): void {
  if (!decision.pipeline.autoHandoff) return;
  const labels = new Map(
    [...model.document.fit, ...model.document.behaviour].map(({ id, label }) => [id, label ?? id]),
  );
  const because = top().map(({ mp, ruleId }) => `${labels.get(ruleId)} +${inPoints(mp)}`);
  const summary = `Score ${inPoints(score.total)}, grade ${score.grade}: ${because.join(', ')}`.slice(0, 2000);
  try {
    handOff(decision, { summary });
  } catch (error) {
    if (!(error instanceof LeadError && NO_HANDOFF.has(error.code))) throw error;
  }
}

const inPoints = (mp: Score['total']): string => String(Math.round(mp / 100) / 10);
