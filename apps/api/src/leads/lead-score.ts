import { z } from 'zod';
import { failedHardCriteria } from '#libs/lead/src/icp.js';
import { isCooledDown, isSuppressed, mayBeScored, scoredOf, standingOf } from '#libs/lead/src/scoring.js';
import type { LeadState } from '#libs/lead/src/state.js';
import { toIso } from '#libs/platform/src/clock.js';
import type { Pipeline } from '#libs/policy/src/documents.js';
import { wholeSeconds } from '#libs/scoring/src/behaviours.js';
import type { CompiledModel, MinimumScore } from '#libs/scoring/src/compile.js';
import { BANDS, GRADES } from '#libs/scoring/src/model.js';
import {
  coolsAtS,
  evaluate,
  explain,
  gradeReaches,
  reachesMql,
  reachesPql,
  type Score,
} from '#libs/scoring/src/score.js';

const mp = z.int().describe('Milli-points: 1000 are a point');
const grade = z.enum(GRADES);
const minimum = {
  /** Enough points and grade. */
  met: z.boolean(),
  /** Met, and nothing else stands against a mark: a crossing has an effect. */
  eligible: z.boolean(),
  minTotal: mp.nullable(),
  minGrade: grade.nullable(),
  minFit: mp.nullable(),
  missing: z.object({
    total: mp.describe('0: enough'),
    fit: mp,
    grade: grade.nullable().describe('The grade it needs; null: it has it'),
  }),
};
const requirement = z.object({
  on: z.string(),
  atLeast: z.int(),
  withinDays: z.number().nullable(),
  counted: z.int(),
});

export const scoreAnswer = z.object({
  leadId: z.string(),
  model: z.object({ id: z.string(), version: z.int(), name: z.string() }),
  suspended: z
    .literal('profiling_withdrawn')
    .nullable()
    .describe('Set: this person is not scored, and nothing is told'),
  total: mp.nullable(),
  fit: mp.nullable(),
  engagement: mp.nullable(),
  penalties: mp.nullable(),
  grade: grade.nullable(),
  band: z.enum(BANDS).nullable(),
  thresholds: z
    .object({
      mql: z.object(minimum),
      pql: z.object({ ...minimum, requires: z.array(requirement) }).nullable(),
      autoSql: z.object({ ...minimum, requiresActiveRequest: z.boolean() }).nullable(),
      obstacles: z.array(z.enum(['ICP_THRESHOLD_FAILED', 'CONSENT_WITHDRAWN', 'RECYCLE_COOLDOWN'])),
    })
    .nullable(),
  contributions: z
    .array(
      z.object({
        ruleId: z.string(),
        label: z.string(),
        part: z.enum(['fit', 'engagement', 'penalty']),
        mp,
        rawMp: mp.describe('Before the cap'),
        capped: z.boolean(),
      }),
    )
    .describe('Their `mp` add up to the total exactly'),
  coolsAt: z.string().nullable().describe('When the total falls below the MQL threshold if nothing happens'),
  recorded: z
    .object({ modelId: z.string(), modelVersion: z.int(), total: mp, grade, band: z.enum(BANDS), at: z.string() })
    .nullable()
    .describe('What was recorded last: at a change of grade or band, at a mark, at the activation of a model'),
});

/** Where a lead's score comes from at an instant, under any model (spec §5.3, §5.5). */
export function leadScore(
  lead: LeadState,
  model: CompiledModel,
  pipeline: Pipeline,
  atMs: number,
): z.output<typeof scoreAnswer> {
  const { score: last } = lead;
  const heading = {
    leadId: lead.leadId,
    model: { id: model.modelId, version: model.version, name: model.document.name },
    recorded: last === null ? null : recordOf(last),
  };
  if (!mayBeScored(lead)) {
    const none = { total: null, fit: null, engagement: null, penalties: null, grade: null, band: null };
    return {
      ...heading,
      suspended: 'profiling_withdrawn',
      ...none,
      thresholds: null,
      contributions: [],
      coolsAt: null,
    };
  }
  const atS = wholeSeconds(atMs);
  const scored = scoredOf(lead, model);
  const { contributions, score } = explain(model, scored, atS);
  const standing = standingOf(lead, model, atMs, pipeline);
  const { autoSql, mql, pql } = model.thresholds;
  const obstacles = [
    ...(failedHardCriteria(lead).length > 0 ? (['ICP_THRESHOLD_FAILED'] as const) : []),
    ...(isSuppressed(lead) ? (['CONSENT_WITHDRAWN'] as const) : []),
    ...(isCooledDown(lead, pipeline, atMs) ? [] : (['RECYCLE_COOLDOWN'] as const)),
  ];
  const coolsAt = coolsAtS(model, scored, atS);
  return {
    ...heading,
    suspended: null,
    ...score,
    thresholds: {
      mql: { met: reachesMql(model, score), eligible: standing.mql, ...missingOf(score, mql) },
      pql:
        pql === null
          ? null
          : {
              met: reachesPql(model, scored, score, atS),
              eligible: standing.pql,
              ...missingOf(score, pql),
              requires: pql.requires.map(({ atLeast, on, withinS }) => ({
                on,
                atLeast,
                withinDays: withinS === Infinity ? null : withinS / 86_400,
                counted: lead.behaviours.occurrences(on, withinS, atS),
              })),
            },
      autoSql:
        autoSql === null
          ? null
          : {
              met: missingOf(score, autoSql).missing.total === 0 && gradeReaches(score.grade, autoSql.minGrade),
              eligible: standing.autoSql,
              ...missingOf(score, autoSql),
              requiresActiveRequest: autoSql.requiresActiveRequest,
            },
      obstacles,
    },
    contributions: [...contributions],
    coolsAt: coolsAt === null ? null : toIso(coolsAt * 1000),
  };
}

/** The score as a lead's card tells it; null: no model is in force, or this person is not scored. */
export function scoreCard(lead: LeadState, model: CompiledModel | null, atMs: number) {
  if (model === null || !mayBeScored(lead)) return null;
  const scored = scoredOf(lead, model);
  const { band, grade: letter, total } = evaluate(model, scored, wholeSeconds(atMs));
  return { total, grade: letter, band, modelId: model.modelId, modelVersion: model.version };
}

function missingOf(score: Score, { minFit, minGrade, minTotal }: MinimumScore) {
  const finite = (least: number): number | null => (least === -Infinity ? null : least);
  return {
    minTotal: finite(minTotal),
    minGrade,
    minFit: finite(minFit),
    missing: {
      total: Math.max(0, minTotal - score.total),
      fit: Math.max(0, minFit - score.fit),
      grade: gradeReaches(score.grade, minGrade) ? null : minGrade,
    },
  };
}

const recordOf = ({ atMs, ...last }: NonNullable<LeadState['score']>) => ({ ...last, at: toIso(atMs) });
