import { capped, count, noSums, rawAt, resetEngagement, type Sums } from '#libs/scoring/src/kernel.js';
import { milliPoints } from '#libs/scoring/src/rounding.js';
import type { ReplayModel, ReplayOutput, ReplayScope } from './replay-model.js';
import { generatedLoop, type GeneratedLoop } from './replay-code.js';
import {
  ALL_GATES,
  EVALUATED,
  LEAD_FLAGS,
  STEP,
  STEP_MASK,
  type LeadColumns,
  type ScoringHistory,
} from './scoring-history.js';

export function replayOutput(leads: number): ReplayOutput {
  const doubles = () => new Float64Array(new SharedArrayBuffer(leads * 8));
  const seconds = () => new Uint32Array(new SharedArrayBuffer(leads * 4));
  const bytes = () => new Uint8Array(new SharedArrayBuffer(leads));
  return {
    maxMp: doubles().fill(-Infinity),
    crossedAtS: seconds(),
    crossedStep: seconds(),
    crossedMp: doubles().fill(-Infinity),
    crossedGrade: bytes(),
    cutMp: doubles().fill(-Infinity),
    cutGrade: bytes(),
  };
}

/**
 * A candidate model over the past (spec §5.6): each lead of the population up to its cut, scored at every evaluation as the ledger
 * would have scored it, to the milli-point.
 *
 * Eligible is an evaluation at which grade, fit and gates allow a mark.
 * Replays the leads [from, to).
 */
export type ReplayKernel = (from: number, to: number, scope: ReplayScope, out: ReplayOutput) => void;

/** The arithmetic of libs/scoring, step by step: what every other way is measured against. */
export function exactKernel(replay: ReplayModel, history: ScoringHistory): ReplayKernel {
  return (from, to, scope, out) => {
    for (let lead = from; lead < to; lead++) {
      if (isIn(scope, history.leads, lead)) replayExactly(replay, history, lead, scope, out);
    }
  };
}

/**
 * The same results from a function that is made for this model. It folds with a fast power of two whose error it bounds, rounds to
 * milli-points where that cannot change them, and leaves a lead where it might (about one in a million) to the exact arithmetic.
 */
export function fastKernel(replay: ReplayModel, history: ScoringHistory): ReplayKernel {
  const loop: GeneratedLoop | null = generatedLoop(replay);
  if (loop === null) return exactKernel(replay, history);
  return (from, to, scope, out) =>
    loop(history.leads, history.steps, replay.fit, scope, out, from, to, (lead) =>
      replayExactly(replay, history, lead, scope, out),
    );
}

export const isIn = ({ fromS, toS }: ReplayScope, leads: LeadColumns, lead: number): boolean =>
  leads.capturedAtS[lead]! >= fromS &&
  leads.capturedAtS[lead]! < toS &&
  (leads.flags[lead]! & LEAD_FLAGS.mergedAway) === 0;

function replayExactly(
  { classes, classOf, fit, minTotalMp, model }: ReplayModel,
  { leads, profiles, steps, variants }: ScoringHistory,
  lead: number,
  { asOfS }: ReplayScope,
  out: ReplayOutput,
): void {
  let sums = noSums(model);
  let profile = profiles.count;
  let isOpen = true;
  let lastAtS = 0;
  let maxMp = -Infinity;
  out.crossedAtS[lead] = 0;
  const end = leads.cutStep[lead]!;
  for (let step = leads.firstStep[lead]!; step < end; step++) {
    const atS = steps.atS[step]!;
    if (atS > asOfS) break;
    lastAtS = atS;
    const kind = steps.kind[step]!;
    const value = steps.value[step]!;
    switch (kind & STEP_MASK) {
      case STEP.behaviour: {
        const occurredAtS = steps.occurredAtS[step]!;
        const behaviour = { atS, occurredAtS, count: variants[value]!.count };
        for (const { rule } of classes[classOf[value]!]!) count(model, sums, rule, behaviour);
        break;
      }
      case STEP.facts:
        profile = value;
        break;
      case STEP.gates:
        isOpen = (value & ALL_GATES) === ALL_GATES;
        break;
      case STEP.returned:
        if (model.document.onRecycled === 'reset_engagement') resetEngagement(model, sums);
        break;
      case STEP.restated:
        sums = noSums(model);
        break;
      default:
    }
    if ((kind & EVALUATED) === 0 || !isOpen || fit.enough[profile] === 0) continue;
    const mp = totalMp(model, sums, fit.points[profile]!, atS);
    if (mp <= maxMp) continue;
    maxMp = mp;
    if (mp < minTotalMp || out.crossedAtS[lead] !== 0) continue;
    out.crossedAtS[lead] = atS;
    out.crossedStep[lead] = step;
    out.crossedMp[lead] = mp;
    out.crossedGrade[lead] = fit.grade[profile]!;
  }
  out.maxMp[lead] = maxMp;
  out.cutMp[lead] = totalMp(model, sums, fit.points[profile]!, lastAtS);
  out.cutGrade[lead] = fit.grade[profile]!;
}

/** As `evaluate` of libs/scoring, of sums that are there already. */
function totalMp(model: ReplayModel['model'], sums: Sums, fit: number, atS: number): number {
  let engagement = 0;
  let penalties = 0;
  for (let rule = 0; rule < model.ruleIds.length; rule++) {
    const points = capped(model, rule, rawAt(model, sums, rule, atS));
    if (rule < model.penaltiesFrom) engagement += points;
    else penalties += points;
  }
  const range = model.document.engagementRange;
  const inRange = range === undefined ? engagement : Math.min(range.max, Math.max(range.min, engagement));
  return milliPoints(fit + inRange + penalties);
}
