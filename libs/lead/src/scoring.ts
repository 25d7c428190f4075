import type { Pipeline } from '#libs/policy/src/documents.js';
import { wholeSeconds } from '#libs/scoring/src/behaviours.js';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import {
  evaluate,
  explain,
  reaches,
  reachesMql,
  reachesPql,
  topContributions,
  type Score,
  type Scored,
} from '#libs/scoring/src/score.js';
import { consentsOf } from './absorption.js';
import type { LeadEventData } from './events.js';
import { failedHardCriteria } from './icp.js';
import { freshHandRaise } from './hand-raise.js';
import { factsOf } from './scored-facts.js';
import type { LeadState } from './state.js';

/** A lead under a model at an instant: its score and what that would allow (spec §5.5). */

const DAY_MS = 86_400_000;
/** So many contributions a mark names. */
const TOP = 5;

export interface Standing {
  readonly model: CompiledModel;
  readonly score: Score;
  /** The thresholds that are met while nothing else stands against a mark: the ICP, consent, the cool-down. */
  readonly mql: boolean;
  readonly pql: boolean;
  readonly autoSql: boolean;
  readonly top: () => NonNullable<LeadEventData<'MarkedMQL'>['topContributions']>;
}

export const scoredOf = (lead: LeadState, model: CompiledModel): Scored => ({
  behaviours: lead.behaviours,
  ...lead.fitMemo.of(model, () => factsOf(lead)),
});

/** `scored`: what is scored of the lead, where that is told by something else than its own fold. */
export function standingOf(
  lead: LeadState,
  model: CompiledModel,
  nowMs: number,
  pipeline: Pipeline,
  scored: Scored = scoredOf(lead, model),
): Standing {
  const atS = wholeSeconds(nowMs);
  const score = evaluate(model, scored, atS);
  const { autoSql } = model.thresholds;
  const open = failedHardCriteria(lead).length === 0 && !isSuppressed(lead) && isCooledDown(lead, pipeline, nowMs);
  return {
    model,
    score,
    mql: open && reachesMql(model, score),
    pql: open && reachesPql(model, scored, score, atS),
    autoSql:
      open &&
      pipeline.autoSql &&
      autoSql !== null &&
      reaches(score, autoSql) &&
      (!autoSql.requiresActiveRequest || freshHandRaise(lead, pipeline, nowMs)),
    top: () => topContributions(explain(model, scored, atS), TOP),
  };
}

/** Who withdraws consent to profiling is not scored from then on (spec §9.2). */
export const mayBeProfiled = (lead: LeadState): boolean => consentsOf(lead).get('profiling') !== 'withdrawn';

export const mayBeScored = (lead: LeadState): boolean =>
  lead.state !== null && lead.state !== 'MERGED' && mayBeProfiled(lead);

/** T4: some consent was withdrawn and none is left. */
export function isSuppressed(lead: LeadState): boolean {
  let withdrawn = false;
  for (const standing of consentsOf(lead).values()) {
    if (standing === 'granted') return false;
    withdrawn = true;
  }
  return withdrawn;
}

export const isCooledDown = ({ lastTransitionAtMs, state }: LeadState, pipeline: Pipeline, atMs: number): boolean =>
  state !== 'RECYCLED' || atMs >= lastTransitionAtMs + pipeline.recycleCooldownDays * DAY_MS;

/** What transitions record of the score (spec §3.5); nothing without a model. */
export const scoreSnapshot = (standing: Standing | null) =>
  standing === null
    ? {}
    : { modelVersion: standing.model.version, total: standing.score.total, grade: standing.score.grade };

export const scoreRecord = (standing: Standing | null) =>
  standing === null ? {} : { ...scoreSnapshot(standing), topContributions: standing.top() };
