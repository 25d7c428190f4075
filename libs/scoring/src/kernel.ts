import type { CompiledModel } from './compile.js';

/**
 * The arithmetic of spec §5.3, and the only place that has it: live scoring, explanations and replays fold through these two
 * functions, a live score being a batch of one.
 *
 * Instants are whole seconds (milliseconds rounded down). Every half-life has one running group: when a behaviour that one of its
 * rules counts becomes available at t, the group's sums are brought forward to t by 2^(−(t−tG)/H), and p · count · 2^(−(t−e)/H) is
 * added for the behaviour, e being when it occurred; an age is never negative. Undecayed rules just add. Reading at t brings
 * forward likewise without storing, so that when and how often somebody looks changes nothing. Behaviours in the order of the log,
 * rules in the order of the document, IEEE doubles: the same bits everywhere.
 */
export interface Sums {
  /** By rule, as of its group's instant; neither capped nor clamped. */
  readonly byRule: number[];
  /** By group: the instant its sums are brought forward to; meaningless while all are 0. */
  readonly groupAtS: number[];
}

export const noSums = ({ halfLifeS, ruleIds }: CompiledModel): Sums => ({
  byRule: ruleIds.map(() => 0),
  groupAtS: Array.from(halfLifeS, () => 0),
});

export const copyOf = ({ byRule, groupAtS }: Sums): Sums => ({ byRule: byRule.slice(), groupAtS: groupAtS.slice() });

/** Counts one behaviour for one rule, in place. `atS`: when it became available, never before any behaviour counted so far. */
export function count(
  model: CompiledModel,
  { byRule, groupAtS }: Sums,
  rule: number,
  behaviour: { readonly atS: number; readonly occurredAtS: number; readonly count: number },
): void {
  const group = model.groupOf[rule]!;
  const halfLifeS = model.halfLifeS[group]!;
  const points = model.points[rule]! * behaviour.count;
  if (halfLifeS === Infinity) {
    byRule[rule]! += points;
    return;
  }
  const { atS } = behaviour;
  const sinceS = atS - groupAtS[group]!;
  if (sinceS !== 0) {
    const factor = 2 ** (-sinceS / halfLifeS);
    for (const each of model.rulesOfGroup[group]!) byRule[each]! *= factor;
    groupAtS[group] = atS;
  }
  byRule[rule]! += points * 2 ** (-Math.max(0, atS - behaviour.occurredAtS) / halfLifeS);
}

/** Forgets what behaviour has brought; penalties stay (spec §5.1 `onRecycled: reset_engagement`). */
export function resetEngagement(model: CompiledModel, { byRule }: Sums): void {
  byRule.fill(0, 0, model.penaltiesFrom);
}

/** What a rule is worth at an instant that is not before the last behaviour: decayed, not capped. */
export function rawAt(model: CompiledModel, { byRule, groupAtS }: Sums, rule: number, atS: number): number {
  const sum = byRule[rule]!;
  if (sum === 0) return 0;
  const group = model.groupOf[rule]!;
  const halfLifeS = model.halfLifeS[group]!;
  if (halfLifeS === Infinity) return sum;
  return sum * 2 ** (-Math.max(0, atS - groupAtS[group]!) / halfLifeS);
}

/** A cap limits the decayed sum at any time, not a count a day: so the order of behaviours does not matter to it. */
export const capped = (model: CompiledModel, rule: number, raw: number): number => {
  const cap = model.caps[rule]!;
  return raw > cap ? cap : raw < -cap ? -cap : raw;
};
