import { Behaviours } from '#libs/scoring/src/behaviours.js';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import { FIT_FIELDS, type Facts, type FitField } from '#libs/scoring/src/facts.js';
import { explain, topContributions, type Explanation, type Scored } from '#libs/scoring/src/score.js';
import { STEP, STEP_MASK, type ScoringHistory } from './scoring-history.js';

const FIELDS = Object.keys(FIT_FIELDS) as FitField[];

/** One lead as it was known after a step of its past. */
export function scoredAfter({ leads, profiles, steps, variants }: ScoringHistory, lead: number, step: number): Scored {
  let behaviours = new Behaviours();
  let facts: Facts = {};
  for (let at = leads.firstStep[lead]!; at <= step; at++) {
    const value = steps.value[at]!;
    const eventId = String(at);
    switch (steps.kind[at]! & STEP_MASK) {
      case STEP.behaviour: {
        const instants = { occurredAtS: steps.occurredAtS[at]!, availableAtS: steps.atS[at]! };
        behaviours = behaviours.with({ eventId, ...variants[value]!, ...instants });
        break;
      }
      case STEP.facts:
        facts = {};
        for (const field of FIELDS) {
          const known = profiles.values[field][profiles.fields[field][value]!];
          if (known !== undefined) facts = { ...facts, [field]: known };
        }
        break;
      case STEP.returned:
        behaviours = behaviours.with({ eventId, kind: 'returned' });
        break;
      case STEP.restated:
        behaviours = new Behaviours();
        break;
      default:
    }
  }
  return { behaviours, facts };
}

/** The last step before the cut that was known at `atS`; null: there is none. */
export function lastStepBy({ leads, steps }: ScoringHistory, lead: number, atS: number): number | null {
  let last: number | null = null;
  for (let step = leads.firstStep[lead]!; step < leads.cutStep[lead]! && steps.atS[step]! <= atS; step++) last = step;
  return last;
}

/** The score right after a step with what made it, most first. */
export function explainedAfter(
  model: CompiledModel,
  history: ScoringHistory,
  lead: number,
  step: number,
  top: number,
): Pick<Explanation, 'score'> & { readonly because: readonly { readonly ruleId: string; readonly mp: number }[] } {
  const explanation = explain(model, scoredAfter(history, lead, step), history.steps.atS[step]!);
  return { score: explanation.score, because: topContributions(explanation, top) };
}
